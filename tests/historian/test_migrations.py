"""Tables are made once, by one of many, and never silently from a changed file."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from historian import migrate as module
from historian.errors import HistoryRefused
from historian.migrate import Migration, migrate, migrations
from historian.storage import Storage, StorageKind, judged, settled
from tests.historian.rig import migrated, open_line, rows

TABLES = {
    "alarm_transitions",
    "alarms",
    "history_gaps",
    "log_positions",
    "notices",
    "readings",
    "receipts",
    "sensors",
    "storage",
    "tags",
}


async def test_the_tables_are_there_and_a_second_time_changes_nothing(either_database: str) -> None:
    async with migrated(either_database) as (line, storage):
        applied = await (await line.conn.execute("SELECT * FROM schema_migrations ORDER BY number")).fetchall()
        again = await migrate(line.conn)
        assert again == storage
        assert await (await line.conn.execute("SELECT * FROM schema_migrations ORDER BY number")).fetchall() == applied
        names = await (
            await line.conn.execute("SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace")
        ).fetchall()
        assert {name for (name,) in names} >= TABLES
        for view in ("readings_1m", "readings_1h"):
            columns = [d.name for d in (await line.conn.execute(f"SELECT * FROM {view}".encode())).description or ()]
            assert sorted(columns) == sorted(
                ["sensor_id", "bucket", "min", "max", "mean", "last", "total", "count", "good", "bad"]
            )


async def test_plain_postgresql_gets_native_storage_and_says_why(database: str) -> None:
    async with migrated(database) as (_, storage):
        assert storage.kind is StorageKind.NATIVE
        assert "not installed" in str(storage)


async def test_timescaledb_is_used_where_it_is(timescale_database: str) -> None:
    async with migrated(timescale_database) as (_, storage):
        assert storage.kind is StorageKind.TIMESCALE
        assert storage.extension


async def test_four_that_start_together_migrate_once(database: str) -> None:
    async def one() -> Storage:
        async with migrated(database) as (_, storage):
            return storage

    assert len(set(await asyncio.gather(*(one() for _ in range(4))))) == 1
    assert await rows(database, "SELECT count(*) FROM schema_migrations") == [(len(migrations(StorageKind.NATIVE)),)]


async def test_a_changed_file_is_refused(database: str) -> None:
    async with migrated(database) as (line, _):
        await line.conn.execute("UPDATE schema_migrations SET checksum = 'other' WHERE number = 1")
        with pytest.raises(HistoryRefused, match="migration 1 was applied"):
            await migrate(line.conn)


async def test_newer_migrations_than_ours_are_left_alone(database: str) -> None:
    """The program before the newest goes on working while a new one is rolled out."""
    async with migrated(database) as (line, storage):
        await line.conn.execute("INSERT INTO schema_migrations VALUES (9000, '9000_later.sql', 'x')")
        assert await migrate(line.conn) == storage


async def test_a_migration_that_fails_leaves_nothing(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = [*migrations(StorageKind.NATIVE), Migration(9, "0009_broken.sql", "CREATE TABLE half (x int); SELECT 1/0")]
    monkeypatch.setattr(module, "migrations", lambda kind: broken)
    async with open_line(database) as line:
        with pytest.raises(psycopg.errors.DivisionByZero) as caught:
            await migrate(line.conn)
        assert "0009_broken" in str(caught.value.__notes__)
    assert await rows(database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


def test_both_kinds_have_the_same_numbers_and_none_twice() -> None:
    native, timescale = ([m.number for m in migrations(kind)] for kind in (StorageKind.NATIVE, StorageKind.TIMESCALE))
    assert native == timescale == list(range(1, len(native) + 1))


def test_what_makes_a_timescaledb_enough() -> None:
    assert judged("18.1", "2.23.0-dev", "timescale").kind is StorageKind.TIMESCALE
    old = judged("15.1", "2.17.2", "timescale")
    assert (old.kind, "older than 2.18" in old.reason) == (StorageKind.NATIVE, True)
    apache = judged("18.1", "2.29.2", "apache")
    assert (apache.kind, "'apache'" in apache.reason) == (StorageKind.NATIVE, True)


def test_the_kind_of_a_database_stays() -> None:
    native = Storage(StorageKind.NATIVE, "18", "", "the extension timescaledb is not installed on this server")
    timescale = judged("18", "2.23.0", "timescale")
    assert settled(None, timescale) == timescale
    assert settled("native", timescale).kind is StorageKind.NATIVE
    with pytest.raises(HistoryRefused, match="not installed"):
        settled("timescale", native)
