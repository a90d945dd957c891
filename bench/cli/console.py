"""What people see: tables on standard output, messages on standard error. What draws them is loaded when there is something to draw."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bench.errors import BenchError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PLAIN_WIDTH = 160
"""Columns of a table where standard output is no terminal: files have no edge to wrap at."""


def out() -> Console:
    """Return the console for results."""
    from rich.console import Console

    return Console(
        file=sys.stdout, highlight=False, soft_wrap=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH
    )


def err() -> Console:
    """Return the console for progress and messages."""
    from rich.console import Console

    return Console(file=sys.stderr, highlight=False, soft_wrap=not sys.stderr.isatty())  # a log has no edge


def table(*columns: tuple[str, str], title: str | None = None) -> Table:
    """Return an empty table; ``columns`` are (heading, how: empty, "right", or "wrap" for prose)."""
    from rich.table import Table

    made = Table(title=title, box=None, pad_edge=False, title_justify="left", header_style="bold")
    for heading, how in columns:
        made.add_column(heading, justify="right" if how == "right" else "left", no_wrap=how != "wrap", overflow="fold")
    return made


def print_json(rows: Sequence[Mapping[str, object]]) -> None:
    """Print ``rows`` as one JSON array on standard output, a row a line."""
    lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows]
    sys.stdout.write("[\n" + ",\n".join(lines) + "\n]\n" if lines else "[]\n")


def print_error(error: BenchError) -> None:
    """Print what failed, where, and what mends it."""
    from rich.markup import escape

    console = err()
    console.print(f"[bold red]error:[/] {escape(str(error))}")
    for line in error.detail.splitlines():
        console.print(f"  {escape(line)}")
    if error.hint:
        console.print(f"[bold]hint:[/] {escape(error.hint)}")


def set_up_logging() -> None:
    """Let warnings of the bench and its virtual boards reach standard error; pyOCD's chatter stays below that."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("pyocd").setLevel(logging.CRITICAL)
