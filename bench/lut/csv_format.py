"""Look-up tables as CSV (RFC 4180, but with plain newlines): the contract's columns in order, '.' decimal, UTF-8, empty = not applicable."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any, BinaryIO

from bench.domain.lut import COLUMNS, LutRow
from bench.errors import ConfigurationError
from bench.lut.values import INTEGERS, TYPES, BadValue, Column, build, check_columns, convert, from_text, to_text

_VALUES = attrgetter(*COLUMNS)
_SPECIAL = re.compile(r'[,"\r\n]')


def write(file: BinaryIO, rows: Iterable[LutRow]) -> int:
    """Write ``rows`` and return their number."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    text.write(",".join(COLUMNS) + "\n")
    count = 0
    for row in rows:
        cells = (_cell(column, value) for column, value in zip(TYPES, _VALUES(row), strict=True))
        text.write(",".join(cells) + "\n")
        count += 1
    text.flush()
    text.detach()
    return count


def _cell(column: Column, value: Any) -> str:
    """Return ``value`` as a cell. Raises BadValue where it does not fit its column."""
    kind = type(value)
    if kind is column.kind:  # the short ways, for nearly all cells
        if kind is float and math.isfinite(value):
            return repr(value)
        if kind is int and value in INTEGERS:
            return str(value)
    text = value if kind is column.kind is str else to_text(convert(column, value))
    # The csv module's writer forgets to quote a carriage return when lines end in a plain newline.
    return '"' + text.replace('"', '""') + '"' if _SPECIAL.search(text) else text


def read(file: BinaryIO, name: str) -> Iterator[LutRow]:
    """Yield the rows of ``file``, called ``name`` in errors. Raises ConfigurationError with line and column."""
    # A spreadsheet may have put a byte order mark first.
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    reader = csv.reader(text, strict=True)
    try:
        header = next(reader, None)
        if header is None:
            raise ConfigurationError(f"{name} is empty", hint="a look-up table begins with a line of column names")
        check_columns(header, f"{name}, line 1")
        start = reader.line_num + 1
        for cells in reader:
            if cells:
                yield _row(header, cells, f"{name}, line {start}")
            start = reader.line_num + 1
    except csv.Error as error:
        raise ConfigurationError(
            f"{name}, line {reader.line_num}: {error}", hint="the file is not a CSV file"
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{name}, near line {reader.line_num + 1}: {error.reason}", hint="save the file as UTF-8"
        ) from None


def _row(header: list[str], cells: list[str], where: str) -> LutRow:
    if len(cells) != len(header):
        raise ConfigurationError(
            f"{where}: {len(cells)} cells instead of {len(header)}",
            hint="separate by commas, quote texts that hold one",
        )
    texts = dict(zip(header, cells, strict=True))
    try:
        return build({column.name: from_text(column, texts[column.name]) for column in TYPES})
    except BadValue as error:
        raise ConfigurationError(f"{where}, {error}") from None
