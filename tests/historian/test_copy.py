"""The binary COPY against PostgreSQL itself: what goes in comes out to the bit, and a cut frame is noticed."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings

from historian.frames import EPOCH_US, TRAILER, Rows, frame
from historian.pghash import hash_float8, hash_int4, hash_int8
from historian.verify import ledger_of
from tests.historian.test_rows import READINGS, Reading, columns, key
from tests.parts.postgres import Postgres

_TABLE = "(ts timestamptz NOT NULL, value float8 NOT NULL, sensor_id int4 NOT NULL, quality int2 NOT NULL)"
_BITS = "SELECT (extract(epoch FROM ts) * 1000000)::int8, float8send(value), sensor_id, quality FROM"


@pytest.fixture(scope="module")
def conn(postgres: Postgres) -> Iterator[psycopg.Connection]:
    with postgres.fresh_database() as name, psycopg.connect(postgres.dsn(name), autocommit=True) as conn:
        conn.execute(f"CREATE TABLE binary_rows {_TABLE}".encode())
        conn.execute(f"CREATE TABLE text_rows {_TABLE}".encode())
        conn.execute("CREATE UNIQUE INDEX ON binary_rows (sensor_id, ts, value, quality)")
        yield conn


def copied(conn: psycopg.Connection, rows: Rows, table: str = "binary_rows") -> None:
    with conn.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN (FORMAT binary)".encode()) as copy:
        for piece in frame(rows).slices():
            copy.write(piece)


def literal(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return repr(value).replace("inf", "Infinity")


def once(readings: list[Reading]) -> list[Reading]:
    """The first reading of each key."""
    return list({key(*r): r for r in reversed(readings)}.values())


@given(READINGS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_binary_and_text_say_the_same(conn: psycopg.Connection, readings: list[Reading]) -> None:
    rows = once(readings)
    conn.execute("TRUNCATE binary_rows, text_rows")
    copied(conn, columns(rows))
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO text_rows VALUES ("
            "timestamptz '1970-01-01 00:00:00+00' + %s * interval '1 microsecond', %s::text::float8, %s, %s)",
            [(us, literal(value), sensor, quality) for us, value, sensor, quality in rows],
        )
    stored = sorted(conn.execute(f"{_BITS} binary_rows".encode()).fetchall())
    assert stored == sorted(conn.execute(f"{_BITS} text_rows".encode()).fetchall())
    assert stored == sorted(
        (us, struct.pack(">d", math.nan if math.isnan(value) else value), sensor, quality)
        for us, value, sensor, quality in rows
    )


@given(READINGS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hashes_are_those_of_the_server(conn: psycopg.Connection, readings: list[Reading]) -> None:
    rows = once(readings)
    conn.execute("TRUNCATE binary_rows")
    copied(conn, columns(rows))
    row = conn.execute(
        "SELECT count(*), coalesce(sum(hashfloat8extended(value, timestamp_hash_extended(ts AT TIME ZONE 'UTC', "
        "hashint4extended(sensor_id, quality::int8)))::numeric), 0)::text FROM binary_rows"
    ).fetchone()
    assert row is not None
    found = ledger_of(columns(readings))
    assert (found.rows, found.digest) == (row[0], int(row[1]) % (1 << 64))


def test_each_hash_alone(conn: psycopg.Connection) -> None:
    numbers = np.array([0, 1, -1, 2**31 - 1, -(2**31)], np.int64)
    floats = np.array([0.0, -0.0, 1.5, -1e300, math.nan])
    for seed in (0, 1, -1, 2**62 + 5):
        seeds = np.full(5, seed, np.int64).view(np.uint64)
        for column, name, found in (
            (numbers.tolist(), "hashint4extended(x::int4, %s)", hash_int4(numbers.astype(np.int32), seeds)),
            ((numbers * 3**20).tolist(), "hashint8extended(x::int8, %s)", hash_int8(numbers * 3**20, seeds)),
            (floats.tolist(), "hashfloat8extended(x::float8, %s)", hash_float8(floats, seeds)),
        ):
            query = f"SELECT {name} FROM unnest(%s::float8[]) WITH ORDINALITY u (x, n) ORDER BY n"
            if "int" in name:
                query = query.replace("float8[]", "int8[]")
            expected = [row[0] for row in conn.execute(query.encode(), (seed, column)).fetchall()]
            assert found.view(np.int64).tolist() == expected, (name, seed)


def test_a_frame_without_its_end_is_taken_all_the_same(conn: psycopg.Connection) -> None:
    """Why the trailer has a test: PostgreSQL does not miss it, so neither would anybody else."""
    conn.execute("TRUNCATE binary_rows")
    pieces = list(frame(columns([(EPOCH_US, 1.0, 1, 0)])).slices())
    assert pieces[-1] == TRAILER
    with conn.cursor() as cursor, cursor.copy("COPY binary_rows FROM STDIN (FORMAT binary)") as copy:
        for piece in pieces[:-1]:
            copy.write(piece)
    assert conn.execute("SELECT count(*) FROM binary_rows").fetchone() == (1,)


def test_half_a_row_is_refused_whole(conn: psycopg.Connection) -> None:
    conn.execute("TRUNCATE binary_rows")
    header, body, _ = frame(columns([(EPOCH_US, 1.0, 1, 0), (EPOCH_US, 2.0, 1, 0)])).slices()
    with (
        pytest.raises(psycopg.errors.BadCopyFileFormat),
        conn.cursor() as cursor,
        cursor.copy("COPY binary_rows FROM STDIN (FORMAT binary)") as copy,
    ):
        copy.write(header)
        copy.write(body[:-3])
    assert conn.execute("SELECT count(*) FROM binary_rows").fetchone() == (0,)


def test_nan_and_both_zeros_are_one_key(conn: psycopg.Connection) -> None:
    for pair in ((math.nan, -math.nan), (0.0, -0.0)):
        conn.execute("TRUNCATE binary_rows")
        with pytest.raises(psycopg.errors.UniqueViolation):
            copied(conn, columns([(EPOCH_US, value, 1, 0) for value in pair]))
