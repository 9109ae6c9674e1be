"""The TimescaleDB of the tests behaves towards psycopg like a server: what our code relies on, one probe each."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import errors
from psycopg.rows import scalar_row

from tests.parts.timescale import Timescale, TimescaleServer, fresh_schema

T0 = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def conn(timescale_database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(timescale_database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def other(timescale_database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(timescale_database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def readings(conn: psycopg.Connection) -> psycopg.Connection:
    """A connection to a schema with a hypertable `r` of 3 sensors, one reading a second, for 2 hours."""
    conn.execute("CREATE TABLE r (ts timestamptz NOT NULL, value float8, sensor int4, UNIQUE (sensor, ts))")
    conn.execute("SELECT create_hypertable('r', by_range('ts', INTERVAL '1 hour'))")
    conn.execute(
        "INSERT INTO r SELECT %s + n * INTERVAL '1 s', n, s FROM generate_series(0, 7199) n, generate_series(1, 3) s",
        (T0,),
    )
    return conn


def one(conn: psycopg.Connection, sql: str, *args: object) -> object:
    return conn.cursor(row_factory=scalar_row).execute(sql, args).fetchone()


def test_hypertable_compression_and_late_rows(readings: psycopg.Connection) -> None:
    readings.execute("ALTER TABLE r SET (timescaledb.compress, timescaledb.compress_segmentby = 'sensor')")
    assert one(readings, "SELECT count(compress_chunk(c)) FROM show_chunks('r') c") == 2
    assert one(readings, "SELECT count(*) FROM r") == 21600
    with readings.cursor() as cursor, cursor.copy("COPY r FROM STDIN") as copy:
        copy.write_row((T0 + timedelta(milliseconds=500), 0.5, 1))
    assert one(readings, "SELECT count(*) FROM r") == 21601
    with pytest.raises(errors.UniqueViolation), readings.cursor() as cursor, cursor.copy("COPY r FROM STDIN") as copy:
        copy.write_row((T0, 0.0, 1))


def test_continuous_aggregate_and_retention(readings: psycopg.Connection) -> None:
    readings.execute(
        "CREATE MATERIALIZED VIEW m WITH (timescaledb.continuous) AS "
        "SELECT time_bucket('1 minute', ts) AS minute, sensor, avg(value), count(*) AS n FROM r GROUP BY 1, 2 "
        "WITH NO DATA"
    )
    readings.execute("CALL refresh_continuous_aggregate('m', NULL, NULL)")
    assert one(readings, "SELECT count(*) FROM m WHERE n = 60") == 360
    job = one(readings, "SELECT add_retention_policy('r', INTERVAL '1 hour')")
    readings.execute("CALL run_job(%s)", (job,))
    assert one(readings, "SELECT count(*) FROM show_chunks('r')") == 0
    assert one(readings, "SELECT count(*) FROM m") == 360


@pytest.mark.parametrize("form", ["text", "csv", "binary"])
def test_copy_of_much_data(conn: psycopg.Connection, form: str) -> None:
    rows = [(n, f"row {n} " + "x" * 60) for n in range(20000)]
    conn.execute("CREATE TABLE t (n int4, s text)")
    with conn.cursor() as cursor, cursor.copy(f"-- a comment first\nCOPY t FROM STDIN (FORMAT {form})") as copy:
        if form == "binary":
            copy.set_types(["int4", "text"])
        for n, s in rows:
            if form == "csv":
                copy.write(f"{n},{s}\n")
            else:
                copy.write_row((n, s))
    assert conn.execute("SELECT n, s FROM t ORDER BY n").fetchall() == rows
    with conn.cursor() as cursor, cursor.copy("COPY t TO STDOUT") as out:
        assert sum(1 for _ in out.rows()) == len(rows)


def test_a_failed_copy_leaves_a_usable_connection(conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE t (n int4 UNIQUE)")
    for bad in ("1\n1\n", "not a number\n"):
        with pytest.raises(psycopg.Error), conn.cursor() as cursor, cursor.copy("COPY t FROM STDIN") as copy:
            copy.write(bad)
        assert one(conn, "SELECT count(*) FROM t") == 0
    with pytest.raises(ZeroDivisionError), conn.cursor() as cursor, cursor.copy("COPY t FROM STDIN") as copy:
        copy.write("1\n")
        raise ZeroDivisionError
    assert one(conn, "SELECT count(*) FROM t") == 0
    with pytest.raises(errors.UndefinedTable), conn.cursor() as cursor, cursor.copy("COPY nowhere FROM STDIN") as copy:
        copy.write("1\n")
    assert one(conn, "SELECT 1") == 1


def test_large_parameters_pipelines_and_batches(conn: psycopg.Connection) -> None:
    large = "y" * 300_000
    assert one(conn, "SELECT length(%s)", large) == 300_000
    assert one(conn, "SELECT %s::text", large) == large
    conn.execute("CREATE TABLE t (n int4)")
    with conn.pipeline():
        for n in range(2000):
            conn.execute("INSERT INTO t VALUES (%s)", (n,))
    conn.cursor().executemany("INSERT INTO t VALUES (%s)", [(n,) for n in range(2000)])
    assert one(conn, "SELECT count(*) FROM t") == 4000
    with conn.transaction(), conn.cursor("named") as cursor:
        assert len(cursor.execute("SELECT n FROM t").fetchmany(1500)) == 1500


def test_an_error_ends_its_transaction_only(conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE t (n int4)")
    with pytest.raises(errors.DivisionByZero), conn.transaction():
        conn.execute("INSERT INTO t VALUES (1)")
        conn.execute("SELECT 1 / 0")
    with conn.transaction():
        with pytest.raises(errors.UndefinedColumn), conn.transaction():
            conn.execute("SELECT nothing")
        conn.execute("INSERT INTO t VALUES (2)")
    assert one(conn, "SELECT sum(n) FROM t") == 2


def test_settings_and_roles_are_each_connections_own(conn: psycopg.Connection, other: psycopg.Connection) -> None:
    conn.execute("SET timezone TO 'Asia/Shanghai'")
    conn.execute("SET search_path TO pg_catalog, public")
    assert str(conn.info.timezone) == "Asia/Shanghai"
    assert str(other.info.timezone) == "UTC"
    shown = datetime(2026, 1, 1, 8, tzinfo=UTC)
    assert one(conn, "SELECT %s::timestamptz::text", shown) == "2026-01-01 16:00:00+08"
    assert one(other, "SELECT %s::timestamptz::text", shown) == "2026-01-01 08:00:00+00"
    assert one(other, "SHOW search_path") != one(conn, "SHOW search_path")
    conn.execute("SET ROLE pg_read_all_data")
    assert (one(conn, "SELECT current_user"), one(other, "SELECT current_user")) == ("pg_read_all_data", "postgres")
    assert one(conn, "SELECT current_user") == "pg_read_all_data"
    began = one(other, "SHOW search_path")
    conn.execute("RESET ALL")
    assert one(conn, "SHOW enable_seqscan") == "on"
    assert one(conn, "SHOW search_path") == began
    assert str(conn.info.timezone) == "UTC"


def test_prepared_statements_are_each_connections_own(conn: psycopg.Connection, other: psycopg.Connection) -> None:
    for _ in range(3):
        assert conn.execute("SELECT 'mine', %s", ("a",), prepare=True).fetchone() == ("mine", "a")
        assert other.execute("SELECT %s, 'theirs', 2", ("b",), prepare=True).fetchone() == ("b", "theirs", 2)
    conn.execute("DEALLOCATE ALL")
    assert other.execute("SELECT %s, 'theirs', 2", ("c",), prepare=True).fetchone() == ("c", "theirs", 2)


def test_a_transaction_of_another_connection_is_waited_for(conn: psycopg.Connection, other: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE t (n int4)")
    seen: list[object] = []
    with conn.transaction():
        conn.execute("INSERT INTO t VALUES (1)")
        reader = threading.Thread(target=lambda: seen.append(one(other, "SELECT sum(n) FROM t")))
        reader.start()
        conn.execute("INSERT INTO t VALUES (2)")
    reader.join()
    assert seen == [3]


def test_a_client_that_dies_in_a_transaction_is_rolled_back(conn: psycopg.Connection, timescale_database: str) -> None:
    conn.execute("CREATE TABLE t (n int4)")
    dying = psycopg.connect(timescale_database)
    dying.execute("INSERT INTO t VALUES (1)")
    with socket.socket(fileno=dying.pgconn.socket) as raw:
        raw.shutdown(socket.SHUT_RDWR)
        assert one(conn, "SELECT count(*) FROM t") == 0
        raw.detach()


def test_notifications_reach_other_connections(conn: psycopg.Connection, other: psycopg.Connection) -> None:
    other.execute("LISTEN news")
    conn.execute("NOTIFY news, 'it works'")
    assert [n.payload for n in other.notifies(timeout=10, stop_after=1)] == ["it works"]


async def test_async_connections_work_alike(timescale_database: str) -> None:
    async with await psycopg.AsyncConnection.connect(timescale_database, autocommit=True) as conn:
        await conn.execute("CREATE TABLE t (n int4)")
        async with conn.cursor() as cursor, cursor.copy("COPY t (n) FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["int4"])
            await copy.write_row((7,))
        assert await (await conn.execute("SELECT n FROM t")).fetchone() == (7,)


def test_nothing_of_a_schema_outlives_it(timescale: Timescale) -> None:
    with fresh_schema(timescale) as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE r (ts timestamptz NOT NULL)")
        conn.execute("SELECT create_hypertable('r', by_range('ts'))")
        schema = one(conn, "SELECT current_schema()")
    with psycopg.connect(timescale.dsn(), autocommit=True) as conn:
        count = "SELECT count(*) FROM timescaledb_information.hypertables WHERE hypertable_schema = %s"
        assert one(conn, count, schema) == 0


@pytest.mark.part("timescaledb")
def test_data_on_disk_survives_a_kill() -> None:
    with TimescaleServer(durable=True) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as conn:
            conn.execute("CREATE TABLE r (ts timestamptz NOT NULL)")
            conn.execute("SELECT create_hypertable('r', by_range('ts'))")
            conn.execute("INSERT INTO r VALUES (%s)", (T0,))
        server.kill9()
        server.start()
        with psycopg.connect(server.dsn(), autocommit=True) as conn:
            assert one(conn, "SELECT count(*) FROM r") == 1
        server.restart()
        with psycopg.connect(server.dsn(), autocommit=True) as conn:
            assert one(conn, "SELECT count(*) FROM r") == 1


@pytest.mark.part("timescaledb")
def test_a_session_kept_too_long_is_a_clean_error() -> None:
    with (
        TimescaleServer(wait_ms=200) as server,
        psycopg.connect(server.dsn()) as holder,
        psycopg.connect(server.dsn(), autocommit=True) as waiter,
    ):
        holder.execute("SELECT 1")
        with pytest.raises(errors.LockNotAvailable, match="another connection holds"):
            waiter.execute("SELECT 1")
        holder.commit()
        assert one(waiter, "SELECT 1") == 1
