"""All that is known of one run: as lines and tables for a terminal, and as a plain object for JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from statistics import median

from rich.table import Table

from bench.domain.measurement import Result, Run, UncertaintyTerm
from bench.report.terminal import with_uncertainty
from bench.stats import combine, coverage_factor
from bench.units import format_si

TITLES = {"latency_s": "latency", "energy_j": "energy"}


def facts(number: int, run: Run) -> Iterator[tuple[str, str]]:
    """Yield name and value of what was measured, where, how, and with what outcome."""
    point, clock = run.point, run.point.clock
    yield "run", f"{number}, {run.measured_at:%Y-%m-%d %H:%M:%S %Z}"
    yield "workload", str(point.workload)
    yield "clock", f"{format_si(clock.hclk_hz, 'Hz')}, {clock.flash_wait_states} wait states: {clock.id}"
    yield "station", f"{point.station} ({point.source}): {point.board}, {point.mcu}, {point.core}"
    yield "verdict", str(run.verdict)
    if run.reason:
        yield "failure", f"{run.failure_class}: {run.reason}"
    for line in run.detail.splitlines():
        yield "", line
    yield from _raw(run)
    if run.result is not None:
        yield from _results(run.result)
    yield from _provenance(run)


def _raw(run: Run) -> Iterator[tuple[str, str]]:
    if run.cycle_run is not None:
        cycles = run.cycle_run
        for name, counts in (("counts", cycles.kernel_cycles), ("empty", cycles.empty_cycles)):
            if counts:
                span = "all alike" if min(counts) == max(counts) else f"{min(counts):,} to {max(counts):,}"
                yield name, f"{len(counts)} of median {median(counts):,.10g} cycles, {span}"
        yield "stack", f"{cycles.stack_bytes} bytes"
    if run.energy_run is not None:
        energy = run.energy_run
        yield (
            "window",
            (
                f"{energy.loops:,} calls, {energy.window_cycles:,} cycles, {format_si(energy.window_s, 's', 6)} "
                f"(edges to {format_si(energy.window_resolution_s, 's', 3)})"
            ),
        )
        for name, stats in (("active", energy.active), ("idle", energy.idle)):
            yield (
                name,
                (
                    f"{format_si(stats.mean_a, 'A')} from {stats.samples:,} samples, spread {format_si(stats.std_a, 'A', 3)}, "
                    f"{format_si(stats.min_a, 'A', 3)} to {format_si(stats.max_a, 'A', 3)}"
                ),
            )
        how = "measured" if energy.vdd_measured else "as set"
        degrees = "" if energy.temperature_degc is None else f"; probe at {energy.temperature_degc:.1f} degC"
        yield "supply", f"{energy.vdd_v:.4g} V, {how} by {energy.probe}{degrees}"


def _results(result: Result) -> Iterator[tuple[str, str]]:
    yield "net", f"{result.cycles:,.10g} cycles a call, {result.cycles_overhead:,.10g} of overhead taken off"
    if result.sysclk_measured_hz is not None:
        yield "core clock", f"{format_si(result.sysclk_measured_hz, 'Hz', 6)} by the probe's clock"
    yield "latency", with_uncertainty(result.latency_s, result.latency_u95_s, "s")
    if result.energy_j is not None and result.power_w is not None:
        yield "power", format_si(result.power_w, "W")
        yield "energy", with_uncertainty(result.energy_j, result.energy_u95_j, "J")


def _provenance(run: Run) -> Iterator[tuple[str, str]]:
    if run.image is not None:
        yield "image", f"sha256 {run.image.sha256[:16]}, -{run.image.opt_level}"
        yield "compiler", run.image.compiler
        yield "memory", f"{run.image.flash_bytes:,} bytes of flash, {run.image.workload_ram_bytes:,} of buffers"
    yield "bench", run.bench_version
    yield from run.environment


def facts_table(number: int, run: Run) -> Table:
    """Return ``facts`` as a table that wraps."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts(number, run):
        table.add_row(name, value)
    return table


