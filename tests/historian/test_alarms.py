"""Alarms, transitions, notices, receipts and tags in their tables."""

from __future__ import annotations

import time
from datetime import timedelta
from itertools import permutations
from pathlib import Path

import pytest
from msgspec.structs import replace

from eventlog.port import Record
from historian.alarms import AlarmsSink, Entry
from historian.line import Line
from historian.sink import Unreadable, Written
from historian.sqlfiles import queries
from schemas.alarms import Change, ReceiptKind, State
from schemas.records import Kind, Tick, encode, kind_of
from schemas.registry import Measure, Park, Revision, Struct, Tag
from schemas.text import Text
from schemas.time import DAY, SECOND
from tests.historian.rig import (
    alarm,
    append,
    embedded_log,
    migrated,
    notice,
    receipt,
    rows,
    running,
    story,
    transition,
    until_stored,
    writer_of,
)

LIFE = [
    (Change.RAISE, State.UNACKNOWLEDGED),
    (Change.RISE, State.UNACKNOWLEDGED),
    (Change.ACKNOWLEDGE, State.ACKNOWLEDGED),
    (Change.RETURN, State.NORMAL),
]


def record(payload: Struct, offset: int = 0, topic: str = "alarms") -> Record:
    return Record(topic, 0, offset, 1, b"k", kind_of(payload), encode(payload))


def entries(*payloads: Struct) -> list[Entry]:
    found = [AlarmsSink().item(record(payload, offset)) for offset, payload in enumerate(payloads)]
    return [entry for entry in found if entry is not None]


async def write(line: Line, *payloads: Struct, careful: bool = False) -> Written:
    async with line.conn.transaction():
        return await AlarmsSink().write(line.conn, entries(*payloads), careful=careful)


async def test_the_row_of_an_alarm_only_moves_forward(either_database: str) -> None:
    transitions = story("e-1", 1_700_000_000 * SECOND, LIFE[:3])
    async with migrated(either_database) as (line, _):
        for order in permutations(transitions):
            await line.conn.execute("TRUNCATE alarms, alarm_transitions")
            for one in order:
                await write(line, one)
                await write(line, one)
            found = await (await line.conn.execute("SELECT revision, state FROM alarms")).fetchall()
            assert found == [(3, "acknowledged")]
            stored = await (
                await line.conn.execute("SELECT revision, change, body::text FROM alarm_transitions ORDER BY 1")
            ).fetchall()
            assert [(r, c) for r, c, _ in stored] == [(1, "raise"), (2, "rise"), (3, "acknowledge")]


async def test_columns_and_body_hold_the_complete_alarm(either_database: str) -> None:
    whole = alarm(acknowledged_by="chen", acknowledged_ns=1_700_000_005 * SECOND + 123_456_789, peak_tier=1)
    async with migrated(either_database) as (line, _):
        await write(line, transition(whole))
        (found,) = await (
            await line.conn.execute(
                "SELECT tier, peak_tier, limit_value, park, text_zh, acknowledged_by, returned_at, "
                "(extract(epoch FROM acknowledged_at) * 1000000)::int8, body->>'acknowledged_ns' FROM alarms"
            )
        ).fetchall()
    assert found == (2, 1, 34.3, "demo", "一氧化碳高", "chen", None, 1_700_000_005_123_456, "1700000005123456789")


async def test_messages_and_what_became_of_them(either_database: str) -> None:
    first = notice("n-1", alarm())
    async with migrated(either_database) as (line, _):
        for _ in range(2):
            await write(line, receipt("n-1", ReceiptKind.TRYING), first, receipt("n-1", ReceiptKind.ACCEPTED))
        await write(line, receipt("n-1", ReceiptKind.TRYING, attempt=2))
        found = await (await line.conn.execute("SELECT attempt, kind FROM receipts ORDER BY 1, 2")).fetchall()
        assert found == [(1, "accepted"), (1, "trying"), (2, "trying")]
        assert await (await line.conn.execute("SELECT id, channel FROM notices")).fetchall() == [("n-1", "duty")]


async def test_text_that_postgresql_cannot_hold(database: str) -> None:
    """NUL is replaced; what cannot be replaced is refused alone and written down, and the rest is stored."""
    ugly = replace(transition(alarm("e-1", comment="a\0b", text=Text(zh="\\u0000", en="\0"))), actor="\0")
    impossible = transition(alarm("e-2", level=1 << 40))
    fine = transition(alarm("e-3"))
    async with migrated(database) as (line, _):
        await write(line, ugly)
        (found,) = await (
            await line.conn.execute("SELECT comment, text_en, body->'text'->>'zh', body->>'comment' FROM alarms")
        ).fetchall()
        assert found == ("a\ufffdb", "\ufffd", "\\u0000", "a\ufffdb")
        written = await write(line, impossible, fine, careful=True)
        assert [(r.source.topic, r.offset) for r in written.refused] == [("alarms", 0)]
        assert (await (await line.conn.execute("SELECT count(*) FROM alarms")).fetchone()) == (2,)


