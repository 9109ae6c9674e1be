"""Following the log: where to start, a log that is away, a revision that comes into force, beats."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from console.config import ConsoleConfig
from console.live import Live
from console.marks import Watermarks
from console.tailing import first_since
from eventlog.embedded.log import EmbeddedLog
from eventlog.port import Bounds, EventLog, LogUnavailable, NewRecord, Position, Record, topic_specs
from schemas.records import Activate, Kind, Tick, encode
from schemas.time import SECOND
from tests.console.clock import SystemClock
from tests.console.desk import Desk, open_desk, until
from tests.console.plant import Plant
from tests.console.test_socket import open_page


async def test_bisection_finds_the_first_record_since(tmp_path: Path) -> None:
    log = await EmbeddedLog.open(tmp_path, topic_specs())
    times = []
    for _ in range(40):
        (position,) = await log.append("events", 0, [NewRecord(b"", Kind.TICK, encode(Tick()))])
        times.append(position.append_ns)
    for since in (0, times[0], times[7], times[7] + 1, times[39], times[39] + 1):
        expected = next((n for n, at in enumerate(times) if at >= since), 40)
        found = await first_since(log, "events", 0, since)
        assert times[found : found + 1] == times[expected : expected + 1]
    await log.close()


class AwayLog:
    """A log whose every first few calls fail, as while Kafka is starting."""

    def __init__(self, inner: EventLog, failures: int) -> None:
        self._inner = inner
        self.left = failures

    def _maybe_away(self) -> None:
        if self.left > 0:
            self.left -= 1
            raise LogUnavailable("away")

    async def append(self, topic: str, partition: int, records: Sequence[NewRecord]) -> list[Position]:
        return await self._inner.append(topic, partition, records)

    async def read(
        self,
        topic: str,
        partition: int,
        start: int,
        *,
        max_records: int = 1000,
        max_bytes: int = 4 << 20,
        wait_s: float = 0.0,
    ) -> list[Record]:
        self._maybe_away()
        return await self._inner.read(
            topic, partition, start, max_records=max_records, max_bytes=max_bytes, wait_s=wait_s
        )

    async def bounds(self, topic: str, partition: int) -> Bounds:
        self._maybe_away()
        return await self._inner.bounds(topic, partition)

    async def partitions(self, topic: str) -> int:
        self._maybe_away()
        return await self._inner.partitions(topic)

    async def incarnation(self) -> int:
        return await self._inner.incarnation()

    async def close(self) -> None:
        await self._inner.close()


async def test_a_log_that_is_away_at_the_start_is_waited_for(tmp_path: Path) -> None:
    import asyncio

    plant = await Plant.open(tmp_path / "log")
    alarm = await plant.raise_alarm(1)
    away = AwayLog(plant.log, 4)
    live = Live(ConsoleConfig(), away, SystemClock())
    running = asyncio.create_task(live.run())
    assert not live.ready
    await until(lambda: live.ready or running.done())
    assert away.left == 0 and set(live.alarms.listed) == {alarm.id}
    away.left = 5
    other = await plant.raise_alarm(2)
    await until(lambda: other.id in live.alarms.listed or running.done())
    running.cancel()
    await plant.log.close()


async def test_log_in_works_while_the_log_is_away(tmp_path: Path) -> None:
    plant = await Plant.open(tmp_path / "log")
    async with open_desk(tmp_path, plant=plant) as desk:
        await plant.log.close()
        person = await desk.person()
        assert (await person.get("/api/alarms"))[0] == 200
        alarm = plant.make_alarm(1, 1, "high", None)
        desk.console.live.alarms.start(0, [alarm])
        status, answer = await person.acknowledge(alarm)
        assert (status, answer["error"]) == (503, "log_unavailable")


async def test_a_new_revision_reaches_the_screens(desk: Desk) -> None:
    page = await open_page(await desk.person())
    revision = desk.plant.revision
    first = replace(revision.tags[0], unit="mg/m3")
    await desk.plant.say("registry", replace(revision, number=2, tags=(first, *revision.tags[1:])))
    await desk.plant.log.append(
        "registry", 0, [NewRecord(b"", Kind.ACTIVATED, encode(Activate(revision=2, hash=""), kind=Kind.ACTIVATED))]
    )
    while (await page.next()).get("registry") != 2:
        pass
    _, registry = await (await desk.person()).get("/api/tags")
    assert registry["revision"] == 2 and registry["tags"][0]["unit"] == "mg/m3"


def test_beats_count_for_their_partition_and_the_slowest_is_told() -> None:
    marks = Watermarks()
    marks.expect(2, 1, 10 * SECOND)
    assert set(vars_of(marks).values()) == {10_000}
    marks.tick("a/evaluate/0", 20 * SECOND)
    assert vars_of(marks)["rules"] == 10_000
    marks.tick("a/evaluate/1", 15 * SECOND)
    assert vars_of(marks)["rules"] == 15_000
    marks.tick("twin/evaluate/1", 21 * SECOND)
    assert vars_of(marks)["rules"] == 20_000
    for stranger in ("a/evaluate/2", "a/evaluate/x", "evaluate", "a/other/0", ""):
        marks.tick(stranger, 99 * SECOND)
    assert vars_of(marks) == {"readings": 10_000, "ingest": 10_000, "rules": 20_000, "book": 10_000}
    marks.tick("a/book/0", 30 * SECOND)
    marks.link(31 * SECOND)
    marks.reading(0, 32 * SECOND)
    assert vars_of(marks) == {"readings": 10_000, "ingest": 31_000, "rules": 20_000, "book": 30_000}


def vars_of(marks: Watermarks) -> dict[str, int]:
    told = marks.marks()
    return {"readings": told.readings, "ingest": told.ingest, "rules": told.rules, "book": told.book}
