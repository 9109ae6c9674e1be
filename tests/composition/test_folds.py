"""The drivers of both folds over a real log: trimmed heads, logs made anew, lost revisions, clean stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from alerting.book import Book, Outputs
from eventlog.embedded.log import EmbeddedLog
from eventlog.port import EventLog, NewRecord, PositionBeyond, Record, TopicSpec
from hazwatch import evaluator as evaluator_module
from hazwatch import keeper as keeper_module
from hazwatch.clock import SystemClock
from hazwatch.evaluator import Evaluator
from hazwatch.faults import Fault, Faults
from hazwatch.keeper import Keeper, start_book
from hazwatch.metrics import Metrics
from hazwatch.registry import RegistryView, publish
from hazwatch.snapshots import SnapshotFolder
from rules.engine import warm_up
from schemas.alarms import Alarm, Change, Transition
from schemas.changes import ConditionChange, ConditionChanges
from schemas.partitioning import partition_of
from schemas.records import Activate, Kind, encode
from schemas.registry import Revision
from tests.composition.helpers import TOPICS, FlakyLog, park, payloads, reading, small_log, tag
from tests.parts.net import eventually

PARTITION = partition_of("s", 2)
"""Where the tags of the park are."""


class NoMeter:
    def folded(self, partition: int, records: int, readings: int) -> None: ...

    def changed(self, changes: Sequence[ConditionChange]) -> None: ...


class Follower:
    """Remembers what a dispatcher would be told."""

    def __init__(self) -> None:
        self.adopted = 0
        self.followed: list[tuple[int, Outputs]] = []

    def adopt(self) -> None:
        self.adopted += 1

    def follow(self, offset: int, outputs: Outputs) -> None:
        self.followed.append((offset, outputs))


class Bench:
    """A log with one park, and the drivers over it, started and stopped at will."""

    def __init__(self, log: EventLog, folder: Path) -> None:
        self.log = log
        self.folder = folder
        self.registry = RegistryView(log)
        self.faults = Faults("test", log, self.registry, SystemClock())
        self.metrics = Metrics(frozenset({"alarm", "evaluate"}))

    async def publish(self, revision: Revision) -> None:
        await publish(self.log, self.registry, lambda newest: revision, made_ns=1, made_by="test")

    def standing(self) -> set[Fault]:
        return {fault for fault, _, _ in self.faults.standing()}

    @asynccontextmanager
    async def evaluating(self) -> AsyncIterator[Evaluator]:
        evaluator = Evaluator(
            self.log,
            self.registry,
            SnapshotFolder(self.folder / "evaluate"),
            PARTITION,
            name="test",
            clock=SystemClock(),
            failpoint=lambda name: None,
            meter=NoMeter(),
            faults=self.faults,
        )
        async with _running(self.registry.follow(), evaluator.run()):
            yield evaluator

    @asynccontextmanager
    async def keeping(self) -> AsyncIterator[tuple[Keeper, Follower, Book]]:
        folder, follower = SnapshotFolder(self.folder / "alarm"), Follower()
        await self.registry.catch_up()
        book = await start_book(self.log, folder, 0, self.registry.current, self.faults)
        keeper = Keeper(
            self.log,
            self.registry,
            folder,
            book,
            follower,
            name="test/book/0",
            clock=SystemClock(),
            failpoint=lambda name: None,
            metrics=self.metrics,
            faults=self.faults,
        )
        async with _running(self.registry.follow(), keeper.run()):
            yield keeper, follower, book

    async def put(self, *records: NewRecord) -> None:
        await self.log.append("readings", PARTITION, list(records))

    async def levels(self) -> list[int]:
        """What the rules said of the limit, copies by restatement left out."""
        found = []
        for one in await payloads(self.log, "events", Kind.CHANGES):
            assert isinstance(one, ConditionChanges)
            found += [c.level for c in one.changes if c.rule == "limits" and c.basis != "restatement"]
        return found

    async def transitions(self) -> list[tuple[Change, str]]:
        found = await payloads(self.log, "alarms", Kind.TRANSITION)
        return [(t.change, t.alarm.subject) for t in found if isinstance(t, Transition) and t.alarm.rule == "limits"]


@asynccontextmanager
async def _running(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Tasks that are cancelled as a role's are; what one died of is raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error


@pytest.fixture(autouse=True, scope="module")
def compiled() -> None:
    """The kernels, as a role has them before it reads anything: the first time takes long."""
    warm_up()


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[EmbeddedLog]:
    async with small_log(tmp_path / "log") as opened:
        yield opened


@pytest.fixture
async def bench(log: EmbeddedLog, tmp_path: Path) -> Bench:
    bench = Bench(log, tmp_path)
    await bench.publish(park())
    return bench


async def reached(log: EventLog, topic: str, evaluator: Evaluator | Keeper) -> None:
    """Wait until the driver is at what is the end of its partition now."""
    end = (await log.bounds(topic, PARTITION if topic == "readings" else 0)).end

    def there() -> bool:
        return (evaluator.backlog._next_offset or 0) >= end

    await eventually(there, f"{topic} is folded up to {end}")


# Stops and starts


async def test_a_clean_stop_leaves_a_snapshot_and_the_next_start_goes_on_from_it(bench: Bench) -> None:
    async with bench.evaluating() as evaluator:
        await bench.put(reading(1, 20.0), reading(1, 60.0))
        await reached(bench.log, "readings", evaluator)
    assert len(list(SnapshotFolder(bench.folder / "evaluate").contents())) == 1
    said = await bench.levels()
    assert said[-1] == 1
    async with bench.evaluating() as evaluator:
        await bench.put(reading(1, 60.0))
        await reached(bench.log, "readings", evaluator)
    assert await bench.levels() == said, "nothing was folded a second time"
    assert bench.standing() == set()


async def test_no_snapshot_before_the_appends_are_acknowledged(bench: Bench) -> None:
    """Stopped while an append of changes is on its way: what was folded but not said must be folded again."""
    flaky = FlakyLog(bench.log)
    goes = asyncio.Event()

    async def stuck(topic: str, partition: int, records: Sequence[NewRecord]) -> None:
        if topic == "events" and records[0].kind == Kind.CHANGES:
            goes.set()
            await asyncio.Event().wait()

    flaky.before_append = stuck
    stuck_bench = Bench(flaky, bench.folder)
    await bench.put(reading(1, 60.0))
    async with stuck_bench.evaluating():
        await asyncio.wait_for(goes.wait(), 20)
    assert list(SnapshotFolder(bench.folder / "evaluate").contents()) == []
    async with bench.evaluating() as evaluator:
        await reached(bench.log, "readings", evaluator)
    assert await bench.levels() == [1]


async def test_ticks_only_where_it_is_silent(bench: Bench) -> None:
    async with bench.evaluating() as evaluator:
        for _ in range(15):
            await bench.put(reading(1, 20.0))
            await asyncio.sleep(0.1)
        await reached(bench.log, "readings", evaluator)
        assert await payloads(bench.log, "readings", Kind.TICK, PARTITION) == []
        await eventually(
            lambda: payloads(bench.log, "readings", Kind.TICK, PARTITION),
            "a silent partition is given a tick",
            within_s=20,
        )


async def test_the_book_stops_with_a_snapshot_and_goes_on(bench: Bench) -> None:
    async with bench.evaluating(), bench.keeping() as (keeper, follower, _):
        await bench.put(reading(1, 60.0))
        await eventually(bench.transitions, "the alarm is in the log")
        await reached(bench.log, "events", keeper)
        assert follower.adopted == 1
    async with bench.keeping() as (keeper, follower, book):
        assert [alarm.subject for alarm in book.alarms()] == ["e.T-1"]
        await eventually(lambda: follower.adopted, "the dispatcher takes over")
    assert await bench.transitions() == [(Change.RAISE, "e.T-1")]


async def test_a_flood_of_events_keeps_no_dispatcher_waiting(bench: Bench) -> None:
    """It takes over at what was the end when the book began, not at an end that always moves on."""
    goes_on = True

    async def flood() -> None:
        while goes_on:
            await bench.log.append("events", 0, [NewRecord(b"", "foreign", b"x")] * 20)

    flooding = asyncio.create_task(flood())
    try:
        async with bench.keeping() as (_, follower, _):
            await eventually(lambda: follower.adopted, "the dispatcher takes over")
    finally:
        goes_on = False
        await flooding


# The log is another


async def test_a_log_made_anew_refuses_old_snapshots(bench: Bench, tmp_path: Path) -> None:
    """As when the log's folder was deleted and the snapshots were not (LAWS C2)."""
    async with bench.evaluating() as evaluator, bench.keeping():
        await bench.put(reading(1, 60.0))
        await eventually(bench.transitions, "the alarm is in the log")
        await reached(bench.log, "readings", evaluator)
    async with small_log(tmp_path / "other", first_incarnation=7) as other:
        anew = Bench(other, tmp_path)
        await anew.publish(park())
        await anew.put(*[reading(1, 70.0)] * 50)
        async with anew.evaluating(), anew.keeping() as (_, _, book):
            await eventually(anew.transitions, "the new log raises its own alarm")
            assert await anew.levels() == [1]
            assert [alarm.onset_cause.incarnation for alarm in book.alarms() if alarm.rule == "limits"] == [7]
            assert Fault.SNAPSHOT in anew.standing()


