"""The reader's answers on both storages, and its manners when the server has none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import numpy as np
import psycopg
import pytest

from historian.alarms import AlarmsSink
from historian.config import HistorianConfig
from historian.errors import HistoryBusy, HistoryUnavailable
from historian.line import Line
from historian.reader import Reader
from historian.rollups import Rollups
from historian.storage import Storage, StorageKind
from historian.views import AlarmFilter, Level, Place
from schemas.alarms import Change, ReceiptKind, State
from schemas.changes import AlarmClass
from schemas.changes import Place as Where
from schemas.time import DAY, HOUR, MINUTE, SECOND
from tests.historian.oracle import Row, expected, random_rows, sink_for, store
from tests.historian.rig import SystemClock, alarm, migrated, notice, open_line, receipt, story, transition
from tests.historian.test_alarms import entries
from tests.parts.net import eventually
from tests.parts.postgres import Postgres

END = Place(1 << 62)


@asynccontextmanager
async def reader_of(url: str, config: HistorianConfig | None = None) -> AsyncIterator[Reader]:
    reader = Reader(url, config or HistorianConfig(), SystemClock())
    try:
        yield reader
    finally:
        await reader.close()


@asynccontextmanager
async def filled(url: str, rows: list[Row]) -> AsyncIterator[tuple[Line, Storage]]:
    async with migrated(url) as (line, storage):
        sink = sink_for(storage)
        await sink.connected(line.conn)
        await store(line, sink, rows)
        if storage.kind is StorageKind.NATIVE:
            await Rollups().step(line.conn, time.time_ns() // 1000)  # what is older than the tables counts as late
        yield line, storage


async def write_alarms(line: Line, *payloads: object) -> None:
    async with line.conn.transaction():
        await AlarmsSink().write(line.conn, entries(*payloads), careful=False)  # type: ignore[arg-type]


def hour_ago() -> int:
    return time.time_ns() // HOUR * HOUR - HOUR


async def test_a_short_trend_shows_every_reading_where_it_is(either_database: str) -> None:
    start = hour_ago()
    rows: list[Row] = [((start + i * SECOND) // 1000 + 250_000, float(i), 1, 0) for i in range(60)]
    rows += [((start + i * SECOND) // 1000, -1.0, 2, 0) for i in range(60)]
    async with filled(either_database, rows), reader_of(either_database) as reader:
        trend = await reader.trend(1, start, start + MINUTE, 600)
        assert trend.level is Level.RAW
        assert [(b.at_ns, b.last) for b in trend.buckets] == [(us * 1000, v) for us, v, s, _ in rows if s == 1]
        half = await reader.trend(1, start + 10 * SECOND, start + 20 * SECOND, 600)
        assert [b.last for b in half.buckets] == [float(i) for i in range(10, 20)]
        assert (await reader.trend(3, start, start + MINUTE)).buckets == ()


@pytest.mark.parametrize(
    ("span_ns", "points", "level"),
    [(HOUR, 60, Level.MINUTES), (HOUR, 50, Level.MINUTES), (6 * HOUR, 6, Level.HOURS), (HOUR, 600, Level.RAW)],
)
async def test_trends_of_every_grain(either_database: str, span_ns: int, points: int, level: Level) -> None:
    """Whatever it is made from, a bucket says what its readings say."""
    rng = np.random.default_rng(points)
    start = hour_ago() - 6 * HOUR
    rows = [row for row in random_rows(rng, 3000, start // 1000, (start + span_ns) // 1000) if row[2] == 1]
    async with filled(either_database, rows), reader_of(either_database) as reader:
        trend = await reader.trend(1, start, start + span_ns, points)
        assert trend.level is level
        assert len(trend.buckets) <= points
        shifted = [(us - start // 1000, v, s, q) for us, v, s, q in rows]
        wanted = expected(shifted, trend.width_ns // 1000)
        width_us = trend.width_ns // 1000
        found = {(1, (b.at_ns - start) // 1000 // width_us * width_us): b for b in trend.buckets}
        assert found.keys() == wanted.keys()
        for place, bucket in found.items():
            rollup = wanted[place]
            assert (bucket.low, bucket.high, bucket.last) == (rollup.min, rollup.max, rollup.last)
            assert (bucket.count, bucket.good, bucket.bad) == (rollup.count, rollup.good, rollup.bad)
            assert bucket.mean == (rollup.mean if rollup.mean is None else pytest.approx(rollup.mean, rel=1e-9))
            assert (bucket.quality >= 128) == (bucket.bad > 0)


async def test_what_is_past_raw_retention_comes_from_rollups(database: str) -> None:
    async with migrated(database), reader_of(database) as reader:
        now = time.time_ns()
        for age_days, level in ((1, Level.RAW), (100, Level.MINUTES), (500, Level.HOURS)):
            start = now - age_days * DAY
            assert (await reader.trend(1, start, start + MINUTE, 60)).level is level


async def test_last_values(either_database: str) -> None:
    now = time.time_ns() // 1000
    rows: list[Row] = [(now - 5, 1.0, 1, 0), (now - 3, 2.0, 1, 128), (now - 4, 3.0, 2, 0), (now - 10**11, 4.0, 9, 0)]
    async with filled(either_database, rows), reader_of(either_database) as reader:
        found = [(v.tag, v.at_ns, v.value, v.quality) for v in await reader.last_values()]
        assert found == [
            (1, (now - 3) * 1000, 2.0, 128),
            (2, (now - 4) * 1000, 3.0, 0),
            (9, (now - 10**11) * 1000, 4.0, 0),
        ]
        assert [v.tag for v in await reader.last_values([2, 77])] == [2]
        assert await reader.last_values([]) == []


async def test_the_journal_page_by_page(either_database: str) -> None:
    now = time.time_ns() // SECOND * SECOND
    life = [(Change.RAISE, State.UNACKNOWLEDGED), (Change.ACKNOWLEDGE, State.ACKNOWLEDGED)]
    # Ten episodes begin at the same instant, so pages must break between entries of one time.
    stories = [one for index in range(10) for one in story(f"e-{index}", now - MINUTE, life)]
    async with migrated(either_database) as (line, _), reader_of(either_database) as reader:
        await write_alarms(line, *stories)
        whole = await reader.transitions(END, 100)
        assert whole == sorted(stories, key=lambda t: (t.at_ns, t.alarm.episode, t.alarm.revision), reverse=True)
        paged, place = [], END
        while page := await reader.transitions(place, 3):
            paged += page
            place = Place(page[-1].at_ns, *page[-1].key)
        assert paged == whole
        assert await reader.transitions(Place(now - MINUTE), 100) == []
        assert [t.key for t in await reader.transitions(END, 9, alarm="a-3")] == [("e-3", 2), ("e-3", 1)]
        assert len(await reader.transitions(END, 100, enterprise="metal")) == 20
        assert await reader.transitions(END, 100, enterprise="other") == []
        assert len(await reader.transitions(END, 100, start_ns=now - MINUTE + SECOND)) == 10


async def test_alarms_by_what_they_are(either_database: str) -> None:
    at = time.time_ns() // SECOND * SECOND
    park = Where(park="demo", enterprise="metal", hazard_source="foundry")
    made = [
        alarm(
            f"e-{index}",
            id=f"a-{index % 3}",
            raised_ns=at + index * SECOND,
            tag=index,
            peak_tier=1 + index % 4,
            alarm_class=AlarmClass.INSTRUMENT if index % 2 else AlarmClass.PROCESS,
            state=State.NORMAL if index % 5 == 0 else State.UNACKNOWLEDGED,
            place=park if index < 6 else Where(park="other"),
        )
        for index in range(12)
    ]
    async with migrated(either_database) as (line, _), reader_of(either_database) as reader:
        await write_alarms(line, *(transition(one) for one in made))
        for wanted, matches in (
            (AlarmFilter(), lambda a: True),
            (AlarmFilter(tiers=(1, 2)), lambda a: a.peak_tier <= 2),
            (AlarmFilter(classes=("instrument",)), lambda a: a.alarm_class == "instrument"),
            (AlarmFilter(listed_only=True), lambda a: a.state is not State.NORMAL),
            (AlarmFilter(park="demo", enterprise="metal", hazard_source="foundry"), lambda a: a.place.park == "demo"),
            (AlarmFilter(alarm="a-2"), lambda a: a.id == "a-2"),
            (AlarmFilter(tag=3), lambda a: a.tag == 3),
            (AlarmFilter(start_ns=at + 6 * SECOND), lambda a: a.raised_ns >= at + 6 * SECOND),
        ):
            found, place = [], END
            while page := await reader.alarms(wanted, place, 5):
                found += page
                place = Place(page[-1].raised_ns, page[-1].episode)
            assert found == [one for one in reversed(made) if matches(one)], wanted
        counts = await reader.counts(at, at + 6 * SECOND)
        assert {(c.alarm_class, c.tier): (c.episodes, c.listed) for c in counts} == {
            ("process", 1): (2, 1),
            ("process", 3): (1, 1),
            ("instrument", 2): (2, 1),
            ("instrument", 4): (1, 1),
        }
        assert await reader.counts(at, at + HOUR, park="nowhere") == []


async def test_one_episode_with_all_that_was_sent(either_database: str) -> None:
    first, second = story("e-1", time.time_ns(), [(Change.RAISE, State.UNACKNOWLEDGED)] * 2)
    async with migrated(either_database) as (line, _), reader_of(either_database) as reader:
        await write_alarms(line, first, second, notice("n-1", first.alarm), notice("n-2", second.alarm))
        await write_alarms(
            line, receipt("n-1", ReceiptKind.TRYING), receipt("n-1", ReceiptKind.ACCEPTED, at_ns=2 << 60)
        )
        found = await reader.episode("e-1")
        assert found is not None
        assert found.alarm == second.alarm
        assert found.transitions == (first, second)
        assert [(s.notice, s.revision, s.kind) for s in found.sendings] == [
            ("n-1", 1, "trying"),
            ("n-1", 1, "accepted"),
            ("n-2", 2, ""),
        ]
        assert await reader.episode("e-unknown") is None


async def test_export_gives_every_reading_in_the_order_of_time(either_database: str) -> None:
    rng = np.random.default_rng(5)
    start = hour_ago()
    rows = random_rows(rng, 3000, start // 1000, (start + HOUR) // 1000)
    async with filled(either_database, rows), reader_of(either_database) as reader:
        for tags in (None, [1, 4]):
            batches = [b async for b in reader.export(start, start + HOUR // 2, tags)]
            times = np.concatenate([b.event_ns for b in batches])
            assert (np.diff(times) >= 0).all()
            found = [
                (int(t) // 1000, repr(float(v)), int(s), int(q))
                for b in batches
                for t, v, s, q in zip(b.event_ns, b.value, b.tag, b.quality, strict=True)
            ]
            until = (start + HOUR // 2) // 1000
            wanted = {(u, repr(v), s, q) for u, v, s, q in rows if u < until and (tags is None or s in tags)}
            assert sorted(found) == sorted(wanted)


async def test_gaps_and_completeness(database: str) -> None:
    async with migrated(database) as (line, _), reader_of(database) as reader:
        assert await reader.gaps() == []
        assert await reader.complete_ns() == 0
        await line.conn.execute(
            "INSERT INTO history_gaps (topic, partition, incarnation, from_offset, to_offset, reason, detail) "
            "VALUES ('readings', 1, 1, 5, 9, 'gone', 'why')"
        )
        await line.conn.execute("INSERT INTO log_positions VALUES ('readings', 0, 1, 1, '2026-01-01 00:00:00+00')")
        (gap,) = await reader.gaps()
        assert (gap.topic, gap.from_offset, gap.to_offset, gap.reason) == ("readings", 5, 9, "gone")
        assert await reader.complete_ns() == 1_767_225_600 * SECOND


async def test_a_reader_cannot_write(database: str) -> None:
    async with migrated(database), reader_of(database) as reader:
        pool = await reader._opened()
        async with pool.connection() as conn:
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                await conn.execute("DELETE FROM alarms")


async def test_a_query_that_takes_too_long(database: str) -> None:
    config = HistorianConfig(read_timeout_s=0.3)
    async with migrated(database), open_line(database) as other, reader_of(database, config) as reader:
        await reader.gaps()
        async with other.conn.transaction():
            await other.conn.execute("LOCK TABLE history_gaps")
            with pytest.raises(HistoryBusy, match="longer than"):
                await reader.gaps()
        assert await reader.gaps() == []


async def test_more_questions_than_connections(database: str) -> None:
    config = HistorianConfig(read_connections=1)
    async with migrated(database), reader_of(database, config) as reader:
        answers = await asyncio.gather(*(reader.gaps() for _ in range(200)), return_exceptions=True)
        refused = [a for a in answers if isinstance(a, HistoryBusy)]
        assert len([a for a in answers if a == []]) + len(refused) == 200
        assert refused
        assert await reader.gaps() == []


async def test_a_frozen_server_is_given_up_in_time(postgres_alone: Postgres) -> None:
    url = postgres_alone.dsn()
    config = HistorianConfig(read_timeout_s=1.0)
    async with migrated(url), reader_of(url, config) as reader:
        await asyncio.gather(*(reader.gaps() for _ in range(4)))
        await asyncio.to_thread(postgres_alone.pause)
        for _ in range(2):
            before = time.monotonic()
            with pytest.raises(HistoryUnavailable):
                await reader.gaps()
            assert time.monotonic() - before < 9
        await asyncio.to_thread(postgres_alone.resume)
        assert await answered(reader) == []


async def test_a_server_that_comes_back(postgres_alone: Postgres) -> None:
    url = postgres_alone.dsn()
    async with migrated(url), reader_of(url) as reader:
        assert await reader.gaps() == []
        await asyncio.to_thread(postgres_alone.kill9)
        with pytest.raises(HistoryUnavailable):
            await reader.gaps()
        await asyncio.to_thread(postgres_alone.start)
        assert await answered(reader) == []


async def answered(reader: Reader) -> object:
    """The answer as soon as there is one."""

    async def ask() -> list[object]:
        with suppress(HistoryUnavailable):
            return [await reader.gaps()]
        return []

    return (await eventually(ask, "the reader answers", within_s=30))[0]


async def test_it_closes_at_once_and_tells_no_secret() -> None:
    reader = Reader("postgresql://hazwatch:very-secret@127.0.0.1:1/hazwatch", HistorianConfig(), SystemClock())
    with pytest.raises(HistoryUnavailable) as caught:
        await reader.gaps()
    assert "very-secret" not in str(caught.value)
    before = time.monotonic()
    await reader.close()
    assert time.monotonic() - before < 3
