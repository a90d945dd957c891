"""Quantities as people write them ("16MHz", "100ms", "4.7 mA"), and back. Inside the bench everything is in SI base units."""

from __future__ import annotations

import math

from quantiphy import InvalidNumber, Quantity

from bench.errors import ParameterError

_EXAMPLES = {"Hz": "16 MHz", "s": "100 ms", "A": "5 mA", "V": "3.3 V", "J": "10 mJ", "B": "512 kB"}


def parse(text: str, unit: str) -> float:
    """Return ``text`` in ``unit`` (an SI unit: "Hz", "s", "A", "V", "J", "B").

    A bare number is taken to be in ``unit``. Raises ParameterError for anything that is not a finite number, or is in another unit.
    """
    hint = f"write it like {_EXAMPLES.get(unit, f'1 {unit}')}"
    try:
        quantity = Quantity(text.strip())
    except InvalidNumber:
        raise ParameterError(f"{text!r} is not a quantity in {unit}", hint=hint) from None
    value = float(quantity)
    if quantity.units not in ("", unit):
        raise ParameterError(f"{text!r} is in {quantity.units}, expected {unit}", hint=hint)
    if not math.isfinite(value):
        raise ParameterError(f"{text!r} is not a finite quantity", hint="give a finite number")
    return value


def format_si(value: float, unit: str, digits: int = 4) -> str:
    """Return ``value`` with ``digits`` significant digits and an SI prefix: ``format_si(1.8e8, "Hz") == "180 MHz"``."""
    return Quantity(value, unit).render(prec=digits - 1)


def plural(count: int, noun: str) -> str:
    """Return ``count`` with its noun: ``plural(1, "clock") == "1 clock"``, ``plural(14, "clock") == "14 clocks"``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
