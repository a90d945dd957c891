"""``bench report``: one page for people."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.console import err
from bench.cli.options import DEFAULT_DB, Db
from bench.cli.selection import Boards, DTypes, Primitives, Sources, Stations
from bench.errors import BenchError, UsageError


def report(
    out: Annotated[Path, typer.Argument(help="The page to write, as report.html.", metavar="OUT.html")],
    station: Stations = None,
    board: Boards = None,
    primitive: Primitives = None,
    dtype: DTypes = None,
    source: Sources = None,
    figures: Annotated[
        Path | None,
        typer.Option(help="Also write every plot into this folder, as PNG and SVG.", metavar="DIR"),
    ] = None,
    title: Annotated[str, typer.Option(help="Title of the page.")] = "What the primitives cost",
    validation: Annotated[
        list[Path] | None,
        typer.Option(
            help="What `bench validate --json` printed: adds estimates against measurements; may be repeated.",
            metavar="FILE",
        ),
    ] = None,
    db: Db = DEFAULT_DB,
) -> int:
    """Write a report: one page that needs nothing else, to read, print or send.

    Latency, current, power and energy over the clock, fp32 against int8, naive against other flavors, cost per application
    over kernel size, conditions, rejected runs and provenance. Hardware, virtual and published numbers are never mixed
    unless you ask for each by --source.

    Example: bench report report.html --board nucleo_f446ze --figures figures
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{out} does not end with .html", hint="as in: bench report report.html")

    # Late: these bring SQLAlchemy and Jinja2.
    from bench.lut import rows
    from bench.lut.files import replacing
    from bench.report.failures import kinds
    from bench.report.page import Origin, Report
    from bench.report.residuals import read_validation, residuals_of
    from bench.report.series import collect
    from bench.store import Selection, open_store

    selection = Selection(
        tuple(station or ()), tuple(board or ()), tuple(primitive or ()), tuple(dtype or ()), tuple(source or ())
    )
    from importlib.metadata import version

    estimates = residuals_of(
        (entry for file in validation or () for entry in read_validation(file)),
        " and ".join(map(str, validation or ())),
    )
    with open_store(db, create=False) as store:
        found = collect(rows(store, selection))
        if not found.points:
            failed = store.repository.overview(selection)
            raise BenchError(
                f"{store.name} holds no accepted run of {selection}"
                + (f", only {failed.rejected:,} rejected ones:" if failed.rejected else ""),
                detail="\n".join(
                    f"{kind.runs:,} ({kind.failure_class}): {kind.example}" for kind in kinds(failed.failures)[:5]
                ),
                hint="mend what failed, then measure again: bench run"
                if failed.rejected
                else "measure first: bench run",
            )
        overview = store.repository.overview(selection.narrowed(found.sources))
        origin = Origin(title, store.name, str(selection), version("mcu-bench"), datetime.now(UTC))
    made = Report(origin, found, overview, estimates)
    page = made.html().encode("utf-8", "backslashreplace")
    with replacing(out) as file:
        file.write(page)
    err().print(f"{found.points:,} points written to {out} ({len(page) / 1000:,.0f} kB)", markup=False)
    if figures is not None:
        from bench.report.figures import write_figures

        count = sum(1 for _ in write_figures(made.plots(), figures))
        err().print(f"{count} figures written to {figures}", markup=False)
    return 0
