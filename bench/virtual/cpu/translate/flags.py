"""APSR's N, Z, C and V, kept as what they come from: most are never looked at, and the rest when a region ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

EXPLICIT: Final = 0  # each in a variable of its own
SUBTRACT: Final = 1  # of left - right
ADD: Final = 2  # of left + right
LOGIC: Final = 3  # N and Z of left; C and V in their variables


@dataclass(frozen=True, slots=True)
class Known:
    """What the flags come from, where that is certain while the code is built."""

    kind: int
    left: Any
    right: Any


def derive(b: Any, name: str, kind: int, left: Any, right: Any, own: Any) -> Any:
    """The flag ``name`` (n, z, c, v) as an i1; ``own`` is what its variable holds."""
    zero = left.type(0)
    if kind == EXPLICIT or (kind == LOGIC and name in "cv"):
        return own
    if kind == LOGIC:
        return b.icmp_signed("<", left, zero) if name == "n" else b.icmp_unsigned("==", left, zero)
    result = (b.sub if kind == SUBTRACT else b.add)(left, right)
    if name == "n":
        return b.icmp_signed("<", result, zero)
    if name == "z":
        return b.icmp_unsigned("==", result, zero)
    if name == "c":
        return b.icmp_unsigned(">=", left, right) if kind == SUBTRACT else b.icmp_unsigned("<", result, left)
    other = right if kind == SUBTRACT else result
    return b.icmp_signed("<", b.and_(b.xor(left, other), b.xor(left if kind == SUBTRACT else right, result)), zero)
