"""What a plot shows, before anyone decides how it is drawn: on the page, in a file, or in the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis: what it shows, in which SI unit (empty for pure numbers), and whether it is logarithmic."""

    quantity: str
    unit: str = ""
    log: bool = False
    ticks: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Curve:
    """One line with its points, in SI units. ``u95``: expanded uncertainty of each y, 95 % coverage.

    ``style`` indexes the palette, ``least`` is the index of the point to mark.
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    u95: tuple[float, ...] = ()
    style: int = 0
    least: int | None = None
    joined: bool = True


class StepKind(StrEnum):
    """What changes at a step of the clock configuration."""

    REGULATOR = "regulator"
    WAIT_STATES = "wait states"


@dataclass(frozen=True, slots=True)
class Zone:
    """A range of x in which one thing of the clock configuration stays the same."""

    kind: StepKind
    start: float
    end: float
    label: str


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot. ``name`` is what a file of it is called, without the ending; ``source`` is never left out where it is drawn alone."""

    name: str
    title: str
    source: str
    x: Axis
    y: Axis
    curves: tuple[Curve, ...]
    zones: tuple[Zone, ...] = ()
    diagonal: bool = False
    """Draw y = x."""
    level: float | None = None
    """Draw a horizontal line here."""
    row_labels: tuple[str, ...] = ()
    """Names of y = 0, 1, 2 ... from the top, for plots of rows instead of numbers."""
