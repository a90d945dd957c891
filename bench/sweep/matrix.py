"""From a request to a plan: which workloads fit which station, in an order that is always the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from bench.boards import load_board
from bench.boards.stations import find_station
from bench.domain.board import Board
from bench.domain.primitives import PRIMITIVES, Primitive, primitive, published_set, workload
from bench.domain.station import Station
from bench.domain.sweep import PrimitiveSweep, SweepRequest
from bench.domain.workload import DType, Workload
from bench.errors import ParameterError, UsageError
from bench.firmware.library import KernelLibrary, choose_library
from bench.sweep.plan import ImagePlan, choose_clocks, plan_image

NO_LIBRARIES: Mapping[str, Path | None] = {}


@dataclass(frozen=True, slots=True)
class Skipped:
    """What was asked for in general and cannot be: ``what`` on ``station`` ("" = on any), and why."""

    station: str
    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """The images to measure, station by station, and what was left out."""

    images: tuple[ImagePlan, ...]
    skipped: tuple[Skipped, ...] = ()

    @property
    def points(self) -> int:
        """How many points, one a clock of each image."""
        return sum(len(image.clocks) for image in self.images)

    def stations(self) -> tuple[Station, ...]:
        """Return the stations of the images, in the plan's order."""
        return tuple({image.station.name: image.station for image in self.images}.values())

    def of_station(self, name: str) -> SweepPlan:
        """Return the part of the plan for the station called ``name``."""
        return SweepPlan(
            tuple(image for image in self.images if image.station.name == name),
            tuple(entry for entry in self.skipped if entry.station == name),
        )


def plan_sweep(
    request: SweepRequest, stations: Mapping[str, Station], libraries: Mapping[str, Path | None] = NO_LIBRARIES
) -> SweepPlan:
    """Return the plan of ``request`` on ``stations`` (by name); ``libraries`` are the folders of external kernel libraries, by flavor.

    The order is that of the request: stations, primitives, data types, flavors, optimisation levels, parameters, clocks.

    What comes from a default or from a grid of several values and cannot be (parameters that do not fit each other, tensors that do not fit the
    board, a flavor that a data type does not have) is left out and named in ``skipped``. What was asked for by name, a single set of
    parameters or all of a named primitive, is an error then: ParameterError. Also raises UnknownName for a station, UnreachableClock and
    ParameterError for a clock that a station's board cannot have, ParameterError for a library that is missing.
    """
    known = dict(stations)
    places = {place.name: place for place in (find_station(known, name) for name in request.stations or (None,))}
    _refuse_shared_boards(places.values())
    asked = request.primitives or tuple(PrimitiveSweep(name) for name in PRIMITIVES)
    skipped: list[Skipped] = []
    works: dict[Workload, bool] = {}
    for entry in asked:
        found = list(_workloads(entry, request, skipped))
        if request.primitives and not found:
            raise _nothing_left(entry, request, skipped)
        for work in found:
            works[work] = works.get(work, False) or entry.combinations == 1
    if not works:
        raise ParameterError("nothing is left to measure", hint="; ".join(dict.fromkeys(_why(skipped))))
    chosen = {flavor: _library(flavor, works, libraries) for flavor in {work.flavor for work in works}}
    images: list[ImagePlan] = []
    for place in places.values():
        board = load_board(place.board)
        clocks = choose_clocks(board, request.freq, request.accelerators)
        if not clocks:
            raise ParameterError("freq names no clock", hint='"all", or a list of frequencies or clock ids')
        for work, by_name in works.items():
            try:
                images.append(plan_image(place, board, work, clocks, chosen[work.flavor]))
            except ParameterError as error:
                if by_name:
                    raise
                skipped.append(Skipped(place.name, str(work), error.message.removeprefix(f"{work}: ")))
        _refuse_nothing(place, board, images, request, skipped)
    return SweepPlan(tuple(images), tuple(skipped))


