"""Look-up tables as CSV (RFC 4180, but with plain newlines): the contract's columns in order, '.' decimal, UTF-8, empty = not applicable."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import attrgetter
from types import NoneType
from typing import Any, BinaryIO

from bench.domain.lut import COLUMNS, LutRow
from bench.errors import ConfigurationError
from bench.lut.values import INTEGERS, TYPES, BadValue, Column, build, check_columns, convert, from_text, to_text

_VALUES = attrgetter(*COLUMNS)
_CHUNK = 500
_SPECIAL = re.compile(r'[,"\r\n]')


def write(file: BinaryIO, rows: Iterable[LutRow]) -> int:
    """Write ``rows`` and return their number. Raises BadValue where a value does not fit its column."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    text.write(",".join(COLUMNS) + "\n")
    count, left = 0, iter(rows)
    while chunk := list(islice(left, _CHUNK)):
        columns = zip(*map(_VALUES, chunk), strict=True)
        cells = [_cells(column, values) for column, values in zip(TYPES, columns, strict=True)]
        text.writelines(f"{','.join(line)}\n" for line in zip(*cells, strict=True))
        count += len(chunk)
    text.flush()
    text.detach()
    return count


def _cells(column: Column, values: Sequence[Any]) -> list[str]:
    """Return the cells of a column; texts and numbers that are as they should be go the short way. Raises BadValue."""
    kinds = set(map(type, values))
    if kinds <= {str, NoneType}:
        texts = {value: _cell(column, value) for value in set(values)}
        return [texts[value] for value in values]
    if kinds == {float} and column.kind is float and all(map(math.isfinite, values)):
        return list(map(repr, values))
    if kinds == {int} and column.kind is int and min(values) in INTEGERS and max(values) in INTEGERS:
        return list(map(str, values))
    return [_cell(column, value) for value in values]


def _cell(column: Column, value: Any) -> str:
    text = to_text(convert(column, value))
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