async def test_a_log_that_became_shorter_ends_the_process(bench: Bench) -> None:
    """The next start compares incarnation and snapshots with what the log is now."""

    class Shrunk(FlakyLog):
        async def read(self, topic: str, partition: int, start: int, **options: Any) -> list[Record]:
            if topic == "readings":
                raise PositionBeyond(f"{start} lies past the end")
            return await self.inner.read(topic, partition, start, **options)

    shrunk = Bench(Shrunk(bench.log), bench.folder)
    folder = SnapshotFolder(bench.folder / "evaluate")
    evaluator = Evaluator(
        shrunk.log,
        shrunk.registry,
        folder,
        PARTITION,
        name="test",
        clock=SystemClock(),
        failpoint=lambda name: None,
        meter=NoMeter(),
        faults=shrunk.faults,
    )
    with pytest.raises(PositionBeyond):
        async with asyncio.timeout(20):
            await evaluator.run()


# The head of the log is gone


TRIMMED = tuple(
    TopicSpec(spec.name, spec.partitions, retention_bytes=4000) if spec.name in ("readings", "events") else spec
    for spec in TOPICS
)


@asynccontextmanager
async def trimmed(tmp_path: Path, topic: str, filler: NewRecord) -> AsyncIterator[Bench]:
    """A park whose activation has left the head of `topic`."""
    async with small_log(tmp_path / "log", TRIMMED) as log:
        bench = Bench(log, tmp_path)
        await bench.publish(park())
        await trim(log, topic, filler)
        yield bench