def _workloads(asked: PrimitiveSweep, request: SweepRequest, skipped: list[Skipped]) -> Iterator[Workload]:
    """Yield the workloads of ``asked`` in every data type, flavor and optimisation level that it has."""
    entry = primitive(asked.name)
    for dtype, flavor in product(request.dtypes, request.flavors):
        if flavor not in entry.flavors.get(DType(dtype), ()):
            skipped.append(Skipped("", f"{asked.name} {dtype} {flavor}", f"there is no flavor {flavor} in {dtype}"))
            continue
        for opt_level in request.opt_levels:
            if not asked.grid:
                yield from published_set(entry, DType(dtype), flavor, opt_level)
            else:
                yield from _grid(entry, asked, dtype, flavor, opt_level, skipped)


def _grid(
    entry: Primitive, asked: PrimitiveSweep, dtype: str, flavor: str, opt_level: str, skipped: list[Skipped]
) -> Iterator[Workload]:
    applies = {parameter.name for parameter in entry.parameters if parameter.applies(dtype, flavor)}
    if foreign := [name for name, _ in asked.grid if name not in applies]:
        what = f"{asked.name} {dtype} {flavor}"
        skipped.append(Skipped("", what, f"{', '.join(foreign)}: no such parameter in {dtype} {flavor}"))
        return
    names = [name for name, _ in asked.grid]
    for values in product(*(values for _, values in asked.grid)):
        try:
            yield workload(entry.name, dict(zip(names, values, strict=True)), dtype, flavor, opt_level)
        except ParameterError as error:
            if asked.combinations == 1:
                raise
            what = ", ".join(f"{name}={value}" for name, value in zip(names, values, strict=True))
            reason = error.message.removeprefix(f"{entry.name}: ")
            skipped.append(Skipped("", f"{entry.name}({what}) {dtype} {flavor}", reason))


def _library(flavor: str, works: Iterable[Workload], folders: Mapping[str, Path | None]) -> KernelLibrary | None:
    """Return the library of ``flavor``, read once for all its workloads."""
    return choose_library(next(work for work in works if work.flavor == flavor), folders)


def _refuse_shared_boards(places: Iterable[Station]) -> None:
    """Raise UsageError where two stations of a sweep are on one debug probe: they would flash each other's image away."""
    seen: dict[str, str] = {}
    for place in places:
        other = seen.setdefault(place.debug_probe, place.name)
        if other != place.name:
            raise UsageError(
                f"stations {other} and {place.name} are on the same debug probe {place.debug_probe}",
                hint="sweep one of them, or give each a probe of its own",
            )


def _nothing_left(asked: PrimitiveSweep, request: SweepRequest, skipped: list[Skipped]) -> ParameterError:
    mine = [entry for entry in skipped if entry.what.startswith((f"{asked.name} ", f"{asked.name}("))]
    entry = primitive(asked.name)
    has = "; ".join(f"{dtype}: {', '.join(flavors)}" for dtype, flavors in entry.flavors.items())
    return ParameterError(
        f"nothing is left of {asked.name} in {', '.join(request.dtypes)} with flavor {', '.join(request.flavors)}",
        hint=f"{asked.name} has {has}",
        detail="\n".join(dict.fromkeys(_why(mine))),
    )


def _refuse_nothing(
    place: Station, board: Board, images: list[ImagePlan], request: SweepRequest, skipped: list[Skipped]
) -> None:
    """Raise ParameterError where a primitive that was named has no workload on ``place``."""
    there = {image.work.primitive for image in images if image.station.name == place.name}
    for asked in request.primitives:
        if asked.name not in there:
            mine = [
                entry for entry in skipped if entry.station == place.name and entry.what.startswith(f"{asked.name}(")
            ]
            raise ParameterError(
                f"nothing of {asked.name} fits {board.product}",
                hint="leave out the station or the primitive, or choose smaller parameters",
                detail="\n".join(dict.fromkeys(_why(mine))),
            )


def _why(skipped: Iterable[Skipped]) -> Iterator[str]:
    return (f"{entry.what}: {entry.reason}" for entry in skipped)
