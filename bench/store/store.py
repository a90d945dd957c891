"""Opening a database of measurements."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from types import TracebackType

from sqlalchemy import URL, Engine, func, select

from bench.domain.job import Lease
from bench.errors import DatabaseUnusable, FutureRevision, OutdatedRevision
from bench.store import check as checking
from bench.store import schema
from bench.store.engine import check_file, database_name, make_engine, parse_url, sqlite_path
from bench.store.failures import ANOTHER, database_errors
from bench.store.imported import ImportedPoints
from bench.store.jobs import Jobs
from bench.store.live import Live
from bench.store.models import RunRow
from bench.store.rack import Rack
from bench.store.repository import Repository
from bench.store.units import LeasedRepository, Units


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What an upgrade did: the revision before and after."""

    before: str | None
    after: str


class Store:
    """An open database; a context manager.

    ``repository`` is what reads and writes measurements, ``imported`` what came from files; ``jobs``, ``units`` and ``rack`` are what the daemon works from,
    ``live`` is what its page shows.
    """

    def __init__(self, engine: Engine, url: URL, busy_timeout_s: float) -> None:
        self._engine = engine
        self._url = url
        self._busy_timeout_s = busy_timeout_s
        self.name = database_name(url)
        self.repository = Repository(engine, self.name)
        self.imported = ImportedPoints(engine, self.name)
        self.jobs = Jobs(engine, self.name)
        self.units = Units(engine, self.name, self.jobs)
        self.rack = Rack(engine, self.name, self.jobs)
        self.live = Live(engine, self.name)

    def leased(self, lease: Lease) -> LeasedRepository:
        """Return the repository for the runs of one unit of a job."""
        return LeasedRepository(self._engine, self.name, self.units, lease)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The database's URL, with its password."""
        return self._url.render_as_string(hide_password=False)

    @property
    def queue_url(self) -> str:
        """The URL of the database for the daemons' queues: on PostgreSQL the same one, else a file beside ours, ``NAME.dbos.db``."""
        path = sqlite_path(self._url)
        if path is None:
            return self.url
        return self._url.set(database=str(path.absolute().with_suffix(".dbos.db"))).render_as_string()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def revision(self) -> str | None:
        """Return the revision of the tables, None for an empty database. Raises ForeignDatabase."""
        with database_errors(self.name), self._engine.connect() as connection:
            return schema.identify(connection, self.name).revision

    def upgrade(self) -> Upgrade:
        """Bring the tables to the newest revision, in one transaction: afterwards either all is changed or nothing."""
        before = self.revision()
        if before is not None and before not in schema.REVISIONS:
            raise _future(self.name, before)
        self.migrate(schema.REVISIONS[-1])
        return Upgrade(before, schema.REVISIONS[-1])

    def migrate(self, target: str, *, downgrade: bool = False) -> None:
        """Bring the tables to revision ``target``; a downgrade loses what the older tables cannot hold."""
        engine = make_engine(self._url, busy_timeout_s=self._busy_timeout_s, for_migration=True)
        try:
            with database_errors(self.name):
                schema.migrate(engine, target, downgrade=downgrade)
        finally:
            engine.dispose()

    def check(self) -> checking.Report:
        """Check file, revision and relations; what is wrong is in the report."""
        return checking.check(self._engine, self.name)

    def write_ahead(self) -> None:
        """Switch an SQLite file to write-ahead logging, so that readers do not block the writer. The file remembers it.

        SQLite does not wait for a lock here; where others use the file just now, the next to open it switches.
        """
        if self._engine.dialect.name != "sqlite":
            return
        with database_errors(self.name):
            # A journal mode cannot be changed inside a transaction, so past SQLAlchemy's.
            raw = self._engine.raw_connection()
            try:
                cursor = raw.cursor()
                if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                    cursor.execute("PRAGMA journal_mode=WAL")
                cursor.close()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
            finally:
                raw.close()

    def holds_runs(self) -> bool:
        """Tell whether any run is recorded; reads nothing but the table's key, which every revision has."""
        with database_errors(self.name), self._engine.connect() as connection:
            return connection.execute(select(func.min(RunRow.id))).scalar_one() is not None


def open_store(url: str, *, create: bool = True, any_revision: bool = False, busy_timeout_s: float = 30.0) -> Store:
    """Open the database ``url``: ``sqlite:///measurements.db``, a plain file name, or ``postgresql://user@host/name``.

    A new or empty database gets the newest tables if ``create``. One of an older revision that holds runs is opened only with
    ``any_revision`` (what ``bench db upgrade`` and ``check`` do). A lock is waited for during ``busy_timeout_s``.

    Raises ConfigurationError for a URL of another kind, DatabaseUnusable (missing, unwritable, read-only, locked, unreachable),
    ForeignDatabase, OutdatedRevision and FutureRevision.
    """
    parsed = parse_url(url)
    path = sqlite_path(parsed)
    if path is not None:
        check_file(path, create=create)
    store = Store(make_engine(parsed, busy_timeout_s=busy_timeout_s), parsed, busy_timeout_s)
    try:
        _settle(store, create=create, any_revision=any_revision)
    except BaseException:
        store.close()
        raise
    return store


def open_existing(url: str) -> Store | None:
    """Open the database ``url`` for reading as ``open_store``, but make nothing: None where no database, or an empty one, is there yet."""
    parsed = parse_url(url)
    path = sqlite_path(parsed)
    if path is not None:
        check_file(path, create=True)
        if not path.exists():
            return None
    with Store(make_engine(parsed, busy_timeout_s=30.0), parsed, 30.0) as store:
        if store.revision() is None:
            return None
    return open_store(url, create=False)


def _settle(store: Store, *, create: bool, any_revision: bool) -> None:
    """Make sure that the database is ours and new enough, and create the tables where there are none."""
    revision, newest = store.revision(), schema.REVISIONS[-1]
    if revision is None:
        if not create:
            raise DatabaseUnusable(f"{store.name} is empty: nothing was measured yet", hint="measure first: bench run")
        store.migrate(newest)
    elif revision not in schema.REVISIONS:
        raise _future(store.name, revision)
    elif revision != newest and not any_revision:
        if store.holds_runs():
            raise OutdatedRevision(
                f"{store.name} was written by an older bench (its tables are at revision {revision}, this bench needs {newest})",
                hint="keep a copy, then run: bench db upgrade",
            )
        store.migrate(newest)
    store.write_ahead()


def _future(name: str, revision: str) -> FutureRevision:
    return FutureRevision(
        f"{name} was written by a newer bench (its tables are at revision {revision}, this bench knows up to {schema.REVISIONS[-1]})",
        hint=f"install that bench, or {ANOTHER}",
    )