def shares(terms: list[UncertaintyTerm]) -> list[float]:
    """Return each term's share of the variance, 0 to 1."""
    total = combine(terms) ** 2
    return [term.standard_relative**2 / total if total else 0.0 for term in terms]


NARROW = 100
"""Columns below which a budget does without the shapes of its distributions: the words need the room."""


def budget_table(run: Run, quantity: str, width: int) -> Table:
    """Return the budget of ``quantity`` for a terminal of ``width`` columns, the largest term first, below it what they come to."""
    assert run.result is not None
    terms = sorted(
        (term for term in run.result.budget if term.quantity == quantity), key=lambda term: -term.standard_relative
    )
    combined, factor = combine(terms) * 100, coverage_factor(terms)
    table = Table(
        title=f"uncertainty of the {TITLES.get(quantity, quantity)}",
        caption=f"u: standard uncertainty; combined {combined:.3g} %, times {factor:.3g} for 95 %: {combined * factor:.3g} %\n"
        "in ratios: whether it cancels between points of this station"
        + ("" if width >= NARROW else "\nleft out for lack of width: shape"),
        box=None,
        pad_edge=False,
        title_justify="left",
        caption_justify="left",
        header_style="bold",
    )
    table.add_column("term", overflow="fold", ratio=5)
    table.add_column("u", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    if width >= NARROW:
        table.add_column("shape", no_wrap=True)
    table.add_column("in ratios", no_wrap=True)
    table.add_column("from", overflow="fold", ratio=4)
    for term, share in zip(terms, shares(terms), strict=True):
        freedom = term.degrees_of_freedom
        shape = term.distribution if freedom is None else f"{term.distribution}, {freedom:.3g} dof"
        table.add_row(
            term.name,
            f"{term.standard_relative * 100:.2g} %",
            f"{share * 100:.1f} %",
            *([shape] if width >= NARROW else []),
            "cancels" if term.systematic else "stays",
            term.source,
        )
    return table


def as_object(number: int, run: Run) -> dict[str, object]:
    """Return all of ``run`` but its trace as what JSON can hold. Names are those of the domain, SI units."""
    point = run.point
    budget = [] if run.result is None else list(run.result.budget)
    by_quantity = {name: [term for term in budget if term.quantity == name] for name in TITLES}
    energy = None
    if run.energy_run is not None:
        energy = {name: getattr(run.energy_run, name) for name in run.energy_run.__slots__ if name != "trace"}
        energy |= {"active": asdict(run.energy_run.active), "idle": asdict(run.energy_run.idle)}
    return {
        "run": number,
        "measured_at": run.measured_at.isoformat(),
        "verdict": str(run.verdict),
        "failure_class": run.failure_class,
        "reason": run.reason,
        "detail": run.detail,
        "source": str(point.source),
        "station": point.station,
        "board": point.board,
        "mcu": point.mcu,
        "core": point.core,
        "primitive": point.workload.primitive,
        "params": dict(point.workload.params),
        "dtype": str(point.workload.dtype),
        "flavor": point.workload.flavor,
        "opt_level": str(point.workload.opt_level),
        "clock_id": point.clock.id,
        "sysclk_hz": point.clock.hclk_hz,
        "cycle_run": None if run.cycle_run is None else asdict(run.cycle_run),
        "energy_run": energy,
        "result": None
        if run.result is None
        else {name: value for name, value in asdict(run.result).items() if name != "budget"},
        "budget": [
            {**asdict(term), "distribution": term.distribution, "share_of_variance": share}
            for terms in by_quantity.values()
            for term, share in zip(terms, shares(terms), strict=True)
        ],
        "image": None if run.image is None else asdict(run.image),
        "bench_version": run.bench_version,
        "environment": dict(run.environment),
    }
