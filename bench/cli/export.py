"""``bench export``: hand the look-up table on."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.console import err, print_json
from bench.cli.options import DEFAULT_DB, Db, Json
from bench.domain.station import Source
from bench.errors import BenchError, UnknownName, UsageError
from bench.units import parse


def export(
    file: Annotated[
        Path | None, typer.Argument(help="Where to write; the ending decides the format unless --format does.")
    ] = None,
    station: Annotated[list[str] | None, typer.Option(help="Only this station; may be repeated.")] = None,
    board: Annotated[list[str] | None, typer.Option(help="Only this board; may be repeated.")] = None,
    primitive: Annotated[list[str] | None, typer.Option(help="Only this primitive; may be repeated.")] = None,
    dtype: Annotated[list[str] | None, typer.Option(help="Only this data type; may be repeated.")] = None,
    flavor: Annotated[list[str] | None, typer.Option(help="Only this flavor; may be repeated.")] = None,
    opt: Annotated[list[str] | None, typer.Option(help="Only this optimisation level; may be repeated.")] = None,
    freq: Annotated[
        str | None, typer.Option(help="Only these core clocks: frequencies or clock ids, as in 16MHz,180MHz.")
    ] = None,
    source: Annotated[
        list[Source] | None,
        typer.Option(help="Only this source; needed where the database holds several, repeated to mix them."),
    ] = None,
    format: Annotated[
        str | None, typer.Option(help="csv, parquet, json, nn-meter or ofa.", metavar="FORMAT", show_default=False)
    ] = None,
    as_json: Json = False,
    db: Db = DEFAULT_DB,
) -> int:
    """Write the look-up table: one row a point, the latest accepted run of each.

    Beside FILE goes FILE.provenance.json: database, selection, versions. Hardware, virtual and published numbers are
    never mixed unless you ask for each by --source.

    nn-meter and ofa are tables for architecture search tools. They know one setting only: choose the clock, data type
    and flavor.

    Example: bench export lut.csv --board nucleo_f446ze
    """
    if (file is None) != as_json:
        raise UsageError("give either a file or --json", hint="as in: bench export lut.csv")

    # Late: these bring SQLAlchemy and Arrow.
    from bench.lut import Format, format_of, row_dict, rows, write, write_provenance
    from bench.store import Selection, open_store

    if format is not None and format not in tuple(Format):
        raise UnknownName.among("format", format, list(Format))
    chosen = Format(format) if format is not None else format_of(file) if file is not None else None
    clocks = [text.strip() for text in (freq or "").split(",") if text.strip() not in ("", "all")]
    selection = Selection(
        stations=tuple(station or ()),
        boards=tuple(board or ()),
        primitives=tuple(primitive or ()),
        dtypes=tuple(dtype or ()),
        sources=tuple(source or ()),
        flavors=tuple(flavor or ()),
        opt_levels=tuple(opt or ()),
        clock_ids=tuple(text for text in clocks if "-" in text),
        sysclks_hz=tuple(parse(text, "Hz") for text in clocks if "-" not in text),
    )
    with open_store(db, create=False) as store:
        table = rows(store, selection)
        first = next(table, None)
        if first is None:
            raise BenchError(f"{store.name} holds no accepted run of {selection}", hint="measure first: bench run")
        if file is None:
            print_json([row_dict(row) for row in chain((first,), table)])
        else:
            from importlib.metadata import version

            count = write(file, chain((first,), table), chosen)
            write_provenance(
                file,
                store,
                selection,
                rows=count,
                created_at=datetime.now(UTC),
                bench_version=version("mcu-bench"),
            )
            err().print(f"{count} points from {store.name} written to {file}", markup=False)
    return 0
