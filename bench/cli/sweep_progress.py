"""What people see while a sweep runs: a bar a station on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from bench.cli.console import err
from bench.domain.measurement import Point, Run, Verdict
from bench.errors import BenchError
from bench.units import format_si

if TYPE_CHECKING:
    from bench.sweep.missing import Comparison
    from bench.sweep.plan import ImagePlan


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a station is: ``done`` of ``points`` in ``elapsed_s``."""

    done: int
    points: int
    elapsed_s: float

    @property
    def per_minute(self) -> float:
        """Points a minute, 0 before the first."""
        return 60 * self.done / self.elapsed_s if self.elapsed_s > 0 else 0.0

    def __str__(self) -> str:
        if not self.done:
            return "starting"
        left_s = (self.points - self.done) * self.elapsed_s / self.done
        return f"{self.per_minute:.3g}/min, {duration(left_s)} left"


def duration(seconds: float) -> str:
    """Return ``seconds`` for people: 42 s, 12 min, 3 h 05 min."""
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"


class StationProgress:
    """Hears what one station does."""

    def __init__(self, console: Console, progress: Progress | None, name: str, points: int) -> None:
        self._console = console
        self._progress = progress
        self._name = name
        self._points = points
        self._done = 0
        self._began_s = time.monotonic()
        self._explained: set[str] = set()
        self._recorded: set[Point] = set()
        self._task: TaskID | None = None
        if progress is not None:
            self._task = progress.add_task(name, total=points, pace="starting", doing="")

    def event(self, text: str) -> None:
        """Show what was done."""
        self.step(text)
        if self._progress is None:
            self._console.print(f"{self._name}: {text}", markup=False)

    def step(self, text: str) -> None:
        """Show what is being done; a log does without it."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, doing=text)

    def recorded(self, run: Run) -> None:
        """Show that ``run`` is in the database."""
        if run.sentinel:
            return  # an event told what it says
        if run.point not in self._recorded:  # one that drift withdraws is recorded twice
            self._recorded.add(run.point)
            self._advance(1)
        where = f"{self._name} [{self._done}/{self._points}] {run.point.workload.primitive} {run.point.workload.dtype} at {run.point.clock.hclk_hz / 1e6:g} MHz"
        if run.verdict is Verdict.REJECTED:
            self._console.print(f"{escape(where)} [bold red]rejected[/] ({run.failure_class}): {escape(run.reason)}")
            self._explain(run.failure_class, run.detail)
        elif self._progress is None and run.result is not None:
            energy = "" if run.result.energy_j is None else f", {format_si(run.result.energy_j, 'J')}"
            self._console.print(
                f"{where}: {run.result.cycles:.0f} cycles, {format_si(run.result.latency_s, 's')}{energy} ({self._pace()})",
                markup=False,
            )

    def gave_up(self, points: int) -> None:
        """Count the ``points`` that an image's failure left."""
        self._advance(points)

    def failed(self, plan: ImagePlan, error: BenchError) -> None:
        """Say what ended an image."""
        self._console.print(
            f"{escape(self._name)} [{self._done}/{self._points}] [bold red]failed[/] {escape(str(plan.work))} ({error.failure_class}): {escape(error.message)}",
        )
        self._explain(error.failure_class, "\n".join(part for part in (error.hint, error.detail) if part))

    def left_out(self, cause: str, points: int) -> None:
        """Say that nothing more is measured here."""
        self._console.print(
            f"[bold red]{escape(self._name)} is left out[/] of the rest, {points} points: {escape(cause)}"
        )

    def _explain(self, failure_class: str, detail: str) -> None:
        if failure_class not in self._explained:  # once is enough: what fails at one point often fails at all
            for line in detail.splitlines():
                self._console.print(f"    {line}", markup=False)
        self._explained.add(failure_class)

    def _pace(self) -> Pace:
        return Pace(self._done, self._points, time.monotonic() - self._began_s)

    def _advance(self, points: int) -> None:
        self._done += points
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, advance=points, pace=str(self._pace()))


class SweepProgress:
    """Hears what a sweep does."""

    def __init__(self, console: Console, progress: Progress | None) -> None:
        self._console = console
        self._progress = progress

    def planned(self, comparison: Comparison) -> None:
        """Say what is ahead."""
        left = comparison.left
        there = f", {comparison.there} are there already" if comparison.there else ""
        self._console.print(
            f"{left.points} points to measure, {len(left.images)} images, {len(left.stations())} stations{there}"
        )
        for line in reasons(comparison):
            self._console.print(line, markup=False)

    def station(self, name: str, points: int) -> StationProgress:
        """Return what hears the station ``name``."""
        return StationProgress(self._console, self._progress, name, points)


def reasons(comparison: Comparison) -> Iterator[str]:
    """Yield why points that have runs are measured again."""
    if comparison.outdated:
        yield f"{comparison.outdated} points are there from another compiler or release of the bench: measured again"
    if comparison.without_energy:
        yield f"{comparison.without_energy} points are there without energy: measured again with the current probe"


@contextmanager
def sweeping() -> Iterator[SweepProgress]:
    """Yield a listener that shows a sweep on standard error."""
    console = err()
    if not sys.stderr.isatty():
        yield SweepProgress(console, None)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
        TextColumn("{task.fields[doing]}", style="dim"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield SweepProgress(console, progress)
