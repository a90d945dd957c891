"""What ``bench db check`` looks at."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text

from bench.errors import StoreError
from bench.store import schema
from bench.store.failures import database_errors
from bench.store.repository import Counts, Repository

# Each counts rows that no transaction of ours leaves behind: somebody else wrote, or the file was damaged.
_RULES: tuple[tuple[str, str], ...] = (
    (
        "accepted runs without a result",
        "verdict = 'accepted' AND NOT EXISTS (SELECT 1 FROM result r WHERE r.run_id = run.id)",
    ),
    ("rejected runs with a result", "verdict = 'rejected' AND EXISTS (SELECT 1 FROM result r WHERE r.run_id = run.id)"),
    (
        "accepted runs without cycle counts",
        "verdict = 'accepted' AND NOT EXISTS (SELECT 1 FROM cycle_run c WHERE c.run_id = run.id)",
    ),
    ("accepted runs without an image", "verdict = 'accepted' AND image_id IS NULL"),
    (
        "energy runs without both current windows",
        "EXISTS (SELECT 1 FROM energy_run e WHERE e.run_id = run.id)"
        " AND (SELECT count(*) FROM current_window w WHERE w.run_id = run.id) <> 2",
    ),
)
_ORPHANS: tuple[tuple[str, str], ...] = (
    (
        "points without a run",
        "SELECT count(*) FROM point WHERE NOT EXISTS (SELECT 1 FROM run WHERE run.point_id = point.id)",
    ),
    (
        "images without a run",
        "SELECT count(*) FROM image WHERE NOT EXISTS (SELECT 1 FROM run WHERE run.image_id = image.id)",
    ),
    (
        "stations without a point",
        "SELECT count(*) FROM station WHERE NOT EXISTS (SELECT 1 FROM point WHERE station_id = station.id)",
    ),
)


@dataclass(frozen=True, slots=True)
class Report:
    """The state of a database: ``problems`` is empty when it is sound, ``counts`` is None when it could not be read."""

    database: str
    revision: str | None
    newest_revision: str
    counts: Counts | None
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether the database is sound."""
        return not self.problems

    def lines(self) -> list[str]:
        """Return the report for people, one fact a line."""
        lines = [f"{self.database}: revision {self.revision or 'none'}, newest {self.newest_revision}"]
        if self.counts is not None:
            held = self.counts
            lines.append(
                f"{held.accepted} accepted and {held.rejected} rejected runs of {held.points} points"
                f" on {held.stations} stations, {held.images} images, {held.traces} traces"
            )
        return lines + ([f"problem: {problem}" for problem in self.problems] or ["sound"])


def check(engine: Engine, database: str) -> Report:
    """Check file, revision and relations of the database. Does not raise for what it finds: that is in the report."""
    revision: str | None = None
    counts: Counts | None = None
    problems: list[str] = []
    try:
        with database_errors(database), engine.connect() as connection:
            revision = schema.identify(connection, database).revision
            if connection.dialect.name == "sqlite":
                problems += _sqlite(connection)
            if revision == schema.REVISIONS[-1]:
                problems += _relations(connection)
            else:
                problems.append(
                    f"the tables are at revision {revision}, this bench needs {schema.REVISIONS[-1]}; run: bench db upgrade"
                )
        if revision == schema.REVISIONS[-1]:
            counts = Repository(engine, database).counts()
    except StoreError as error:
        problems.append(error.message)
    return Report(database, revision, schema.REVISIONS[-1], counts, tuple(problems))


def _sqlite(connection: Connection) -> list[str]:
    problems = []
    if connection.exec_driver_sql("PRAGMA application_id").scalar_one() != schema.APPLICATION_ID:
        problems.append(
            "the file does not carry this program's application id (restored from a dump?); mend it with: bench db upgrade"
        )
    said = connection.exec_driver_sql("PRAGMA integrity_check(10)").scalars().all()
    problems += [f"integrity: {line}" for line in said if line != "ok"]
    for table, row, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check").all()[:10]:
        problems.append(f"row {row} of {table} refers to a missing row of {parent}")
    return problems


def _relations(connection: Connection) -> list[str]:
    statements = [(what, f"SELECT count(*) FROM run WHERE {condition}") for what, condition in _RULES] + list(_ORPHANS)
    counted = ((what, connection.execute(text(statement)).scalar_one()) for what, statement in statements)
    return [f"{number} {what}" for what, number in counted if number]
