"""What every format has in common: the columns' types, values as text and back, and what a row must satisfy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import NoneType, UnionType
from typing import Any, cast, get_args, get_type_hints

from bench.domain.lut import COLUMNS, SCHEMA_VERSION, LutRow
from bench.domain.station import Source
from bench.errors import ConfigurationError

Value = int | float | str | datetime | None
INTEGERS = range(-(2**63), 2**63)
"""What a column of integers holds in every format: 64 bits with a sign."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, the Python type of its values, and whether it may be empty."""

    name: str
    kind: type
    optional: bool


def _column(name: str, hint: Any) -> Column:
    if isinstance(hint, UnionType):
        (kind,) = (part for part in get_args(hint) if part is not NoneType)
        return Column(name, kind, True)
    return Column(name, hint, False)


TYPES: tuple[Column, ...] = tuple(_column(name, hint) for name, hint in get_type_hints(LutRow).items())


class BadValue(ValueError):
    """A value that does not fit its column; the format's reader adds file and line."""

    def __init__(self, column: str, message: str) -> None:
        super().__init__(f"column {column}: {message}")


def time_text(moment: datetime) -> str:
    """Return ``moment`` as ISO 8601 in UTC, with microseconds: 2025-03-01T12:00:00.123456Z."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def to_text(value: Value) -> str:
    """Return ``value`` as text from which ``from_text`` makes the same value: floats by repr, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return time_text(value)
    return repr(value) if isinstance(value, float) else str(value)


def from_text(column: Column, text: str) -> Value:
    """Return the value that ``text`` stands for. Raises BadValue."""
    if column.kind is str:
        return text
    if not text:
        return convert(column, None)
    try:
        if column.kind is datetime:
            return convert(column, datetime.fromisoformat(text))
        return convert(column, int(text) if column.kind is int else float(text))
    except BadValue:
        raise
    except ValueError:
        what = {int: "an integer", float: "a number with '.'", datetime: "an ISO 8601 time"}[column.kind]
        raise BadValue(column.name, f"{text!r} is not {what}") from None


def convert(column: Column, value: Any) -> Value:
    """Return ``value`` as the column's type. Raises BadValue for another type, a number out of range, a time without zone."""
    if value is None:
        if not column.optional:
            raise BadValue(column.name, "is empty")
        return None
    if column.kind is float and type(value) is int:
        value = _float(column, value)
    if type(value) is not column.kind and not (column.kind is str and isinstance(value, str)):
        raise BadValue(column.name, f"{value!r} is not of type {column.kind.__name__}")
    if isinstance(value, float) and not math.isfinite(value):
        raise BadValue(column.name, f"{value} is not a finite number")
    if isinstance(value, int) and value not in INTEGERS:
        raise BadValue(column.name, f"{value} does not fit into 64 bits")
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise BadValue(column.name, f"{value.isoformat()} has no time zone")
        return value.astimezone(UTC)
    return str(value) if column.kind is str else cast(Value, value)


def _float(column: Column, value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        raise BadValue(column.name, f"{value} is out of range") from None


def row_dict(row: LutRow) -> dict[str, int | float | str | None]:
    """Return ``row`` under the contract's column names, ready for JSON: times as text."""
    found = ((name, getattr(row, name)) for name in COLUMNS)
    return {name: time_text(value) if isinstance(value, datetime) else value for name, value in found}


def checked(row: LutRow) -> LutRow:
    """Return ``row`` if every value fits its column; nothing else is written. Raises BadValue."""
    for column in TYPES:
        convert(column, getattr(row, column.name))
    return row


def build(values: Mapping[str, Value]) -> LutRow:
    """Return the row of ``values``, which have their columns' types. Raises BadValue."""
    version, source, applications = values["schema_version"], values["source"], values["applications"]
    if version != SCHEMA_VERSION:
        raise BadValue("schema_version", f"{version} is not supported, this bench reads {SCHEMA_VERSION}")
    if source not in tuple(Source):
        raise BadValue("source", f"{source!r} is none of {', '.join(Source)}")
    if not isinstance(applications, int) or applications < 1:
        raise BadValue("applications", f"{applications} is not positive")
    return LutRow(**values)  # type: ignore[arg-type]


def check_columns(found: list[str], where: str) -> None:
    """Raise ConfigurationError unless ``found`` are the contract's columns, in any order, each once."""
    missing = [name for name in COLUMNS if name not in found]
    unknown = [name for name in found if name not in COLUMNS]
    twice = sorted({name for name in found if found.count(name) > 1})
    for what, names in (
        ("misses the column(s)", missing),
        ("has the unknown column(s)", unknown),
        ("repeats the column(s)", twice),
    ):
        if names:
            raise ConfigurationError(
                f"{where} {what} {', '.join(names)}",
                hint="a look-up table has exactly the columns that bench export writes",
            )
