"""Opening databases: new, ours, older, newer, somebody else's, broken."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, inspect, text

from bench.errors import (
    ConfigurationError,
    DatabaseUnusable,
    ForeignDatabase,
)
from bench.store import Store, open_store, schema
from bench.store.engine import parse_url
from tests.store.store_samples import a_run, execute

# --- what is not ours ------------------------------------------------------------------------------------------------


def test_tables_of_another_program_are_left_alone(url: str, engine: Engine) -> None:
    execute(engine, "CREATE TABLE alembic_version (version_num TEXT)", "CREATE TABLE invoices (id INTEGER)")
    with pytest.raises(ForeignDatabase, match=r"tables of another program \(alembic_version, invoices\)") as caught:
        open_store(url)
    assert "BENCH_DB" in caught.value.hint
    assert set(inspect(engine).get_table_names()) == {"alembic_version", "invoices"}


def test_opening_a_foreign_file_does_not_change_it(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA application_id=7")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(ForeignDatabase, match="application id 0x00000007"):
        open_store(str(path))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "lut.csv"
    path.write_text("schema_version,source\n" * 100)
    with pytest.raises(ForeignDatabase, match=r"lut\.csv is not an SQLite database"):
        open_store(str(path))
    assert path.read_text() == "schema_version,source\n" * 100


def test_a_restored_dump_is_ours(sqlite_url: str, tmp_path: Path) -> None:
    with open_store(sqlite_url) as store:
        store.repository.record(a_run())
    source, copy = sqlite3.connect(parse_url(sqlite_url).database or ""), sqlite3.connect(tmp_path / "copy.db")
    copy.executescript("\n".join(source.iterdump()))
    source.close()
    copy.close()
    with open_store(str(tmp_path / "copy.db")) as store:
        assert "application id" in store.check().problems[0]
        store.upgrade()
        assert store.check().problems == ()
        assert store.repository.counts().accepted == 1


# --- what cannot be used ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text_", "message"),
    [
        ("", "no name"),
        ("mysql://bench@host/db", "'mysql' are not supported"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("postgresql://host:port/db", "not a database URL"),
    ],
)
def test_bad_urls(text_: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        open_store(text_)
    assert "sqlite:///FILE" in caught.value.hint


def test_url_forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        parse_url("postgresql://u@h/d").drivername == parse_url("postgres://u@h/d").drivername == "postgresql+psycopg"
    )
    assert parse_url("measurements.db") == parse_url("sqlite:///measurements.db")
    assert parse_url("sqlite:////var/lib/m.db").database == "/var/lib/m.db"
    monkeypatch.setenv("HOME", str(tmp_path))
    open_store("~/measurements.db").close()
    assert (tmp_path / "measurements.db").exists()


def test_no_password_in_messages() -> None:
    with pytest.raises(DatabaseUnusable) as caught:
        open_store("postgresql://bench:secret@127.0.0.1:1/measurements")
    assert "secret" not in f"{caught.value} {caught.value.hint} {caught.value.detail}"
    assert "cannot be reached" in caught.value.message
    assert "server runs" in caught.value.hint


def test_a_postgresql_database_that_does_not_exist(postgresql_server: Path) -> None:
    with pytest.raises(DatabaseUnusable, match="does not exist") as caught:
        open_store(f"postgresql://bench@/nowhere?host={postgresql_server}")
    assert "createdb" in caught.value.hint
    with pytest.raises(DatabaseUnusable, match="refuses the login"):
        open_store(f"postgresql://stranger@/nowhere?host={postgresql_server}")


def test_a_postgresql_schema_without_rights(postgresql_url: str, engine: Engine) -> None:
    del engine
    plain = create_engine(parse_url(postgresql_url))
    execute(plain, "DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN")
    with pytest.raises(DatabaseUnusable, match="does not allow this") as caught:
        open_store(postgresql_url.replace("bench@", "guest@"))
    assert "grant" in caught.value.hint
    execute(plain, "DROP ROLE guest")
    plain.dispose()


def test_missing_places(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnusable, match="there is no directory") as caught:
        open_store(str(tmp_path / "results" / "m.db"))
    assert "mkdir -p" in caught.value.hint
    with pytest.raises(DatabaseUnusable, match="is a directory"):
        open_store(str(tmp_path))
    with pytest.raises(DatabaseUnusable, match="there is no database") as missing:
        open_store(str(tmp_path / "m.db"), create=False)
    assert "bench run" in missing.value.hint
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_an_empty_database(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    path.touch()
    with pytest.raises(DatabaseUnusable, match="nothing was measured yet"):
        open_store(str(path), create=False)
    with open_store(str(path)) as store:
        assert store.check().problems == ()


def test_a_directory_without_rights(tmp_path: Path, as_nobody: Callable[[Path], None]) -> None:
    tmp_path.chmod(0o555)
    as_nobody(tmp_path)
    with pytest.raises(DatabaseUnusable, match="is not writable") as caught:
        open_store("m.db")
    assert "BENCH_DB" in caught.value.hint


def test_a_file_without_rights(tmp_path: Path, as_nobody: Callable[[Path], None]) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "m.db").touch(mode=0)
    (tmp_path / "closed").mkdir(mode=0)
    as_nobody(tmp_path)
    with pytest.raises(DatabaseUnusable, match="may not be read"):
        open_store("m.db")
    with pytest.raises(DatabaseUnusable, match=r"closed/m\.db cannot be reached: Permission denied"):
        open_store("closed/m.db")
    with pytest.raises(DatabaseUnusable, match="cannot be reached: Not a directory"):
        open_store("m.db/m.db")


def test_a_read_only_database_is_read_but_not_written(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    with open_store(str(path)) as store:
        store.repository.record(a_run())
    with open_store(f"sqlite:///file:{path}?mode=ro&uri=true", create=False) as store:
        assert store.repository.counts().accepted == 1
        with pytest.raises(DatabaseUnusable, match="is read-only") as caught:
            store.repository.record(a_run())
        assert "write permission" in caught.value.hint


def test_a_locked_database(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    with open_store(str(path), busy_timeout_s=0) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnusable, match="locked by another process") as caught:
            store.repository.record(a_run())
        assert "other bench" in caught.value.hint
        assert store.repository.counts().accepted == 0  # reading goes on
        other.execute("ROLLBACK")
        other.close()
        store.repository.record(a_run())


def test_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    with open_store(str(path)) as store:
        for minutes in range(20):
            store.repository.record(a_run(minutes=minutes))
    content = bytearray(path.read_bytes())
    for page in range(4096, len(content), 4096):
        content[page : page + 100] = b"\xff" * 100
    path.write_bytes(content)
    with pytest.raises(DatabaseUnusable, match="is damaged") as caught:
        open_store(str(path)).repository.counts()
    assert "recover" in caught.value.hint


# --- check -----------------------------------------------------------------------------------------------------------


def test_a_sound_database(store: Store) -> None:
    store.repository.record(a_run())
    report = store.check()
    assert report.problems == ()
    assert report.revision == report.newest_revision == schema.REVISIONS[-1]
    assert report.counts is not None
    assert report.counts.accepted == 1
    assert report.ok
    assert report.lines()[1:] == [
        "1 accepted and 0 rejected runs of 1 points on 1 stations, 1 images, 1 traces",
        "sound",
    ]


def test_check_finds_what_others_did(store: Store, engine: Engine) -> None:
    store.repository.record(a_run())
    execute(
        engine,
        "DELETE FROM uncertainty_term",
        "DELETE FROM result",
        "DELETE FROM current_window WHERE kind = 'idle'",
        "INSERT INTO station (id, name, source, board, mcu, core) VALUES (99, 'x', 'virtual', 'x', 'x', 'x')",
    )
    assert not store.check().ok
    assert "problem: 1 accepted runs without a result" in store.check().lines()
    assert store.check().problems == (
        "1 accepted runs without a result",
        "1 energy runs without both current windows",
        "1 stations without a point",
    )


def test_check_finds_broken_references(sqlite_url: str) -> None:
    with open_store(sqlite_url) as store:
        store.repository.record(a_run())
        plain = create_engine(parse_url(sqlite_url))  # keys are off by default in SQLite
        execute(plain, "DELETE FROM image")
        plain.dispose()
        assert any("of run refers to a missing row of image" in problem for problem in store.check().problems)


def test_references_are_enforced(store: Store) -> None:
    store.repository.record(a_run())
    with pytest.raises(Exception, match=r"(?i)foreign key"), store._engine.begin() as connection:
        connection.execute(text("DELETE FROM image"))


def test_sqlite_is_set_up_for_many_readers_and_one_writer(sqlite_url: str) -> None:
    with open_store(sqlite_url, busy_timeout_s=7) as store, store._engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys", "application_id")
        }
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 1,
        "busy_timeout": 7000,
        "foreign_keys": 1,
        "application_id": schema.APPLICATION_ID,
    }
