"""Migrations: what they create, how a database moves between revisions, and that nothing is half done."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect

from bench.errors import (
    BenchError,
    DatabaseUnusable,
    FutureRevision,
    OutdatedRevision,
)
from bench.store import Store, migrations, open_store, schema
from bench.store.models import Base
from tests.store.store_samples import a_run

NEWEST = schema.REVISIONS[-1]


def difference(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": schema.VERSION_TABLE, "compare_type": True}
        )
        return list(compare_metadata(context, Base.metadata))


def test_the_models_are_what_the_migrations_create(store: Store, engine: Engine) -> None:
    assert difference(engine) == []
    assert store.revision() == schema.REVISIONS[-1]


def test_every_migration_goes_down_and_up_again(store: Store, engine: Engine) -> None:
    store.migrate("base", downgrade=True)
    assert set(inspect(engine).get_table_names()) <= {schema.VERSION_TABLE}
    for revision in schema.REVISIONS:
        store.migrate(revision)
        assert store.revision() == revision
    assert difference(engine) == []
    store.repository.record(a_run())


def test_the_revisions_named_are_the_migrations_there_are() -> None:
    scripts = ScriptDirectory.from_config(schema.configuration())
    assert tuple(script.revision for script in reversed(list(scripts.walk_revisions()))) == schema.REVISIONS


def next_revision(monkeypatch: pytest.MonkeyPatch, directory: Path, body: str) -> None:
    """Pretend that this bench has one more revision, whose upgrade is ``body``."""
    copy = directory / "migrations"
    shutil.copytree(Path(migrations.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    lines = (
        "import sqlalchemy as sa\nfrom alembic import op\n"
        f"revision = 'next'\ndown_revision = {schema.REVISIONS[-1]!r}\nbranch_labels = depends_on = None\n"
        f"def upgrade():\n    {body}\ndef downgrade():\n    pass\n"
    )
    (copy / "versions" / "rev_next.py").write_text(lines)
    monkeypatch.setattr(schema, "MIGRATIONS", str(copy))
    monkeypatch.setattr(schema, "REVISIONS", (*schema.REVISIONS, "next"))


def test_an_older_database_is_upgraded_only_when_asked(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(url) as store:
        number = store.repository.record(a_run())
    with monkeypatch.context() as newer:
        body = "with op.batch_alter_table('run') as batch: batch.add_column(sa.Column('note', sa.Text()))"
        next_revision(newer, tmp_path, body)
        with pytest.raises(OutdatedRevision, match=f"older bench.*{NEWEST}.*next") as caught:
            open_store(url)
        assert "bench db upgrade" in caught.value.hint
        with open_store(url, any_revision=True) as store:
            assert "bench db upgrade" in store.check().problems[0]
            done = store.upgrade()
            assert (done.before, done.after, store.revision()) == (NEWEST, "next", "next")
            assert store.upgrade().before == "next"  # again does no harm
        with open_store(url) as store:
            assert store.repository.run(number, trace=True) == a_run()
            assert store.check().problems == ()
    with pytest.raises(FutureRevision, match=f"newer bench.*next.*{NEWEST}") as future:
        open_store(url)
    assert "BENCH_DB" in future.value.hint
    with pytest.raises(FutureRevision):
        open_store(url, any_revision=True)


def test_an_older_database_without_runs_is_upgraded_at_once(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(url).close()
    next_revision(monkeypatch, tmp_path, "op.create_table('more', sa.Column('id', sa.Integer(), primary_key=True))")
    with open_store(url) as store:
        assert store.revision() == "next"


def test_a_migration_that_fails_changes_nothing(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(url) as store:
        store.repository.record(a_run())
    next_revision(
        monkeypatch, tmp_path, "op.add_column('run', sa.Column('note', sa.Text())); op.execute('SELECT * FROM nowhere')"
    )
    with open_store(url, any_revision=True) as store:
        with pytest.raises(DatabaseUnusable, match="nowhere"):
            store.upgrade()
        assert store.revision() == NEWEST
        assert store.repository.counts().accepted == 1


def test_a_migration_that_orphans_rows_is_undone(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(sqlite_url) as store:
        store.repository.record(a_run())
    next_revision(monkeypatch, tmp_path, "op.execute('DELETE FROM point')")
    with open_store(sqlite_url, any_revision=True) as store:
        with pytest.raises(DatabaseUnusable, match="would leave 1 rows without what they refer to"):
            store.upgrade()
        assert store.repository.counts().points == 1


def test_two_processes_may_create_one_database(url: str) -> None:
    outcomes: list[object] = []

    def create() -> None:
        try:
            with open_store(url) as store:
                outcomes.append(store.repository.record(a_run()))
        except BenchError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, outcomes)) == [str(number) for number in range(1, 9)]
