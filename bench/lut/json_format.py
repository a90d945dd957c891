"""Look-up tables as JSON: one array of objects with the contract's column names, one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, BinaryIO

from bench.domain.lut import LutRow
from bench.errors import ConfigurationError
from bench.lut.values import TYPES, BadValue, Column, Value, build, check_columns, checked, convert, from_text, row_dict


class _Object(list[tuple[str, Any]]):
    """A JSON object as the pairs it was written as, so that a name that occurs twice is seen."""


def write(file: BinaryIO, rows: Iterable[LutRow]) -> int:
    """Write ``rows`` and return their number."""
    count = 0
    for row in rows:
        file.write(b",\n" if count else b"[\n")
        file.write(json.dumps(row_dict(checked(row)), allow_nan=False, ensure_ascii=False).encode("utf-8"))
        count += 1
    file.write(b"\n]\n" if count else b"[]\n")
    return count


def read(file: BinaryIO, name: str) -> Iterator[LutRow]:
    """Yield the rows of ``file``, called ``name`` in errors. Raises ConfigurationError with line (or row) and column."""
    try:
        content = json.loads(file.read().decode("utf-8-sig"), object_pairs_hook=_Object, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"{name}, line {error.lineno}, column {error.colno}: {error.msg}", hint="the file is not JSON"
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{name}: {error.reason} at byte {error.start}", hint="save the file as UTF-8"
        ) from None
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{name}: {error}") from None
    if not isinstance(content, list) or isinstance(content, _Object):
        raise ConfigurationError(
            f"{name} is not an array of objects", hint="a look-up table is one array with an object a row"
        )
    for number, pairs in enumerate(content, start=1):
        yield _row(pairs, f"{name}, row {number}")


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a finite number")


def _row(pairs: Any, where: str) -> LutRow:
    if not isinstance(pairs, _Object):
        raise ConfigurationError(f"{where} is not an object", hint="a look-up table is one array with an object a row")
    check_columns([key for key, _ in pairs], where)
    values = dict(pairs)
    try:
        return build({column.name: _value(column, values[column.name]) for column in TYPES})
    except BadValue as error:
        raise ConfigurationError(f"{where}, {error}") from None


def _value(column: Column, value: Any) -> Value:
    return from_text(column, value) if column.kind is datetime and isinstance(value, str) else convert(column, value)
