"""Whose database it is, which revision it has, and how it gets to another one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text

from bench.errors import DatabaseUnusable, ForeignDatabase
from bench.store.engine import WRITE
from bench.store.failures import ANOTHER

if TYPE_CHECKING:
    from alembic.config import Config

# Alembic's package is only imported for a migration (it takes longer to import than a database to open), so the revisions are named here
# too, oldest first; a test compares them with the migrations.
REVISIONS: tuple[str, ...] = ("0001", "0002", "0003", "0004", "0005")

MIGRATIONS = "bench.store:migrations"
VERSION_TABLE = "mcu_bench_revision"
APPLICATION_ID = 0x4D43_5562  # "MCUb", in the header of our SQLite files (sqlite.org/pragma.html#pragma_application_id)
_ADVISORY_LOCK = 0x4D43_5562


@dataclass(frozen=True, slots=True)
class Found:
    """What a database holds: nothing (``revision`` is None), or our tables at ``revision``."""

    revision: str | None


def identify(connection: Connection, database: str) -> Found:
    """Return what the database holds. Raises ForeignDatabase for tables or a file of another program."""
    if connection.dialect.name == "sqlite":
        application_id = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
        if application_id not in (0, APPLICATION_ID):
            raise ForeignDatabase(
                f"{database} belongs to another program (application id {application_id:#010x})", hint=ANOTHER
            )
    tables = set(inspect(connection).get_table_names())
    if VERSION_TABLE in tables:
        revisions = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalars().all()
        if len(revisions) > 1:
            raise DatabaseUnusable(
                f"{database} claims several revisions: {', '.join(revisions)}", hint="restore a copy"
            )
        if revisions:
            return Found(str(revisions[0]))
        tables.discard(VERSION_TABLE)
    if tables:
        names = ", ".join(sorted(tables)[:5])
        raise ForeignDatabase(f"{database} holds tables of another program ({names})", hint=ANOTHER)
    return Found(None)


def configuration() -> Config:
    """Return Alembic's configuration; the migrations are a package, so no file is needed."""
    from alembic.config import Config  # noqa: PLC0415 (see REVISIONS)

    config = Config()
    config.set_main_option("script_location", MIGRATIONS)
    config.set_main_option("path_separator", "os")
    return config


def migrate(engine: Engine, target: str = "head", *, downgrade: bool = False) -> None:
    """Bring the database of ``engine`` (made ``for_migration``) to revision ``target``, in one transaction.

    Two processes that find the same empty database wait for each other; the second then finds nothing left to do.
    """
    from alembic import command  # noqa: PLC0415 (see REVISIONS)

    with engine.execution_options(**WRITE).begin() as connection:
        sqlite = connection.dialect.name == "sqlite"
        if not sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        config = configuration()
        config.attributes["connection"] = connection
        (command.downgrade if downgrade else command.upgrade)(config, target)
        if sqlite:
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
            if broken:
                raise DatabaseUnusable(
                    f"the migration to {target} would leave {len(broken)} rows without what they refer to; nothing was changed",
                    hint="run: bench db check",
                )
            connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")
