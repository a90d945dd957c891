"""What people see: tables on standard output, progress and messages on standard error."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from bench.domain.measurement import Point, Run, Verdict
from bench.errors import BenchError
from bench.units import format_si

PLAIN_WIDTH = 160
"""Columns of a table where standard output is no terminal: files have no edge to wrap at."""


def out() -> Console:
    """Return the console for results."""
    return Console(
        file=sys.stdout, highlight=False, soft_wrap=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH
    )


def err() -> Console:
    """Return the console for progress and messages."""
    return Console(file=sys.stderr, highlight=False, soft_wrap=not sys.stderr.isatty())  # a log has no edge


def table(*columns: tuple[str, str], title: str | None = None) -> Table:
    """Return an empty table; ``columns`` are (heading, how: empty, "right", or "wrap" for prose)."""
    made = Table(title=title, box=None, pad_edge=False, title_justify="left", header_style="bold")
    for heading, how in columns:
        made.add_column(heading, justify="right" if how == "right" else "left", no_wrap=how != "wrap", overflow="fold")
    return made


def print_json(rows: Sequence[Mapping[str, object]]) -> None:
    """Print ``rows`` as one JSON array on standard output."""
    json.dump(list(rows), sys.stdout, indent=1, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def print_error(error: BenchError) -> None:
    """Print what failed, where, and what mends it."""
    console = err()
    console.print(f"[bold red]error:[/] {escape(str(error))}")
    for line in error.detail.splitlines():
        console.print(f"  {escape(line)}")
    if error.hint:
        console.print(f"[bold]hint:[/] {escape(error.hint)}")


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


def set_up_logging() -> None:
    """Let warnings of the bench and its virtual boards reach standard error; pyOCD's chatter stays below that."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("pyocd").setLevel(logging.CRITICAL)
