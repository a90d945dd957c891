"""Look-up tables as Apache Parquet: 64-bit integers and floats, strings, UTC times in microseconds; the schema carries the version."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from bench.domain.lut import COLUMNS, SCHEMA_VERSION, LutRow
from bench.errors import ConfigurationError
from bench.lut.values import TYPES, BadValue, build, check_columns, checked, convert

# Rows in memory at a time, and of one row group.
_CHUNK = 10_000

_ARROW = {int: pa.int64(), float: pa.float64(), str: pa.string(), datetime: pa.timestamp("us", tz="UTC")}
SCHEMA = pa.schema(
    [pa.field(column.name, _ARROW[column.kind], nullable=column.optional) for column in TYPES],
    metadata={"mcu_bench.table": "lut", "mcu_bench.schema_version": str(SCHEMA_VERSION)},
)


def write(file: BinaryIO, rows: Iterable[LutRow]) -> int:
    """Write ``rows`` and return their number."""
    count, source = 0, iter(rows)
    with pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
        while chunk := [checked(row) for row in islice(source, _CHUNK)]:
            columns = [[getattr(row, name) for row in chunk] for name in COLUMNS]
            arrays = [pa.array(values, field.type) for values, field in zip(columns, SCHEMA, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA))
            count += len(chunk)
    return count


def read(file: BinaryIO, name: str) -> Iterator[LutRow]:
    """Yield the rows of ``file``, called ``name`` in errors. Raises ConfigurationError with row and column."""
    try:
        parquet = pq.ParquetFile(file)
        check_columns(list(parquet.schema_arrow.names), name)
        first = 1
        for batch in parquet.iter_batches(batch_size=_CHUNK, columns=list(COLUMNS)):
            columns = {field.name: _cast(batch.column(field.name), field, name) for field in SCHEMA}
            for offset in range(batch.num_rows):
                where = f"{name}, row {first + offset}"
                try:
                    yield build({column.name: convert(column, columns[column.name][offset]) for column in TYPES})
                except BadValue as error:
                    raise ConfigurationError(f"{where}, {error}") from None
            first += batch.num_rows
    except pa.ArrowException as error:
        raise ConfigurationError(
            f"{name}: {str(error).splitlines()[0]}", hint="the file is not a Parquet file, or is damaged"
        ) from None


def _cast(array: pa.Array, field: pa.Field, name: str) -> list[object]:
    """Return the values of ``array`` as the column's type; other writers choose other widths and units."""
    try:
        values: list[object] = array.cast(field.type).to_pylist()
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0]
        raise ConfigurationError(
            f"{name}, column {field.name}: {array.type} instead of {field.type} ({reason})"
        ) from None
    return values
