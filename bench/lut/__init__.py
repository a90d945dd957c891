"""Look-up tables: rows out of the database, files of CSV, Parquet and JSON, and back.

count = write(Path("lut.csv"), rows(store, Selection(boards=("nucleo_f446ze",))))
table = read(Path("lut.csv"))
"""

from bench.lut.files import Format, format_of, read, write
from bench.lut.json_schema import json_schema
from bench.lut.provenance import provenance_path, write_provenance
from bench.lut.selection import rows
from bench.lut.values import row_dict

__all__ = [
    "Format",
    "format_of",
    "json_schema",
    "provenance_path",
    "read",
    "row_dict",
    "rows",
    "write",
    "write_provenance",
]