async def trim(log: EventLog, topic: str, filler: NewRecord) -> None:
    """Append until the log has given up its first records."""
    partition = PARTITION if topic == "readings" else 0
    before = (await log.bounds(topic, partition)).end

    async def gone() -> bool:
        for _ in range(20):
            await log.append(topic, partition, [filler])
        return (await log.bounds(topic, partition)).start > before

    await eventually(gone, f"the head of {topic} is gone", within_s=60)


@pytest.mark.usefixtures("quick_cleaning")
async def test_without_snapshot_and_head_the_current_revision_is_followed(tmp_path: Path) -> None:
    """The activation is lost with the head: a new evaluator must not stand there without any rules."""
    async with trimmed(tmp_path, "readings", reading(1, 20.0)) as bench:
        await bench.registry.catch_up()
        async with bench.evaluating():
            await bench.put(reading(1, 60.0))
            await eventually(lambda: _raised(bench), "the rules of the current revision are in force")


@pytest.mark.usefixtures("quick_cleaning")
async def test_an_evaluator_that_retention_has_passed_says_so_and_goes_on(tmp_path: Path) -> None:
    async with small_log(tmp_path / "log", TRIMMED) as log:
        bench = Bench(log, tmp_path)
        await bench.publish(park())
        async with bench.evaluating() as evaluator:
            await bench.put(reading(1, 20.0))
            await reached(log, "readings", evaluator)
        await trim(log, "readings", reading(1, 20.0))
        async with bench.evaluating():
            await bench.put(reading(1, 60.0))
            await eventually(lambda: _raised(bench), "it evaluates what is left")
            assert bench.standing() == {Fault.GAP}


