"""``bench export``: hand the look-up table on."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.console import err, print_json
from bench.cli.options import DEFAULT_DB, Db, Json
from bench.domain.station import Source
from bench.errors import BenchError, UnknownName, UsageError


def export(
    file: Annotated[
        Path | None, typer.Argument(help="Where to write; the ending decides the format unless --format does.")
    ] = None,
    station: Annotated[list[str] | None, typer.Option(help="Only this station; may be repeated.")] = None,
    board: Annotated[list[str] | None, typer.Option(help="Only this board; may be repeated.")] = None,
    primitive: Annotated[list[str] | None, typer.Option(help="Only this primitive; may be repeated.")] = None,
    dtype: Annotated[list[str] | None, typer.Option(help="Only this data type; may be repeated.")] = None,
    source: Annotated[
        list[Source] | None,
        typer.Option(help="Only this source; needed where the database holds several, repeated to mix them."),
    ] = None,
    format: Annotated[
        str | None, typer.Option(help="csv, parquet or json.", metavar="FORMAT", show_default=False)
    ] = None,
    as_json: Json = False,
    db: Db = DEFAULT_DB,
) -> int:
    """Write the look-up table: one row a point, the latest accepted run of each.

    Beside FILE goes FILE.provenance.json: database, selection, versions. Hardware, virtual and published numbers are
    never mixed unless you ask for each by --source.

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
    selection = Selection(
        tuple(station or ()), tuple(board or ()), tuple(primitive or ()), tuple(dtype or ()), tuple(source or ())
    )
    with open_store(db, create=False) as store:
        table = rows(store, selection)
        first = next(table, None)
        if first is None:
            raise BenchError(f"{store.name} holds no accepted run of {selection}", hint="measure first: bench run")
        if file is None:
            print_json([row_dict(row) for row in chain((first,), table)])
        else:
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
