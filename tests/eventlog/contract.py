"""What every adapter of the event log promises.

A test module subclasses `LogContract` and gives the fixture `stand`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Protocol

import pytest

from eventlog.helpers import read_all, tail
from eventlog.port import (
    EventLog,
    LogUnavailable,
    NewRecord,
    PositionBeyond,
    PositionGone,
    Record,
    RecordTooLarge,
    TopicMissing,
    TopicSpec,
)
from tests.parts.net import eventually

PLAIN, BOUNDED, COMPACTED, SMALL = "plain", "bounded", "compacted", "small"
SPECS = (
    TopicSpec(PLAIN, 3, max_record_bytes=2 << 20),
    TopicSpec(BOUNDED, 1, retention_bytes=20_000),
    TopicSpec(COMPACTED, 1, compacted=True),
    TopicSpec(SMALL, 2, max_record_bytes=1_000),
    TopicSpec("registry", 1),
)
PROMPT_S = 5.0
"""Generous: these machines may be busy. What a wake-up really takes is measured by `bench_log.py`."""


class Stand(Protocol):
    """An adapter set up for a test: `log` is under test, `name` gives the real names of the topics of `SPECS`."""

    log: EventLog

    def name(self, topic: str) -> str: ...

    async def trim(self, topic: str) -> None:
        """Makes retention pass the oldest of 50 records of 1 000 bytes in partition 0 of `topic`, and not the
        newest.
        """
        ...


def new(*values: bytes, key: bytes = b"k", kind: str = "test.v1") -> list[NewRecord]:
    return [NewRecord(key, kind, value) for value in values]


async def append(stand: Stand, topic: str, partition: int, *values: bytes) -> list[int]:
    positions = await stand.log.append(stand.name(topic), partition, new(*values))
    return [position.offset for position in positions]


async def all_records(stand: Stand, topic: str, partition: int) -> list[Record]:
    return [record async for record in read_all(stand.log, stand.name(topic), partition)]


def values(records: Sequence[Record]) -> list[bytes]:
    return [record.value for record in records]


class LogContract:
    """The tests; each gets a log whose topics are empty."""

    async def test_what_is_appended_is_read_in_order_with_its_position_and_time(self, stand: Stand) -> None:
        before = time.time_ns()
        first = await stand.log.append(stand.name(PLAIN), 1, new(b"a", b"b"))
        second = await stand.log.append(stand.name(PLAIN), 1, [NewRecord(b"key", "other.v2", b"c")])
        after = time.time_ns()
        records = await stand.log.read(stand.name(PLAIN), 1, 0)
        assert values(records) == [b"a", b"b", b"c"]
        assert [(r.key, r.kind) for r in records] == [(b"k", "test.v1"), (b"k", "test.v1"), (b"key", "other.v2")]
        assert [(r.partition, r.offset, r.append_ns) for r in records] == [
            (p.partition, p.offset, p.append_ns) for p in [*first, *second]
        ]
        assert {r.topic for r in records} == {stand.name(PLAIN)}
        assert all(before - 1_000_000 <= r.append_ns <= after + 1_000_000 for r in records)

    async def test_the_log_stamps_the_time_of_the_append_not_of_the_caller(self, stand: Stand) -> None:
        await append(stand, PLAIN, 0, b"a")
        between = time.time_ns()
        await asyncio.sleep(0.005)
        await append(stand, PLAIN, 0, b"b")
        a, b = await all_records(stand, PLAIN, 0)
        assert a.append_ns <= between + 1_000_000
        assert b.append_ns >= between

    async def test_an_empty_log_has_nothing_to_read(self, stand: Stand) -> None:
        bounds = await stand.log.bounds(stand.name(PLAIN), 0)
        assert (bounds.start, bounds.end) == (0, 0)
        assert await stand.log.read(stand.name(PLAIN), 0, 0) == []
        assert await all_records(stand, PLAIN, 0) == []

    async def test_appending_nothing_writes_nothing(self, stand: Stand) -> None:
        assert await stand.log.append(stand.name(PLAIN), 0, []) == []
        assert (await stand.log.bounds(stand.name(PLAIN), 0)).end == 0

    async def test_partitions_are_separate(self, stand: Stand) -> None:
        for partition in (0, 1, 2):
            await append(stand, PLAIN, partition, *[b"%d" % partition] * (partition + 1))
        for partition in (0, 1, 2):
            assert values(await all_records(stand, PLAIN, partition)) == [b"%d" % partition] * (partition + 1)
            assert (await stand.log.bounds(stand.name(PLAIN), partition)).end == partition + 1
        assert await stand.log.partitions(stand.name(PLAIN)) == 3

    async def test_concurrent_appends_keep_the_order_of_each_call_and_each_caller(self, stand: Stand) -> None:
        async def caller(number: int) -> list[tuple[int, bytes]]:
            said = []
            for turn in range(15):
                batch = [b"%d/%d/%d" % (number, turn, row) for row in range(3)]
                said += list(zip(await append(stand, PLAIN, number % 2, *batch), batch, strict=True))
            return said

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(caller(number)) for number in range(20)]
        for partition in (0, 1):
            records = await all_records(stand, PLAIN, partition)
            stored = [(record.offset, record.value) for record in records]
            said = [task.result() for number, task in enumerate(tasks) if number % 2 == partition]
            assert sorted(stored) == sorted(pair for pairs in said for pair in pairs)
            assert [offset for offset, _ in stored] == sorted({offset for offset, _ in stored})
            for pairs in said:
                assert [offset for offset, _ in pairs] == sorted(offset for offset, _ in pairs)
                for call in range(0, len(pairs), 3):
                    a, b, c = (offset for offset, _ in pairs[call : call + 3])
                    assert (b, c) == (a + 1, a + 2)

    async def test_a_read_is_bounded_but_gives_at_least_one(self, stand: Stand) -> None:
        await append(stand, PLAIN, 0, *[b"x" * 1_000] * 20)
        topic = stand.name(PLAIN)
        assert len(await stand.log.read(topic, 0, 3, max_records=7)) == 7
        assert len(await stand.log.read(topic, 0, 10, max_bytes=3_500)) == 3
        assert len(await stand.log.read(topic, 0, 13, max_bytes=1)) == 1
        assert len(await stand.log.read(topic, 0, 14, max_records=1, max_bytes=1)) == 1
        assert len(await stand.log.read(topic, 0, 15)) == 5

    async def test_any_read_is_a_piece_of_the_whole(self, stand: Stand) -> None:
        dice = random.Random(7)
        expected: list[bytes] = []
        while len(expected) < 200:
            batch = [dice.randbytes(dice.choice((0, 1, 300, 5_000))) for _ in range(dice.randint(1, 9))]
            assert await append(stand, PLAIN, 2, *batch) == list(range(len(expected), len(expected) + len(batch)))
            expected += batch
        for _ in range(12):
            start, most = dice.randrange(200), dice.randint(1, 60)
            found = await stand.log.read(stand.name(PLAIN), 2, start, max_records=most, max_bytes=20_000)
            assert found
            assert values(found) == expected[start : start + len(found)]
            assert len(found) <= most

    async def test_a_sequential_reader_sees_every_record_once(self, stand: Stand) -> None:
        async def write() -> None:
            for number in range(150):
                await append(stand, PLAIN, 0, b"%d" % number)

        seen: list[bytes] = []
        position = 0
        async with asyncio.TaskGroup() as group:
            group.create_task(write())
            while len(seen) < 150:
                records = await stand.log.read(stand.name(PLAIN), 0, position, max_records=10, wait_s=20)
                assert records
                assert len(records) <= 10
                position = records[-1].offset + 1
                seen += values(records)
        assert seen == [b"%d" % number for number in range(150)]

    async def test_readers_at_different_places_do_not_disturb_each_other(self, stand: Stand) -> None:
        expected = [b"%d" % number for number in range(60)]
        await append(stand, PLAIN, 0, *expected)

        async def reader(start: int) -> list[bytes]:
            seen: list[bytes] = []
            position = start
            while position < 60:
                records = await stand.log.read(stand.name(PLAIN), 0, position, max_records=3)
                seen += values(records)
                position = records[-1].offset + 1
            return seen

        starts = (0, 10, 20, 20, 30, 59)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(reader(start)) for start in starts]
        for start, task in zip(starts, tasks, strict=True):
            assert task.result() == expected[start:]

    async def test_a_waiting_read_wakes_when_a_record_comes(self, stand: Stand) -> None:
        loop = asyncio.get_running_loop()
        await append(stand, PLAIN, 0, b"old")
        await stand.log.read(stand.name(PLAIN), 0, 0)
        reading = asyncio.create_task(stand.log.read(stand.name(PLAIN), 0, 1, wait_s=60))
        await asyncio.sleep(0.05)
        assert not reading.done()
        await append(stand, PLAIN, 0, b"new")
        appended = loop.time()
        async with asyncio.timeout(PROMPT_S):
            assert values(await reading) == [b"new"]
        assert loop.time() - appended < PROMPT_S

    async def test_many_waiting_reads_wake(self, stand: Stand) -> None:
        topic = stand.name(PLAIN)
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            waiting = [group.create_task(stand.log.read(topic, p, 0, wait_s=60)) for p in (0, 0, 1, 2)]
            await asyncio.sleep(0.05)
            for partition in (0, 1, 2):
                await append(stand, PLAIN, partition, b"%d" % partition)
        assert [values(task.result()) for task in waiting] == [[b"0"], [b"0"], [b"1"], [b"2"]]

    async def test_a_read_that_waits_in_vain_returns_nothing_in_time(self, stand: Stand) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await stand.log.read(stand.name(PLAIN), 0, 0, wait_s=0.2) == []
        assert 0.19 <= loop.time() - began < PROMPT_S

    async def test_a_cancelled_read_disturbs_nothing(self, stand: Stand) -> None:
        for _ in range(5):
            reading = asyncio.create_task(stand.log.read(stand.name(PLAIN), 0, 0, wait_s=60))
            await asyncio.sleep(0.02)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
        await append(stand, PLAIN, 0, b"a", b"b")
        assert values(await stand.log.read(stand.name(PLAIN), 0, 0, wait_s=PROMPT_S)) == [b"a", b"b"]

    async def test_a_cancelled_append_is_written_whole_or_not_at_all(self, stand: Stand) -> None:
        for number in range(20):
            appending = asyncio.create_task(append(stand, PLAIN, 0, b"%d a" % number, b"%d b" % number))
            await asyncio.sleep(0.0002 * (number % 5))
            appending.cancel()
            try:
                await appending
            except asyncio.CancelledError:
                pass
        await append(stand, PLAIN, 0, b"last")
        found = values(await all_records(stand, PLAIN, 0))
        assert found.pop() == b"last"
        assert found[::2] == [value[:-1] + b"a" for value in found[1::2]]
        numbers = [int(value.split()[0]) for value in found[::2]]
        assert numbers == sorted(set(numbers))

    async def test_positions_outside_the_log(self, stand: Stand) -> None:
        topic = stand.name(PLAIN)
        await append(stand, PLAIN, 0, b"a", b"b")
        assert await stand.log.read(topic, 0, 2) == []
        with pytest.raises(PositionBeyond, match="offset 3 lies past the log's end 2"):
            await stand.log.read(topic, 0, 3)
        with pytest.raises(PositionBeyond):
            await stand.log.read(topic, 0, 3, wait_s=0.1)

    async def test_retention_is_never_a_silent_jump(self, stand: Stand) -> None:
        topic = stand.name(BOUNDED)
        for number in range(50):
            await append(stand, BOUNDED, 0, b"%04d" % number + b"x" * 996)
        await stand.trim(topic)

        async def trimmed() -> bool:
            return (await stand.log.bounds(topic, 0)).start > 0

        await eventually(trimmed, "retention has passed the oldest record")
        bounds = await stand.log.bounds(topic, 0)
        assert 0 < bounds.start < 50
        assert bounds.end == 50
        with pytest.raises(PositionGone) as gone:
            await stand.log.read(topic, 0, 0, wait_s=0.1)
        assert gone.value.asked == 0
        assert gone.value.bounds.start > 0
        assert gone.value.bounds.end == 50
        records = await all_records(stand, BOUNDED, 0)
        assert [int(record.value[:4]) for record in records] == [record.offset for record in records]
        assert records[-1].offset == 49
        assert await append(stand, BOUNDED, 0, b"more") == [50]

    async def test_unknown_topics_and_partitions(self, stand: Stand) -> None:
        with pytest.raises(TopicMissing, match="nowhere"):
            await stand.log.append("nowhere", 0, new(b"a"))
        with pytest.raises(TopicMissing, match="nowhere"):
            await stand.log.read("nowhere", 0, 0)
        with pytest.raises(TopicMissing, match="nowhere"):
            await stand.log.partitions("nowhere")
        for partition in (3, -1):
            with pytest.raises(TopicMissing, match="has no partition"):
                await stand.log.append(stand.name(PLAIN), partition, new(b"a"))
            with pytest.raises(TopicMissing, match="has no partition"):
                await stand.log.bounds(stand.name(PLAIN), partition)

    async def test_a_record_that_is_too_large_writes_nothing_and_the_log_lives_on(self, stand: Stand) -> None:
        topic = stand.name(SMALL)
        fits = NewRecord(b"key", "kind", b"x" * (1_000 - 7))
        await stand.log.append(topic, 0, [fits])
        for record in (NewRecord(b"key", "kind", fits.value + b"x"), NewRecord(b"k" * 1_001, "", b"")):
            with pytest.raises(RecordTooLarge, match=r"record 2 of 3 has 1001 bytes, at most 1000"):
                await stand.log.append(topic, 0, [fits, record, fits])
        await stand.log.append(topic, 0, [fits, fits])
        await stand.log.append(topic, 1, [fits])
        assert [r.value for r in await all_records(stand, SMALL, 0)] == [fits.value] * 3
        assert [r.value for r in await all_records(stand, SMALL, 1)] == [fits.value]

    async def test_what_is_not_bytes_is_refused(self, stand: Stand) -> None:
        with pytest.raises(TypeError, match="must be bytes"):
            await stand.log.append(stand.name(PLAIN), 0, new("text"))  # type: ignore[arg-type]
        assert await append(stand, PLAIN, 0, b"a") == [0]

    async def test_large_and_empty_values_come_back_whole(self, stand: Stand) -> None:
        large = random.Random(1).randbytes((2 << 20) - 100)
        records = [
            NewRecord(b"", "", b""),
            NewRecord(b"\x00\xff", "k", large),
            NewRecord(b"", "ünï", b"\x00"),
            NewRecord(b"large", "", large[::-1]),
        ]
        await stand.log.append(stand.name(PLAIN), 0, records)
        found = await all_records(stand, PLAIN, 0)
        assert [NewRecord(r.key, r.kind, r.value) for r in found] == records
        assert len(await stand.log.read(stand.name(PLAIN), 0, 1, max_bytes=1 << 20)) == 1

    async def test_more_records_than_one_write_holds(self, stand: Stand) -> None:
        batch = [b"%06d" % number * 500 for number in range(3_000)]
        assert await append(stand, PLAIN, 0, *batch) == list(range(3_000))
        assert values(await all_records(stand, PLAIN, 0)) == batch

    async def test_tail_follows_and_says_when_nothing_comes(self, stand: Stand) -> None:
        await append(stand, PLAIN, 0, b"a", b"b")
        following = tail(stand.log, stand.name(PLAIN), 0, 1, wait_s=0.1)
        assert values(await anext(following)) == [b"b"]
        assert await anext(following) == []
        await append(stand, PLAIN, 0, b"c")
        assert values(await anext(following)) == [b"c"]

    async def test_read_all_stops_at_the_end_it_found(self, stand: Stand) -> None:
        await append(stand, PLAIN, 0, *[b"x"] * 5)
        seen = 0
        async for _ in read_all(stand.log, stand.name(PLAIN), 0):
            seen += 1
            await append(stand, PLAIN, 0, b"later")
        assert seen == 5

    async def test_the_incarnation_is_a_number_that_stays(self, stand: Stand) -> None:
        number = await stand.log.incarnation()
        assert number >= 1
        assert await stand.log.incarnation() == number

    async def test_close_is_quick_and_may_be_repeated(self, stand: Stand) -> None:
        loop = asyncio.get_running_loop()
        await append(stand, PLAIN, 0, b"a")
        reading = asyncio.create_task(stand.log.read(stand.name(PLAIN), 0, 1, wait_s=60))
        await asyncio.sleep(0.05)
        began = loop.time()
        await asyncio.gather(stand.log.close(), stand.log.close())
        await stand.log.close()
        assert loop.time() - began < 5
        async with asyncio.timeout(PROMPT_S):
            with pytest.raises(LogUnavailable):
                await reading
        with pytest.raises(LogUnavailable):
            await append(stand, PLAIN, 0, b"b")
        with pytest.raises(LogUnavailable):
            await stand.log.read(stand.name(PLAIN), 0, 0)
