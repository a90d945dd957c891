"""``bench db``: look after the database."""

from __future__ import annotations

import typer

from bench.cli.console import out
from bench.cli.options import DEFAULT_DB, Db
from bench.cli.presenting import PresentedCommand, PresentedGroup, presenting

app = typer.Typer(cls=PresentedGroup, help="Look after the database of measurements.", no_args_is_help=True)


@app.command(cls=PresentedCommand)
@presenting
def upgrade(db: Db = DEFAULT_DB) -> int:
    """Bring an older database to the newest form, in one transaction."""
    from bench.store import open_store  # late: SQLAlchemy takes its time

    with open_store(db, create=False, any_revision=True) as store:
        done = store.upgrade()
        out().print(
            f"{store.name}: {'already at' if done.before == done.after else f'upgraded from {done.before} to'} revision {done.after}",
            markup=False,
        )
    return 0


@app.command(cls=PresentedCommand)
@presenting
def check(db: Db = DEFAULT_DB) -> int:
    """Check the database: its file, its revision, its relations."""
    from bench.store import open_store  # late: SQLAlchemy takes its time

    with open_store(db, create=False, any_revision=True) as store:
        report = store.check()
        console = out()
        for line in report.lines():
            console.print(line, markup=False)
    return 0 if report.ok else 1
