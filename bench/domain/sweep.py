"""What a user asks a sweep for: names and ranges, not yet looked up. It is what a plan file, a command line and a submitted job say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PrimitiveSweep:
    """A primitive and the values of its parameters to go through: the product of ``grid``, or the published sets where it is empty."""

    name: str
    grid: tuple[tuple[str, tuple[int | str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """Stations x primitives x parameters x data types x flavors x optimisation levels x clocks.

    No ``stations`` means the default one, no ``primitives`` the whole registry. ``freq`` and ``accelerators`` are as on the command line
    of ``bench run``. ``again`` measures what is there already once more.
    """

    stations: tuple[str, ...] = ()
    primitives: tuple[PrimitiveSweep, ...] = ()
    dtypes: tuple[str, ...] = ("fp32", "int8")
    flavors: tuple[str, ...] = ("naive",)
    opt_levels: tuple[str, ...] = ("O3",)
    freq: str = "all"
    accelerators: str = "default"
    repeats: int = 10
    window_s: float = 0.1
    seed: int = 1
    again: bool = False
