"""``bench show``: all that is known of one measured point, its uncertainty term by term, and its trace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.console import err, out, print_json
from bench.cli.options import DEFAULT_DB, Db, Json
from bench.domain.measurement import Run
from bench.errors import BenchError, ParameterError, UsageError
from bench.units import format_si, parse

_SAME_CLOCK = 1e-6


def show(
    point: Annotated[
        list[int] | None,
        typer.Argument(help="Number of a run, or of two to compare. [default: the latest that fits the options]"),
    ] = None,
    primitive: Annotated[str | None, typer.Option(help="The latest run of this primitive.")] = None,
    k: Annotated[int | None, typer.Option("--k", help="... of this kernel size.", metavar="K")] = None,
    dtype: Annotated[str | None, typer.Option(help="... of this data type.")] = None,
    freq: Annotated[
        str | None, typer.Option(help="... at this core clock, like 16MHz, or clock id.", metavar="CLOCK")
    ] = None,
    station: Annotated[str | None, typer.Option(help="... on this station.")] = None,
    board: Annotated[str | None, typer.Option(help="... on this board.")] = None,
    trace: Annotated[
        Path | None, typer.Option(help="Write the current trace: .csv, .parquet or .jls.", metavar="FILE")
    ] = None,
    plot: Annotated[bool, typer.Option(help="Draw the current trace.")] = True,
    as_json: Json = False,
    db: Db = DEFAULT_DB,
) -> int:
    """Show one measured point: what ran where, raw counts, results, and the uncertainty budget term by term.

    A rejected run shows why. Two run numbers are compared: their ratio, without the errors of the instrument that both share.

    Examples: bench show 12; bench show --primitive conv2d --freq 16MHz --trace trace.csv; bench show 12 15
    """
    numbers = point or []
    chosen = {"primitive": primitive, "k": k, "dtype": dtype, "freq": freq, "station": station, "board": board}
    given = [f"--{name}" for name, value in chosen.items() if value is not None]
    if len(numbers) > 2 or (len(numbers) == 2 and trace is not None):
        raise UsageError("show takes one run, or two to compare (without --trace)", hint="as in: bench show 12 15")
    if numbers and given:
        raise UsageError(f"a run number and {', '.join(given)} exclude each other", hint="give one or the other")

    # Late: these bring SQLAlchemy and numpy.
    from bench.lut.trace_files import trace_format
    from bench.store import Selection, open_store

    if trace is not None:
        trace_format(trace)
    wanted_hz = None if freq is None or "-" in freq else parse(freq, "Hz")
    selection = Selection(_one(station), _one(board), _one(primitive), _one(dtype))
    with open_store(db, create=False) as store:
        repository = store.repository
        if not numbers:
            fitting = (
                found
                for found in repository.runs(selection)
                if _fits(found.run, k, None if wanted_hz else freq, wanted_hz)
            )
            latest = next(fitting, None)
            if latest is None:
                raise BenchError(
                    f"{store.name} holds no run of {' '.join(f'{n} {chosen[n[2:]]}' for n in given) or 'anything'}",
                    hint="measure it first: bench run",
                )
            numbers = [latest.id]
        runs = [repository.run(number, trace=not as_json or trace is not None) for number in numbers]
    if len(runs) == 2:
        _compare(numbers, runs, as_json)
    else:
        if trace is not None:
            _export(trace, numbers[0], runs[0])
        _print(numbers[0], runs[0], plot, as_json)
    return 0


def _one(name: str | None) -> tuple[str, ...]:
    return () if name is None else (name,)


def _fits(run: Run, k: int | None, clock_id: str | None, clock_hz: float | None) -> bool:
    params = dict(run.point.workload.params)
    clock = run.point.clock
    return (
        (k is None or params.get("k") == k)
        and (clock_id is None or clock.id == clock_id)
        and (clock_hz is None or abs(clock.hclk_hz - clock_hz) <= _SAME_CLOCK * clock_hz)
    )


def _print(number: int, run: Run, plot: bool, as_json: bool) -> None:
    from bench.report.point import TITLES, as_object, budget_table, facts_table
    from bench.report.trace_plot import trace_plot

    if as_json:
        print_json([as_object(number, run)])
        return
    console = out()
    console.print(facts_table(number, run))
    quantities = [] if run.result is None else [term.quantity for term in run.result.budget]
    for quantity in TITLES:
        if quantity in quantities:
            console.print()
            console.print(budget_table(run, quantity, console.width))
    if plot and run.energy_run is not None and run.energy_run.trace is not None:
        console.print()
        console.print(trace_plot(run.energy_run, run.energy_run.trace, console.width), markup=False, highlight=False)


def _export(path: Path, number: int, run: Run) -> None:
    from bench.lut.trace_files import write_trace

    if run.energy_run is None or run.energy_run.trace is None:
        raise BenchError(
            f"run {number} has no current trace",
            hint="measure it on a station with a current probe; a run rejected before its energy window has none",
        )
    count = write_trace(path, run.energy_run, run.energy_run.trace, f"run {number}: {run.point}")
    err().print(
        f"{count:,} samples at {format_si(run.energy_run.trace.sample_rate_hz, 'Hz')} written to {path}", markup=False
    )


def _compare(numbers: list[int], runs: list[Run], as_json: bool) -> None:
    from bench.stats import ratio_uncertainty
    from bench.stats.ratio import ENERGY, LATENCY

    for number, run in zip(numbers, runs, strict=True):
        if run.result is None:
            raise ParameterError(f"run {number} was rejected: {run.reason}", hint=f"see: bench show {number}")
    energies = [run.result.energy_j for run in runs if run.result is not None]
    quantities = [LATENCY] + ([ENERGY] if None not in energies else [])
    ratios = [ratio_uncertainty(runs[0], runs[1], quantity) for quantity in quantities]
    if as_json:
        print_json(
            [
                {
                    "runs": numbers,
                    "quantity": each.quantity,
                    "ratio": each.value,
                    "ratio_u95": each.u95,
                    "differs": each.differs,
                }
                for each in ratios
            ]
        )
        return
    console = out()
    for name, number, run in zip(("A", "B"), numbers, runs, strict=True):
        console.print(f"{name}  run {number}: {run.point}", markup=False)
    for each in ratios:
        verdict = "differs from 1" if each.differs else "does not differ from 1 beyond its uncertainty"
        console.print(
            f"{each.quantity[:-2]} A / B = {each.value:.5g} ±{each.u95 / each.value * 100:.2g} % (95 %): {verdict}",
            markup=False,
        )
    console.print("Errors of the instrument that both share are left out.", markup=False)
