"""Quantities as people write them ("16MHz", "100ms", "4.7 mA"), and back. Inside the bench everything is in SI base units."""

from __future__ import annotations

import math

from quantiphy import InvalidNumber, Quantity

from bench.errors import ParameterError


def parse(text: str, unit: str) -> float:
    """Return ``text`` in ``unit`` (an SI unit: "Hz", "s", "A", "V", "J", "B").

    A bare number is taken to be in ``unit``. Raises ParameterError for anything that is not a finite number, or is in another unit.
    """
    try:
        quantity = Quantity(text.strip())
    except InvalidNumber:
        raise ParameterError(
            f"{text!r} is not a quantity in {unit}", hint=f"write it like 16 M{unit} or 100 m{unit}"
        ) from None
    value = float(quantity)
    if quantity.units not in ("", unit):
        raise ParameterError(
            f"{text!r} is in {quantity.units}, expected {unit}", hint=f"write it like 16 M{unit} or 100 m{unit}"
        )
    if not math.isfinite(value):
        raise ParameterError(f"{text!r} is not a finite quantity", hint="give a finite number")
    return value


def format_si(value: float, unit: str, digits: int = 4) -> str:
    """Return ``value`` with ``digits`` significant digits and an SI prefix: ``format_si(1.8e8, "Hz") == "180 MHz"``."""
    return Quantity(value, unit).render(prec=digits - 1)
