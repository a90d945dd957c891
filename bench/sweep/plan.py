"""A plan: which images to measure on which station, at which clocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.clocktree import clock_table, solve
from bench.domain.board import Board
from bench.domain.clock import ClockConfiguration
from bench.domain.station import Station
from bench.domain.workload import Workload
from bench.firmware.library import KernelLibrary
from bench.firmware.render import check_memory
from bench.units import parse


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """One image on one station, and the clocks to measure it at; ``library`` is where an external flavor's code comes from."""

    station: Station
    board: Board
    work: Workload
    clocks: tuple[ClockConfiguration, ...]
    library: KernelLibrary | None = None


def choose_clocks(board: Board, freq: str) -> tuple[ClockConfiguration, ...]:
    """Return the clock configurations that ``freq`` asks for: "all" for the board's own list, else frequencies like "16MHz,180MHz".

    Raises ParameterError for what is no frequency, UnreachableClock for one that the board cannot have.
    """
    if freq.strip() == "all":
        return tuple(configuration for _, configuration in clock_table(board))
    chosen = [solve(board, parse(text, "Hz")) for text in freq.split(",") if text.strip()]
    return tuple(dict.fromkeys(chosen))


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
