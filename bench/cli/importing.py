"""``bench import``: take over a look-up table from elsewhere."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.console import err
from bench.cli.options import DEFAULT_DB, Db
from bench.domain.station import Source
from bench.errors import ConfigurationError, UnknownName


def import_table(
    file: Annotated[Path, typer.Argument(help="A look-up table as `bench export` writes it: CSV, Parquet or JSON.")],
    source: Annotated[
        Source | None, typer.Option(help="Record the rows under this source instead of their own.", show_default=False)
    ] = None,
    format: Annotated[
        str | None, typer.Option(help="csv, parquet or json; the ending decides without.", metavar="FORMAT")
    ] = None,
    db: Db = DEFAULT_DB,
) -> int:
    """Take over a look-up table, all of it or nothing.

    Its rows stand beside what was measured here, in every export and estimate, under their own source. A point that was
    measured here is not replaced: its raw values are known.

    Example: bench import colleague.csv --source published
    """
    # Late: these bring SQLAlchemy and Arrow.
    from bench.lut import Format, read
    from bench.store import open_store

    if format is not None and format not in tuple(Format):
        raise UnknownName.among("format", format, list(Format))
    rows = read(file, None if format is None else Format(format))
    if not rows:
        raise ConfigurationError(
            f"{file} holds no row", hint="is it the file that `bench export` wrote? Nothing was imported"
        )
    if source is not None:
        rows = [replace(row, source=str(source)) for row in rows]
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    with open_store(db) as store:
        done = store.imported.record(rows, file_name=file.name, file_sha256=digest, imported_at=datetime.now(UTC))
        sources = ", ".join(sorted({row.source for row in rows}))
        err().print(
            f"{len(rows)} points from {file} imported into {store.name} (source: {sources}): {done.new} new, {done.replaced} replaced",
            markup=False,
        )
    return 0
