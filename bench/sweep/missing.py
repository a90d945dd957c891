"""What of a plan is left to do: the points that have no accepted run under today's conditions.

A point is there when the look-up table would show it as this bench, today, would measure it. So the latest accepted run must be of the same
station, board, workload and clock configuration, built by the same compiler, with the same release of the bench (whose kernels and harness
are part of the image), and with energy where the station has a current probe. The image's own hash does not matter: it changes with the clocks
that share the image, which are those of the plan that asked first.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

from bench.build import find_toolchain
from bench.domain.clock import ClockConfiguration
from bench.domain.workload import Workload
from bench.store import Repository
from bench.store.history import AcceptedPoint
from bench.sweep.matrix import SweepPlan
from bench.sweep.plan import ImagePlan

_Key = tuple[str, str, str, str, str, Workload, str]


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a point must have been measured with to count: the compiler, as the look-up table names it, and the bench's version."""

    compiler: str
    bench_version: str

    @property
    def release(self) -> str:
        """The version without its last part: a patch changes neither kernels nor harness."""
        return release(self.bench_version)


@dataclass(frozen=True, slots=True)
class Comparison:
    """``left`` is to be measured; ``there`` points are there, ``outdated`` are but under other conditions, ``without_energy`` lack it (both are in ``left``)."""

    left: SweepPlan
    there: int
    outdated: int
    without_energy: int


def release(bench_version: str) -> str:
    """Return major and minor number of ``bench_version``."""
    return ".".join(bench_version.split(".")[:2])


def todays_conditions() -> Conditions:
    """Return the compiler that is installed and this bench's version. Raises ToolchainMissing."""
    return Conditions(find_toolchain().version, version("mcu-bench"))


def missing(plan: SweepPlan, repository: Repository, conditions: Conditions | None = None) -> SweepPlan:
    """Return ``plan`` with only the clocks, and the images, that have no accepted run under ``conditions`` (None: today's)."""
    return compare(plan, repository, conditions).left


def compare(plan: SweepPlan, repository: Repository | None, conditions: Conditions | None = None) -> Comparison:
    """Compare ``plan`` with what ``repository`` (None: no database yet) holds. Raises ToolchainMissing, StoreError."""
    conditions = conditions or todays_conditions()
    names = [station.name for station in plan.stations()]
    works = {image.work for image in plan.images}
    only = works.pop() if len(works) == 1 else None  # one image of a job need not read all that its station measured
    held = repository.history.accepted(names, only) if repository is not None and names else ()
    recorded = {_key_of(point): point for point in held}
    there = outdated = without_energy = 0
    images: list[ImagePlan] = []
    for image in plan.images:
        left = []
        for clock in image.clocks:
            point = recorded.get(_key(image, clock))
            if point is None:
                left.append(clock)
            elif (point.compiler, release(point.bench_version)) != (conditions.compiler, conditions.release):
                outdated += 1
                left.append(clock)
            elif not point.with_energy and image.station.current_probe is not None:
                without_energy += 1
                left.append(clock)
            else:
                there += 1
        if left:
            images.append(image.only(left))
    return Comparison(SweepPlan(tuple(images), plan.skipped), there, outdated, without_energy)


def _key(image: ImagePlan, clock: ClockConfiguration) -> _Key:
    station, board = image.station, image.board
    return station.name, str(station.source), board.name, board.mcu, board.core, image.work, clock.id


def _key_of(point: AcceptedPoint) -> _Key:
    return point.station, point.source, point.board, point.mcu, point.core, point.workload, point.clock_id