async def test_a_refused_record_becomes_a_gap_and_stops_nothing(database: str, tmp_path: Path) -> None:
    async with embedded_log(tmp_path) as log:
        writer = writer_of(log, database)
        async with running(writer):
            await append(log, "alarms", transition(alarm("e-1")), transition(alarm("e-2", tier=1 << 20)))
            await append(log, "alarms", transition(alarm("e-3")))
            await until_stored(writer, log)
        assert writer.status().lanes["alarms"].skipped == 1
    gaps = await rows(database, "SELECT topic, from_offset, to_offset, reason FROM history_gaps")
    assert gaps == [("alarms", 1, 2, "refused")]
    assert await rows(database, "SELECT episode FROM alarms ORDER BY 1") == [("e-1",), ("e-3",)]


async def test_an_alarm_is_in_the_table_within_a_second(database: str, tmp_path: Path) -> None:
    async with embedded_log(tmp_path) as log:
        writer = writer_of(log, database)
        async with running(writer):
            await append(log, "alarms", transition(alarm("e-0")))
            await until_stored(writer, log)
            waits = []
            for index in range(1, 6):
                before = time.monotonic()
                await append(log, "alarms", transition(alarm(f"e-{index}")))
                while await rows(database, "SELECT count(*) FROM alarms") != [(index + 1,)]:
                    pass
                waits.append(time.monotonic() - before)
        assert min(waits) < 1.0


def tag(number: int, name: str, **changes: object) -> Tag:
    return replace(
        Tag(
            number=number, name=name, enterprise="metal", measure=Measure.GAS, unit="ppm", title=Text(zh="炉前", en="x")
        ),
        **changes,
    )


def revision(number: int, *tags: Tag) -> Revision:
    return Revision(number=number, parks=(Park(id="demo"),), tags=tags)


async def test_tags_follow_the_newest_revision(either_database: str) -> None:
    async with migrated(either_database) as (line, _):
        await write(line, revision(2, tag(1, "CO-101"), tag(2, "CO-102")))
        await write(line, revision(3, tag(1, "CO-101A", unit="mg/m3"), tag(2, "CO-102", retired=True)))
        await write(line, revision(2, tag(1, "CO-101"), tag(2, "CO-102")))
        found = await (
            await line.conn.execute("SELECT number, name, unit, retired, revision, title_zh FROM tags ORDER BY 1")
        ).fetchall()
    assert found == [(1, "CO-101A", "mg/m3", False, 3, "炉前"), (2, "CO-102", "ppm", True, 3, "炉前")]


def test_what_is_not_for_the_history_is_left_alone() -> None:
    assert AlarmsSink().item(record(Tick(), topic="events")) is None
    with pytest.raises(Unreadable):
        AlarmsSink().item(Record("alarms", 0, 0, 1, b"k", Kind.TRANSITION, b"{}"))


async def test_old_alarms_go_with_everything_that_hangs_on_them(either_database: str) -> None:
    now = time.time_ns()
    old, fresh = story("e-old", now - 40 * DAY, LIFE), story("e-new", now - 20 * DAY, LIFE)
    standing = story("e-standing", now - 400 * DAY, LIFE[:3])
    sql = queries("upkeep")
    async with migrated(either_database) as (line, _):
        await write(line, *old, *fresh, *standing)
        for one in (old[0], fresh[0], standing[0]):
            await write(line, notice("n-" + one.alarm.episode, one.alarm))
            await write(line, receipt("n-" + one.alarm.episode, ReceiptKind.ACCEPTED, at_ns=one.at_ns))
        await write(line, receipt("n-unknown", ReceiptKind.FAILED, at_ns=now - 40 * DAY))
        for statement in ("expire_alarms", "expire_orphans"):
            await line.conn.execute(sql[statement], {"keep": timedelta(days=30)})
        for query, expected in (
            ("SELECT episode FROM alarms ORDER BY 1", ["e-new", "e-standing"]),
            ("SELECT DISTINCT episode FROM alarm_transitions ORDER BY 1", ["e-new", "e-standing"]),
            ("SELECT id FROM notices ORDER BY 1", ["n-e-new", "n-e-standing"]),
            ("SELECT notice FROM receipts ORDER BY 1", ["n-e-new", "n-e-standing"]),
        ):
            found = await (await line.conn.execute(query.encode())).fetchall()
            assert [name for (name,) in found] == expected, query
