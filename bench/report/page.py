"""The page: everything gathered, and rendered into one file without a single reference to the outside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bench.domain.primitives import PRIMITIVES
from bench.report import compare, failures, kernel_size, over_clock, page_svg, reading, tables
from bench.report.palette import css_variables
from bench.report.plot import Plot
from bench.report.residuals import Residuals, residuals_section
from bench.report.series import Collection, Place
from bench.report.text import si, span
from bench.store import Overview
from bench.units import plural

TEMPLATES = Path(__file__).parent / "templates"
MAX_GROUPS = 30
"""Groups of curves over the clock on a page, four panels each: about half a megabyte."""
MAX_SIZE_GROUPS = 12


@dataclass(frozen=True, slots=True)
class Origin:
    """What the page says about itself."""

    title: str
    database: str
    selection: str
    bench_version: str
    created_at: datetime


@dataclass(frozen=True)
class Report:
    """What a report shows. Every part is made once, and only when it is asked for."""

    origin: Origin
    found: Collection
    overview: Overview
    residuals: Sequence[Residuals] = ()

    @cached_property
    def groups(self) -> list[over_clock.Group]:
        """All groups of curves over the clock; those on the page come first by primitive, so that none is missing while another has many."""
        return over_clock.groups(self.found)

    @cached_property
    def shown_groups(self) -> list[over_clock.Group]:
        """Those that the page shows."""
        if len(self.groups) <= MAX_GROUPS:
            return self.groups
        seen: Counter[tuple[Place, str]] = Counter()
        ranked = []
        for index, group in enumerate(self.groups):
            seen[group.place, group.primitive] += 1
            ranked.append((seen[group.place, group.primitive], index))
        kept = {index for _, index in sorted(ranked)[:MAX_GROUPS]}
        return [group for index, group in enumerate(self.groups) if index in kept]

    @cached_property
    def clock_plots(self) -> list[tuple[over_clock.Group, list[Plot]]]:
        """The groups that are shown with their plots."""
        return [(group, over_clock.plots(group)) for group in self.shown_groups]

    @cached_property
    def comparisons(self) -> list[compare.Comparison]:
        """Pairs of implementations."""
        return compare.comparisons(self.found)

    @cached_property
    def comparison_plots(self) -> list[tuple[str, Place, list[Plot]]]:
        """(kind, place, plots)."""
        every = [(kind, place) for kind in (compare.DTYPE, compare.FLAVOR) for place in self.found.places]
        plots = [(kind, place, compare.plots(self.comparisons, place, kind)) for kind, place in every]
        return [entry for entry in plots if entry[2]]

    @cached_property
    def sizes(self) -> list[kernel_size.SizeGroup]:
        """Cost of one application over the kernel's size."""
        return kernel_size.size_groups(self.found)

    @cached_property
    def estimates(self) -> list[tuple[Residuals, tuple[Plot, ...]]]:
        """Estimate against measurement; empty where nobody estimated."""
        return residuals_section(self.residuals)

    def plots(self) -> Iterator[Plot]:
        """Yield every plot of the page, in its order."""
        for _, plots in self.clock_plots:
            yield from plots
        for _, _, found in self.comparison_plots:
            yield from found
        for size in self.sizes[:MAX_SIZE_GROUPS]:
            yield from size.plots
        for _, pair in self.estimates:
            yield from pair

    def html(self) -> str:
        """Return the page."""
        environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters["si"] = si
        template = environment.get_template("report.html.j2")
        kinds = failures.kinds(self.overview.failures)
        return template.render(
            report=self,
            origin=self.origin,
            found=self.found,
            overview=self.overview,
            findings=findings(self),
            applications={name: PRIMITIVES[name].application for name in self.found.primitives if name in PRIMITIVES},
            span=span,
            count=plural,
            reading=reading,
            tables=tables,
            failure_table=tables.failures(kinds, failures.MAX_KINDS),
            max_size_groups=MAX_SIZE_GROUPS,
            svg=_markup(page_svg.page_svg),
            swatch=_markup(page_svg.swatch),
            definitions=Markup(page_svg.definitions()),
            style=Markup(_css()),
            script=Markup((TEMPLATES / "report.js").read_text(encoding="utf-8")),
        )


def _markup(make: Callable[..., str]) -> Callable[..., Markup]:
    """Return ``make``, whose text is safe because it escapes every name itself."""
    return lambda *values, **names: Markup(make(*values, **names))


def _css() -> str:
    light, dark = css_variables(dark=False), css_variables(dark=True)
    variables = f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"
    return variables + page_svg.css() + (TEMPLATES / "report.css").read_text(encoding="utf-8")


def findings(report: Report) -> list[str]:
    """Return what the numbers say, in sentences."""
    said = []
    for place in report.found.places:
        best: Counter[float] = Counter()
        for series in report.found.series:
            least = series.least_energy() if series.place == place and len(series) > 1 else None
            if least is not None:
                best[least.clock_hz] += 1
        if best:
            clock_hz, times = best.most_common(1)[0]
            total = sum(best.values())
            how = "every workload" if times == total else f"{times:,} of {total:,} workloads"
            said.append(f"{place.label}: {how} took the least energy at {si(clock_hz, 'Hz')}.")
    for change, place, workloads, latency, energy in compare.medians(report.comparisons):
        over = f"over {plural(workloads, 'workload')}" if workloads > 1 else "in one workload"
        cost = "" if energy is None else f" and {reading.change(energy, 'energy')}"
        said.append(
            f"{place.label}: {change} takes {reading.change(latency, 'time')}{cost} (median {over}).".replace(
                "(median in", "(in"
            )
        )
    by_source: dict[tuple[str, int], list[str]] = {}
    for one, _ in report.estimates:
        by_source.setdefault((one.source, len(one.pairs)), []).append(f"{one.quantity} {100 * one.mean_absolute:.1f} %")
    for (source, pairs), errors in by_source.items():
        said.append(f"Estimates are off in the mean by {', '.join(errors)} ({plural(pairs, 'comparison')}, {source}).")
    return said
