"""The look-up table as a JSON Schema (draft 2020-12), for tools that want to check what they read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bench.domain.lut import SCHEMA_VERSION
from bench.domain.station import Source
from bench.lut.values import TYPES, Column

_NAMES: dict[type, str] = {int: "integer", float: "number", str: "string", datetime: "string"}


def json_schema() -> dict[str, Any]:
    """Return the schema of what ``bench export lut.json`` and ``--json`` write: an array of rows, every column in each."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Look-up table of measured costs of neural-network primitives",
        "type": "array",
        "items": {
            "type": "object",
            "properties": {column.name: _property(column) for column in TYPES},
            "required": [column.name for column in TYPES],
            "additionalProperties": False,
        },
    }


def _property(column: Column) -> dict[str, Any]:
    if column.name == "schema_version":
        return {"const": SCHEMA_VERSION}
    if column.name == "source":
        return {"enum": [str(source) for source in Source]}
    name = _NAMES[column.kind]
    found: dict[str, Any] = {"type": [name, "null"] if column.optional else name}
    if column.kind is datetime:
        found["format"] = "date-time"
    if column.name == "applications":
        found["minimum"] = 1
    return found
