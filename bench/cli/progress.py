"""Progress of one image's points on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bench.cli.console import err
from bench.domain.measurement import Point, Run, Verdict
from bench.units import format_si


class Progressing:
    """Hears what the execution does: one bar on a terminal, one line a point elsewhere."""

    def __init__(self, progress: Progress | None, console: Console, points: int) -> None:
        self._progress = progress
        self._console = console
        self._points = points
        self._task = progress.add_task("starting", total=points) if progress is not None else None
        self._explained: set[str] = set()
        self._verdicts: dict[Point, Verdict] = {}

    def event(self, text: str) -> None:
        """Show what was done: on the bar, or as a line of its own."""
        self.step(text)
        if self._progress is None:
            self._console.print(escape(text))

    def step(self, text: str) -> None:
        """Show what is being done; a log does without it."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=text)

    def recorded(self, run: Run) -> None:
        """Show that ``run`` is in the database."""
        if run.sentinel:
            return  # an event told what it says
        self._verdicts[run.point] = run.verdict
        done = len(self._verdicts)
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done)
        if run.verdict is Verdict.REJECTED:
            self._console.print(
                f"[{done}/{self._points}] {run.point.clock.hclk_hz / 1e6:g} MHz [bold red]rejected[/] ({run.failure_class}): {escape(run.reason)}"
            )
            if run.failure_class not in self._explained:  # once is enough: what fails at one clock often fails at all
                for line in run.detail.splitlines():
                    self._console.print(f"    {escape(line)}")
            self._explained.add(run.failure_class)
        elif self._progress is None and run.result is not None:
            energy = "" if run.result.energy_j is None else f", {format_si(run.result.energy_j, 'J')}"
            self._console.print(
                f"[{done}/{self._points}] {run.point.clock.hclk_hz / 1e6:g} MHz: {run.result.cycles:.0f} cycles, {format_si(run.result.latency_s, 's')}{energy}",
                markup=False,
            )

    def gave_up(self, points: int) -> None:
        """Say that ``points`` points were not reached; the error that ended them follows."""
        self._console.print(f"{points} points not measured, recorded as rejected", markup=False)


@contextmanager
def progressing(points: int) -> Iterator[Progressing]:
    """Yield a listener that shows progress over ``points`` points on standard error."""
    console = err()
    if not sys.stderr.isatty():
        yield Progressing(None, console, points)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield Progressing(progress, console, points)