@pytest.mark.usefixtures("quick_cleaning")
async def test_a_revision_activated_in_the_gap_is_followed(tmp_path: Path) -> None:
    async with small_log(tmp_path / "log", TRIMMED) as log:
        bench = Bench(log, tmp_path)
        await bench.publish(park())
        async with bench.evaluating() as evaluator:
            await bench.put(reading(1, 20.0))
            await reached(log, "readings", evaluator)
        await bench.publish(park(tag(1, "e.T-1", high=80.0)))
        await trim(log, "readings", reading(1, 20.0))
        async with bench.evaluating() as evaluator:
            await bench.put(reading(1, 60.0))
            await reached(log, "readings", evaluator)
            assert 1 not in await bench.levels()
            await bench.put(reading(1, 90.0))
            await eventually(lambda: _raised(bench), "the new limit is in force")


@pytest.mark.usefixtures("quick_cleaning")
async def test_a_book_that_retention_has_passed_keeps_its_alarms_and_says_so(tmp_path: Path) -> None:
    async with small_log(tmp_path / "log", TRIMMED) as log:
        bench = Bench(log, tmp_path)
        await bench.publish(park())
        async with bench.evaluating(), bench.keeping() as (keeper, _, _):
            await bench.put(reading(1, 60.0))
            await eventually(bench.transitions, "the alarm is in the log")
            await reached(log, "events", keeper)
        await trim(log, "events", NewRecord(b"", "foreign", b"x" * 100))
        async with bench.keeping() as (keeper, follower, book):
            await eventually(lambda: follower.adopted, "the book is read to the end")
            assert [alarm.subject for alarm in _of_limits(book)] == ["e.T-1"]
            assert bench.standing() == {Fault.GAP}
            assert book.revision == 1


# Revisions that are not there


async def test_a_lost_revision_is_said_and_the_old_rules_go_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluator_module, "REVISION_PATIENCE_S", 0.0)
    monkeypatch.setattr(keeper_module, "REVISION_PATIENCE_S", 0.0)
    asked = bench.registry.revision

    async def quickly(number: int, wait_s: float = 0.05) -> Revision:
        return await asked(number, 0.05)

    monkeypatch.setattr(bench.registry, "revision", quickly)
    lost = NewRecord(b"", Kind.ACTIVATE, encode(Activate(revision=9, hash="gone")))
    async with bench.evaluating(), bench.keeping() as (_, _, book):
        await bench.put(lost)
        await bench.log.append("events", 0, [lost])
        await bench.put(reading(1, 60.0))
        await eventually(bench.transitions, "the old rules raise the alarm")
        assert Fault.REVISION in bench.standing()
        assert book.revision == 1


async def _raised(bench: Bench) -> bool:
    return 1 in await bench.levels()


def _of_limits(book: Book) -> list[Alarm]:
    return [alarm for alarm in book.alarms() if alarm.rule == "limits"]
