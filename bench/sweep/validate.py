"""Validation: a whole network built, run and measured on a station, and compared with its estimate at every clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields

from bench.build import BuildCache, find_toolchain
from bench.domain.board import Board
from bench.domain.clock import ClockConfiguration
from bench.domain.lut import LutRow, row
from bench.domain.measurement import Run, Verdict
from bench.domain.network import Network
from bench.domain.station import Station
from bench.domain.workload import DType, OptLevel, Workload
from bench.estimate.clocks import basis
from bench.estimate.estimator import Estimator
from bench.estimate.models import Model
from bench.estimate.table import Table
from bench.firmware.network import NetworkLayout, Parameters, lay_out
from bench.firmware.network_render import check_network_memory
from bench.measure.image import Image
from bench.measure.network_image import prepare_network
from bench.measure.settings import Settings
from bench.store import Repository, Selection
from bench.sweep.execute import Listener, execute
from bench.sweep.layers import Cost, Key, compose, index, missing, refuse_missing
from bench.sweep.plan import ImagePlan, plan_image

LAYERS = "layers"
"""The estimate that adds up each layer's own measurement; the other models are those of ``bench.estimate``."""
MODELS = (*map(str, Model), LAYERS)

QUANTITIES: tuple[str, ...] = tuple(field.name for field in fields(Cost))
"""What is compared, in the order of the contract's columns."""


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """One network on one station, and the clocks to measure it at; ``reduce`` is how it was reduced, as asked for."""

    station: Station
    board: Board
    laid_out: NetworkLayout
    clocks: tuple[ClockConfiguration, ...]
    reduce: str = ""

    @property
    def image_plan(self) -> ImagePlan:
        """The plan under which it is executed and recorded."""
        return ImagePlan(self.station, self.board, self.laid_out.work, self.clocks)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Estimate and measurement of one network at one clock."""

    plan: NetworkPlan
    run: Run
    estimated: Cost
    measured: Cost

    def errors(self) -> dict[str, float | None]:
        """Return by quantity how much the estimate is off, relative to the measurement; None where one of them is not known."""
        estimated, measured = asdict(self.estimated), asdict(self.measured)
        return {
            name: None if estimated[name] is None or not measured[name] else estimated[name] / measured[name] - 1
            for name in QUANTITIES
        }

    def row(self) -> dict[str, object]:
        """Return it in the columns of the contract."""
        point, estimated, measured = self.run.point, asdict(self.estimated), asdict(self.measured)
        return {
            "network": self.plan.laid_out.network.name,
            "board": point.board,
            "source": str(point.source),
            "dtype": str(point.workload.dtype),
            "reduce": self.plan.reduce,
            "clock_id": point.clock.id,
            "sysclk_hz": point.clock.hclk_hz,
            **{f"{name}_estimated": estimated[name] for name in QUANTITIES},
            **{f"{name}_measured": measured[name] for name in QUANTITIES},
        }


def plan_network(
    station: Station,
    board: Board,
    network: Network,
    dtype: DType,
    clocks: Sequence[ClockConfiguration],
    *,
    flavor: str = "naive",
    opt_level: OptLevel = OptLevel.O3,
    reduce: str = "",
    parameters: Parameters | None = None,
) -> NetworkPlan:
    """Return the plan; ``network`` is already reduced. Raises ParameterError where it cannot be built or does not fit the board."""
    laid_out = lay_out(network, dtype, flavor, opt_level, parameters)
    check_network_memory(laid_out, board)
    return NetworkPlan(station, board, laid_out, tuple(clocks), reduce)


def measure_network(
    plan: NetworkPlan, repository: Repository, settings: Settings, cache: BuildCache, listener: Listener
) -> Iterator[Run]:
    """Measure the network at every clock of ``plan`` and yield each run after it was recorded. Raises what ``execute`` raises."""

    def builder(_plan: ImagePlan) -> Image:
        return prepare_network(plan.laid_out, plan.board, plan.clocks, find_toolchain(), cache)

    yield from execute(plan.image_plan, repository, settings, cache, listener, builder)


def measure_layers(
    plan: NetworkPlan,
    lacking: Sequence[tuple[Workload, Sequence[ClockConfiguration]]],
    repository: Repository,
    settings: Settings,
    cache: BuildCache,
    listener: Listener,
) -> Iterator[Run]:
    """Measure the workloads that are ``lacking`` (``layers.missing``), each alone, and yield each run after it was recorded."""
    for work, clocks in lacking:
        yield from execute(plan_image(plan.station, plan.board, work, clocks), repository, settings, cache, listener)


def table_of(repository: Repository, station: Station) -> dict[Key, LutRow]:
    """Return the look-up table of the board and the source of ``station``, by what was measured; its own rows come before those of other stations."""
    selection = Selection(boards=(station.board,), sources=(station.source,))
    return index(repository.table(selection), station.name)


def measured_cost(run: Run) -> Cost:
    """Return what an accepted run of a network has measured."""
    found = row(run)
    return Cost(found.latency_s, found.energy_j, found.current_a, found.flash_bytes, found.ram_bytes)


def estimates(
    plan: NetworkPlan, rows: Mapping[Key, LutRow], model: str, *, extrapolate: bool = False
) -> dict[str, Cost]:
    """Return by clock id what ``model`` expects of the network, from ``rows``: ``LAYERS``, or a model of ``bench.estimate``.

    Raises MissingPoints, and ParameterError for shapes or clocks outside what was measured.
    """
    if model == LAYERS:
        lacking = missing(plan.laid_out, plan.clocks, rows)
        refuse_missing(lacking, plan.station.name, str(plan.station.source), "--sweep")
        return {clock.id: compose(plan.laid_out, clock, rows) for clock in plan.clocks}
    table = Table.of(rows.values())
    known = table.clocks[plan.board.name]
    bases = tuple(basis(clock, known, extrapolate=extrapolate) for clock in plan.clocks)
    work = plan.laid_out.work
    estimator = Estimator(table, plan.board.name, bases, Model(model), work.flavor, work.opt_level, extrapolate)
    return {
        found.clock_id: Cost(found.latency_s, found.energy_j, found.current_a, found.flash_bytes, found.ram_bytes)
        for found in estimator.estimate(plan.laid_out.network, work.dtype, plan.reduce)
    }


def compare(plan: NetworkPlan, runs: Sequence[Run], expected: Mapping[str, Cost]) -> list[Comparison]:
    """Return the comparison of every accepted run with what is ``expected`` at its clock, by clock."""
    accepted = sorted((run for run in runs if run.verdict is Verdict.ACCEPTED), key=lambda run: run.point.clock.hclk_hz)
    return [Comparison(plan, run, expected[run.point.clock.id], measured_cost(run)) for run in accepted]


def mean_absolute_errors(comparisons: Sequence[Comparison]) -> dict[str, float | None]:
    """Return by quantity the mean of the relative errors' magnitudes over ``comparisons``; None where nothing was compared."""
    means: dict[str, float | None] = {}
    for name in QUANTITIES:
        errors = [abs(error) for comparison in comparisons if (error := comparison.errors()[name]) is not None]
        means[name] = sum(errors) / len(errors) if errors else None
    return means
