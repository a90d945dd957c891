"""The tables of the page: cells with what is shown and what is sorted by."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.report.compare import Comparison, Ratio
from bench.report.failures import FailureKind
from bench.report.residuals import Residuals
from bench.report.series import Collection, Sample, Series, varying, workload_label
from bench.report.text import regulator, si, span
from bench.store import Origin, StationConditions

MAX_WORKLOADS = 400
MAX_POINTS = 700
MAX_COMPARISONS = 300
MAX_PAIRS = 500


@dataclass(frozen=True, slots=True)
class Cell:
    """What is shown; a number where the column is sorted by number (None sorts last); a badge for sources."""

    text: str
    number: float | None = None
    badge: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A sortable table. ``numeric`` are the indices of the columns that are sorted by number; ``note`` says what is not in it.

    ``source`` is that of all rows, which then have no column for it.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: frozenset[int]
    note: str = ""
    source: str = ""


def _quantity(value: float | None, unit: str) -> Cell:
    return Cell(si(value, unit), None if value is None or math.isnan(value) else value)


def _number(value: float, text: str) -> Cell:
    return Cell(text, value)


def _u95(value: float, u95: float) -> Cell:
    if math.isnan(value) or math.isnan(u95) or not value:
        return Cell("–")
    return _number(u95 / value, f"±{100 * u95 / value:.2g} %")


def _cycles(value: float) -> Cell:
    return _number(value, f"{value:,.2f}" if value < 1_000 else f"{value:,.0f}")


def _table(headings: Sequence[str], rows: Sequence[tuple[Cell, ...]], note: str = "") -> Table:
    badges = {(i, cell.text) for row in rows for i, cell in enumerate(row) if cell.badge}
    source = ""
    if len(badges) == 1:
        ((at, source),) = badges
        headings = [*headings[:at], *headings[at + 1 :]]
        rows = [(*row[:at], *row[at + 1 :]) for row in rows]
    numeric = {i for row in rows for i, cell in enumerate(row) if cell.number is not None}
    return Table(tuple(headings), tuple(rows), frozenset(numeric), note, source)


def _variant(series: Series, several_accelerators: bool) -> str:
    caches = f", caches: {series.variant.accelerators}" if several_accelerators else ""
    return series.variant.label + caches


def workloads(found: Collection) -> Table:
    """Return one row a workload and place: the clock of least energy, and what it costs there and at the fastest clock."""
    names = {primitive: varying(s for s in found.series if s.primitive == primitive) for primitive in found.primitives}
    several = len({s.variant.accelerators for s in found.series}) > len({s.place.board for s in found.series})
    ordered = found.ordered()
    rows = []
    for series in ordered[:MAX_WORKLOADS]:
        points, best = series.samples(), series.least_energy()
        fastest = points[-1]
        rows.append(
            (
                Cell(f"{series.primitive} {workload_label(series, names[series.primitive])}".rstrip()),
                Cell(_variant(series, several)),
                Cell(series.place.label),
                Cell(series.place.source, badge=True),
                _quantity(None if best is None else best.energy_j, "J"),
                Cell("–") if best is None else _u95(best.energy_j, best.energy_u95_j),
                _quantity(None if best is None else best.clock_hz, "Hz"),
                _quantity(None if best is None else best.latency_s, "s"),
                _quantity(fastest.latency_s, "s"),
                _quantity(fastest.clock_hz, "Hz"),
                _cycles(fastest.cycles / series.applications),
            )
        )
    headings = (
        "workload", "variant", "board", "source", "least energy", "U95", "at", "latency there", "least latency", "at", "cycles per appl. there",
    )  # fmt: skip
    note = (
        ""
        if len(ordered) <= MAX_WORKLOADS
        else f"The first {MAX_WORKLOADS:,} of {len(ordered):,} workloads; bench export has all."
    )
    return _table(headings, rows, note)


def points(found: Collection) -> Table | None:
    """Return one row a point, None where they are too many for a page."""
    if found.points > MAX_POINTS:
        return None
    names = {primitive: varying(s for s in found.series if s.primitive == primitive) for primitive in found.primitives}
    rows = [
        _point(f"{one.primitive} {workload_label(one, names[one.primitive])}".rstrip(), one, sample)
        for one in found.ordered()
        for sample in one.samples()
    ]
    headings = (
        "workload", "variant", "board", "clock", "regulator", "wait states", "cycles", "latency", "U95", "current", "power", "energy", "U95",
    )  # fmt: skip
    return _table(headings, rows)


def _point(workload: str, series: Series, sample: Sample) -> tuple[Cell, ...]:
    waits = sample.wait_states
    return (
        Cell(workload),
        Cell(series.variant.label),
        Cell(series.place.label),
        _quantity(sample.clock_hz, "Hz"),
        Cell("–" if sample.regulator is None else regulator(sample.regulator)),
        Cell("–") if waits is None else _number(waits, str(waits)),
        _number(sample.cycles, f"{sample.cycles:,.0f}"),
        _quantity(sample.latency_s, "s"),
        _u95(sample.latency_s, sample.latency_u95_s),
        _quantity(sample.current_a, "A"),
        _quantity(sample.power_w, "W"),
        _quantity(sample.energy_j, "J"),
        _u95(sample.energy_j, sample.energy_u95_j),
    )


def comparisons(found: Sequence[Comparison]) -> Table:
    """Return one row a pair of implementations."""
    rows = [
        (
            Cell(one.workload),
            Cell(one.change),
            Cell(one.base.place.label),
            Cell(one.base.place.source, badge=True),
            *_ratio(one.latency),
            *_ratio(one.energy),
            _number(one.clocks, str(one.clocks)),
        )
        for one in found[:MAX_COMPARISONS]
    ]
    headings = (
        "workload",
        "what",
        "board",
        "source",
        "latency ratio",
        "over the clocks",
        "energy ratio",
        "over the clocks",
        "clocks",
    )
    note = "" if len(found) <= MAX_COMPARISONS else f"The first {MAX_COMPARISONS:,} of {len(found):,} pairs."
    return _table(headings, rows, note)


def _ratio(ratio: Ratio | None) -> tuple[Cell, Cell]:
    if ratio is None:
        return Cell("–"), Cell("–")
    return _number(ratio.middle, f"{ratio.middle:.3f}"), Cell(f"{ratio.least:.3f} to {ratio.greatest:.3f}")


def residuals(one: Residuals) -> Table:
    """Return one row a pair."""
    rows = [
        (
            Cell(label),
            _quantity(estimated, one.unit),
            _quantity(measured, one.unit),
            _number((estimated - measured) / measured, f"{100 * (estimated - measured) / measured:+.1f} %"),
        )
        for label, estimated, measured in one.pairs[:MAX_PAIRS]
    ]
    note = (
        ""
        if len(one.pairs) <= MAX_PAIRS
        else f"The first {MAX_PAIRS:,} of {len(one.pairs):,} pairs; the plots and figures have all."
    )
    return _table(("what", "estimated", "measured", "residual"), rows, note)


def stations(found: Iterable[StationConditions]) -> Table:
    """Return one row a station."""
    rows = [
        (
            Cell(one.name),
            Cell(one.source, badge=True),
            Cell(f"{one.board}, {one.mcu}, {one.core}"),
            Cell(", ".join(one.probes) or "–"),
            Cell(
                f"{_between(one.vdd_v, 'V')}{'' if one.vdd_v is None else ' measured' if one.vdd_measured else ' as set'}"
            ),
            Cell(_between(one.temperature_degc, "°C")),
            Cell(_between(one.window_s, "s")),
            _number(one.accepted, f"{one.accepted:,}"),
            _number(one.rejected, f"{one.rejected:,}"),
            Cell(span(one.first, one.last)),
        )
        for one in found
    ]
    headings = (
        "station", "source", "board, MCU, core", "current probe", "supply", "temperature", "energy window", "runs accepted", "rejected", "measured",
    )  # fmt: skip
    return _table(headings, rows)


def _between(bounds: tuple[float, float] | None, unit: str) -> str:
    if bounds is None:
        return "–"
    low, high = (f"{value:.1f} {unit}" if unit == "°C" else si(value, unit) for value in bounds)
    return low if low == high else f"{low} to {high}"


def failures(found: Sequence[FailureKind], most: int) -> Table:
    """Return one row a kind of failure."""
    rows = [
        (
            Cell(one.failure_class or "–"),
            _number(one.runs, f"{one.runs:,}"),
            Cell(
                one.example if one.reasons == 1 else f"{one.example} (and {one.reasons - 1:,} that differ in numbers)"
            ),
            Cell(", ".join(one.stations)),
            Cell(f"{one.last:%Y-%m-%d %H:%M}"),
        )
        for one in found[:most]
    ]
    note = "" if len(found) <= most else f"The {most:,} most frequent of {len(found):,} kinds."
    return _table(("class", "runs", "reason", "stations", "last (UTC)"), rows, note)


def origins(found: Iterable[Origin]) -> Table:
    """Return one row a version of bench and compiler."""
    rows = [
        (
            Cell(one.bench_version),
            Cell(one.compiler or "not built"),
            _number(one.runs, f"{one.runs:,}"),
            _number(one.images, f"{one.images:,}"),
            Cell(span(one.first, one.last)),
        )
        for one in found
    ]
    return _table(("bench", "compiler", "runs", "firmware images", "measured"), rows)


def firmware(found: Collection) -> Table:
    """Return one row a workload with the digest of its firmware."""
    names = {primitive: varying(s for s in found.series if s.primitive == primitive) for primitive in found.primitives}
    ordered = found.ordered()
    rows = [
        (
            Cell(f"{one.primitive} {workload_label(one, names[one.primitive])}".rstrip()),
            Cell(one.variant.label),
            Cell(one.place.station),
            Cell(f"-{one.variant.opt_level}"),
            Cell(one.firmware[:16] or "–"),
        )
        for one in ordered[:MAX_WORKLOADS]
    ]
    note = "" if len(ordered) <= MAX_WORKLOADS else f"The first {MAX_WORKLOADS:,} of {len(ordered):,} workloads."
    return _table(("workload", "variant", "station", "opt.", "firmware, SHA-256 begins"), rows, note)
