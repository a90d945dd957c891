"""A plan: which images to measure on which station, at which clocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.clocktree import check, solve
from bench.domain.board import Board
from bench.domain.clock import Accelerator, ClockConfiguration
from bench.domain.station import Station
from bench.domain.workload import Workload
from bench.errors import ParameterError, UnknownName
from bench.firmware.library import KernelLibrary
from bench.firmware.render import check_memory
from bench.units import parse

DEFAULT, NONE = "default", "none"


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """One image on one station, and the ``clocks`` to measure it at; ``library`` is where an external flavor's code comes from.

    ``image_clocks`` are those of the image's clock table, where it holds more than are measured now: a sweep that is continued measures with
    the very image that it was begun with, same code at the same addresses, same hash.
    """

    station: Station
    board: Board
    work: Workload
    clocks: tuple[ClockConfiguration, ...]
    library: KernelLibrary | None = None
    image_clocks: tuple[ClockConfiguration, ...] = ()

    def __post_init__(self) -> None:
        if not self.image_clocks:
            object.__setattr__(self, "image_clocks", self.clocks)

    def only(self, clocks: Sequence[ClockConfiguration]) -> ImagePlan:
        """Return the plan of the same image, to be measured at ``clocks`` alone."""
        return replace(self, clocks=tuple(clocks))


def choose_clocks(board: Board, freq: str, accelerators: str = DEFAULT) -> tuple[ClockConfiguration, ...]:
    """Return the clock configurations that ``freq`` asks for: "all" for the board's own list, else frequencies or clock ids like "16MHz,180MHz".

    ``accelerators`` are the caches and prefetch buffers that are on: "default", "none", or a list like "prefetch,icache"; a clock id says
    it itself. Raises ParameterError for what is neither, or breaks a limit of the board, UnreachableClock for what the board cannot have.
    """
    switched_on = _accelerators(board, accelerators)
    if freq.strip() == "all":
        return tuple(solve(board, hz, accelerators=switched_on) for hz in board.clocks_hz)
    asked = [text.strip() for text in freq.split(",") if text.strip()]
    return tuple(
        dict.fromkeys(
            _named(board, text) if "-" in text else solve(board, parse(text, "Hz"), accelerators=switched_on)
            for text in asked
        )
    )


def _named(board: Board, clock_id: str) -> ClockConfiguration:
    """Return the configuration called ``clock_id``. Raises ParameterError where it breaks a limit of ``board``."""
    configuration = ClockConfiguration.parse(clock_id)
    violations = check(configuration, board.limits, board.vdd_v)
    if violations:
        raise ParameterError(
            f"{clock_id}: {'; '.join(violations)}", hint=f"`bench boards {board.name}` shows clock ids that work"
        )
    return configuration


def _accelerators(board: Board, text: str) -> frozenset[Accelerator] | None:
    if text == DEFAULT:
        return None
    names = [] if text == NONE else [name.strip() for name in text.split(",") if name.strip()]
    known = sorted(board.limits.accelerators)
    for name in names:
        if name not in known:
            raise UnknownName.among(f"accelerator of {board.product}", name, [*known, DEFAULT, NONE])
    return frozenset(Accelerator(name) for name in names)


def plan_image(
    station: Station,
    board: Board,
    work: Workload,
    clocks: Sequence[ClockConfiguration],
    library: KernelLibrary | None = None,
) -> ImagePlan:
    """Return the plan. Raises ParameterError where ``work`` does not fit the board."""
    check_memory(work, board)
    return ImagePlan(station, board, work, tuple(clocks), library)
