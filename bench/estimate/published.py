"""The published numbers that came with the project, as data: primitive counts, LeNet-5 estimates, memory.

Source: J. Garbay, ZIP-CNN, 2023, tables 3.1-5.6 and annex B.2, as printed; ``note`` says where a value fails a check.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files


@cache
def table(name: str) -> tuple[dict[str, str], ...]:
    """Return the rows of ``primitive_counts``, ``lenet5`` or ``memory``, values as printed."""
    text = (files("bench.estimate") / "data" / f"{name}.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def primitive_counts(network: str, config: str, source_table: str) -> dict[tuple[str, str], int]:
    """Return the published applications of each (primitive, kernel), labelled as ``decompose`` labels them."""
    found: dict[tuple[str, str], int] = {}
    for row in table("primitive_counts"):
        if (row["network"], row["config"], row["source_table"]) == (network, config, source_table):
            found[row["primitive"], _label(row["parameter"])] = int(row["count"])
    return found


def _label(parameter: str) -> str:
    if parameter == "NA":
        return ""
    k, equals, size = parameter.partition("=")
    return f"{k}={size.split('x')[0]}" if equals else parameter
