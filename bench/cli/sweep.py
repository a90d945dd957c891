"""``bench sweep``: measure what is missing of a plan, on several stations at once, interrupted and continued at will."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.console import out, print_json, table
from bench.cli.options import DEFAULT_DB, DEFAULT_STATIONS, Db, Json, StationsFile, known_stations
from bench.cli.sweep_options import (
    Accelerators,
    Again,
    Clocks,
    CmsisNn,
    DataTypes,
    Flavors,
    KernelSizes,
    OptLevels,
    Parameters,
    PlanFile,
    Primitives,
    Repeats,
    Seed,
    StationNames,
    Window,
    request_of,
)
from bench.domain.primitives.base import CMSIS_NN

if TYPE_CHECKING:
    from bench.measure.settings import Settings
    from bench.store import Store
    from bench.sweep.forecast import Forecast
    from bench.sweep.matrix import Skipped, SweepPlan
    from bench.sweep.missing import Comparison
    from bench.sweep.sweep import Outcome

INTERRUPTED = 130
MOST_REASONS = 12


def sweep(
    plan: PlanFile = None,
    station: StationNames = None,
    primitive: Primitives = None,
    k: KernelSizes = None,
    param: Parameters = None,
    dtype: DataTypes = None,
    flavor: Flavors = None,
    cmsis_nn: CmsisNn = None,
    opt: OptLevels = None,
    freq: Clocks = None,
    accelerators: Accelerators = None,
    repeats: Repeats = None,
    window: Window = None,
    seed: Seed = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say what would be measured, how long it takes and what it wears; touch nothing."
        ),
    ] = False,
    again: Again = False,
    as_json: Json = False,
    db: Db = DEFAULT_DB,
    stations: StationsFile = DEFAULT_STATIONS,
) -> int:
    """Measure what is missing of a plan; without one, the whole primitive set.

    Every point is recorded as soon as it is measured. Interrupt it in any way and start it again: it goes on with the points that are
    missing. A failing image or station does not stop the others; what is missing in the end is listed with its cause.

    With --json prints the look-up table of the plan, with --dry-run the points that would be measured.

    Example: bench sweep --primitive conv2d --k 3,5 --dtype int8 --freq 16MHz,180MHz
    """
    from bench.measure.settings import Settings

    request = request_of(
        plan, station, primitive, k, param, dtype, flavor, opt, freq, accelerators, repeats, window, seed, again=again
    )
    settings = Settings(repeats=request.repeats, window_s=request.window_s, seed=request.seed)
    known = known_stations(stations)

    # Imported late, so that `--help` needs neither numpy nor Jinja2, and a mistake in the arguments neither pyOCD nor SQLAlchemy.
    from bench.sweep.matrix import plan_sweep

    planned = plan_sweep(request, known, {CMSIS_NN: cmsis_nn})

    from bench.build import BuildCache
    from bench.cli.sweep_progress import sweeping
    from bench.store import open_store
    from bench.sweep.sweep import execute_sweep

    if dry_run:
        _dry_run(planned, db, settings, again=request.again, as_json=as_json)
        return 0
    with sweeping() as listener:
        outcome = execute_sweep(planned, db, settings, BuildCache.default(), listener, again=request.again)
    with open_store(db) as store:
        if as_json:
            print_json(list(_rows(store, planned)))
        else:
            _summary(outcome, planned, store.name)
    if outcome.interrupted:
        return INTERRUPTED
    return 0 if outcome.complete else 1


def _dry_run(plan: SweepPlan, db: str, settings: Settings, *, again: bool, as_json: bool) -> None:
    """Print what would be measured; neither boards nor database are touched."""
    from bench.store import open_existing
    from bench.sweep.forecast import forecast
    from bench.sweep.missing import Comparison, compare

    with ExitStack() as opened:
        store = open_existing(db)
        repository = None if store is None else opened.enter_context(store).repository
        comparison = compare(plan, repository)
        if again:
            comparison = Comparison(plan, comparison.there, 0, 0)
        ahead = forecast(comparison.left, repository, settings)
    if as_json:
        print_json(list(_future_rows(comparison.left)))
    else:
        _print_forecast(plan, comparison, ahead, again=again)


def _print_forecast(plan: SweepPlan, comparison: Comparison, ahead: Sequence[Forecast], *, again: bool) -> None:
    from bench.cli.sweep_progress import duration, reasons
    from bench.sweep.forecast import ENDURANCE_CYCLES

    console = out()
    left = comparison.left
    to_do = table(("station", ""), ("points", "right"), ("images", "right"), ("flashes", "right"), ("time", "right"))
    for one in ahead:
        about = f"{'perhaps' if one.guessed else 'about'} {duration(one.seconds)}"
        to_do.add_row(one.station, str(one.points), str(one.images), str(one.flashes), about)
    if ahead:
        console.print(to_do)
    there = f"{comparison.there} of {plan.points} points are there"
    console.print(f"{there}, {left.points} to measure" + (" (--again: all)" if again else ""))
    for line in reasons(comparison):
        console.print(line)
    if len(ahead) > 1:
        console.print(f"the stations work at the same time: {duration(max(one.seconds for one in ahead))} in all")
    if any(one.guessed for one in ahead):
        console.print('"perhaps": nothing was measured there yet to tell the time from')
    for one in ahead:
        console.print(
            f"flash wear, {one.station}: first sector erased {one.flashes} times by this, {one.flashed_before} times before "
            f"by the bench; {100 * one.wear:.2g} % of the data sheet's {ENDURANCE_CYCLES}",
            markup=False,
        )
    _print_skipped(plan.skipped)


def _print_skipped(skipped: Sequence[Skipped]) -> None:
    if not skipped:
        return
    console = out()
    console.print(f"left out, {len(skipped)}:")
    for entry in skipped:
        where = f"{entry.station}: " if entry.station else ""
        console.print(f"  {where}{entry.what}: {entry.reason}", markup=False)


def _summary(outcome: Outcome, plan: SweepPlan, database: str) -> None:
    """Print what was done, what was there, and what is missing and why."""
    console = out()
    accepted = sum(tally.accepted for tally in outcome.tallies)
    rejected = [entry for tally in outcome.tallies for entry in tally.rejected]
    not_measured = sum(tally.not_measured for tally in outcome.tallies)
    done = table(("station", ""), ("measured", "right"), ("rejected", "right"), ("not measured", "right"))
    for tally in outcome.tallies:
        done.add_row(tally.station, str(tally.accepted), str(len(tally.rejected)), str(tally.not_measured))
    if outcome.tallies:
        console.print(done)
    console.print(
        f"{outcome.there + accepted} of {plan.points} points are in {database}: {accepted} measured, {outcome.there} were there",
        markup=False,
    )
    for tally in outcome.tallies:
        if tally.left_out:
            console.print(
                f"station {tally.station} was left out, {tally.not_measured} points not measured: {tally.left_out}",
                markup=False,
            )
    grouped = Counter((entry.failure_class, entry.reason) for entry in rejected)
    for (failure_class, reason), count in grouped.most_common(MOST_REASONS):
        console.print(f"{count} rejected ({failure_class}): {reason}", markup=False)
        first = next(e.point for e in rejected if (e.failure_class, e.reason) == (failure_class, reason))
        console.print(f"    {first}" + (", ..." if count > 1 else ""), markup=False)
    if len(grouped) > MOST_REASONS:
        console.print(f"and {len(grouped) - MOST_REASONS} other reasons; every rejected point is in the database")
    _print_skipped(plan.skipped)
    if rejected or not_measured:
        console.print("start the sweep again to measure what is missing")
    else:
        console.print("next: bench export lut.csv")


def _rows(store: Store, plan: SweepPlan) -> Iterator[dict[str, object]]:
    """Yield the look-up table's rows of the points of ``plan``."""
    from bench.domain.lut import row
    from bench.lut import row_dict
    from bench.store import Selection

    wanted = {
        (image.station.name, image.station.source, image.board.name, image.work, clock.id)
        for image in plan.images
        for clock in image.clocks
    }
    stations = tuple(station.name for station in plan.stations())
    primitives = tuple(dict.fromkeys(image.work.primitive for image in plan.images))
    for run in store.repository.latest_accepted(Selection(stations=stations, primitives=primitives)):
        point = run.point
        if (point.station, point.source, point.board, point.workload, point.clock.id) in wanted:
            yield dict(row_dict(row(run)))


def _future_rows(plan: SweepPlan) -> Iterator[dict[str, object]]:
    """Yield rows of the look-up table with what is known of a point before it is measured; the rest is null."""
    from bench.domain.lut import COLUMNS, SCHEMA_VERSION
    from bench.domain.primitives import applications, shape

    for image in plan.images:
        work, place = image.work, image.station
        for clock in image.clocks:
            known: dict[str, object] = {
                "schema_version": SCHEMA_VERSION,
                "source": str(place.source),
                "station": place.name,
                "board": image.board.name,
                "mcu": image.board.mcu,
                "core": image.board.core,
                "clock_id": clock.id,
                "sysclk_hz": clock.hclk_hz,
                "flash_wait_states": clock.flash_wait_states,
                "primitive": work.primitive,
                "params": work.params_text,
                "dtype": str(work.dtype),
                "flavor": work.flavor,
                "opt_level": str(work.opt_level),
                "applications": applications(work),
                **asdict(shape(work)),
            }
            yield {name: known.get(name) for name in COLUMNS}
