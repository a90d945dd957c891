"""Quantities in YAML files, always with their unit: "180 MHz", "512 KiB", "3.3 V", "46 mA", "50 ppm"."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

from bench.errors import ParameterError
from bench.units import parse

_SIZE = re.compile(r"(\d+)\s*(B|KiB|MiB)")
_REPEATED = re.compile(r"([1-9]\d{0,4}) x (.+)")
_SIZE_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20}
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*(%|ppm)")
_SHARE_OF_ONE = {"%": 100, "ppm": 1_000_000}


def _quantity(value: Any, unit: str, example: str) -> float:
    if not isinstance(value, str) or not value.endswith(unit):
        raise ValueError(f"expected a quantity with its unit, like {example}")
    try:
        return parse(value, unit)
    except ParameterError:
        raise ValueError(f"expected a quantity with its unit, like {example}") from None


def _hertz(value: Any) -> int:
    hz = _quantity(value, "Hz", "16 MHz")
    if hz != round(hz) or hz < 1:
        raise ValueError("expected a positive whole number of Hz")
    return round(hz)


def _volt(value: Any) -> float:
    return _quantity(value, "V", "3.3 V")


def _ampere(value: Any) -> float:
    return _quantity(value, "A", "46 mA")


def _bytes(value: Any) -> int:
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("expected a size in B, KiB or MiB, like 512 KiB")
    return int(match[1]) * _SIZE_BYTES[match[2]]


def _sizes(value: Any) -> tuple[int, ...]:
    match = _REPEATED.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return (_bytes(value),)
    return (_bytes(match[2]),) * int(match[1])


def _relative(value: Any) -> float:
    match = _SHARE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("expected a share in % or ppm, like 50 ppm")
    return float(match[1]) / _SHARE_OF_ONE[match[2]]


Hertz = Annotated[int, BeforeValidator(_hertz)]
Volt = Annotated[float, BeforeValidator(_volt)]
Ampere = Annotated[float, BeforeValidator(_ampere)]
Bytes = Annotated[int, BeforeValidator(_bytes)]
Sizes = Annotated[tuple[int, ...], BeforeValidator(_sizes)]
"""One size, or several equal ones: "16 KiB", "512 x 2 KiB"."""
Relative = Annotated[float, BeforeValidator(_relative)]
