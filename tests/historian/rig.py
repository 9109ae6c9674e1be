"""What the historian's tests share: a clock, a real embedded log, a writer that runs beside the test, sample alarms."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psycopg
from msgspec.structs import replace

from eventlog.embedded.log import EmbeddedLog
from eventlog.port import EventLog, NewRecord, Position, topic_specs
from historian.config import HistorianConfig
from historian.line import Line
from historian.migrate import migrate
from historian.storage import Storage
from historian.verify import Ledger, ledger, log_ledger
from historian.writer import Writer
from schemas.alarms import Alarm, Change, Notice, Receipt, ReceiptKind, State, Transition
from schemas.batch import Batch, batch
from schemas.batch import encode as encode_batch
from schemas.causes import Cause
from schemas.changes import AlarmClass, Place, Side
from schemas.records import Kind, encode, kind_of
from schemas.registry import Struct
from schemas.text import Text
from schemas.time import SECOND
from tests.parts.net import eventually

QUICK = HistorianConfig(batch_delay_s=0.05, stalled_s=5.0)
PARTITIONS = 2


class SystemClock:
    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


@dataclass
class StandingClock:
    """A clock that a test sets."""

    ns: int

    def now_ns(self) -> int:
        return self.ns

    def monotonic_ns(self) -> int:
        return self.ns


@asynccontextmanager
async def embedded_log(folder: Path, *, incarnation: int = 1, readings_bytes: int = -1) -> AsyncIterator[EmbeddedLog]:
    """A log with two partitions of readings, which keeps about so many bytes of them (-1: all)."""
    specs = [
        dataclasses.replace(spec, retention_bytes=readings_bytes) if spec.name == "readings" else spec
        for spec in topic_specs(PARTITIONS)
    ]
    log = await EmbeddedLog.open(folder, specs, first_incarnation=incarnation)
    try:
        yield log
    finally:
        await log.close()


async def append(log: EmbeddedLog, topic: str, *payloads: Batch | Struct, partition: int = 0) -> list[Position]:
    """Append batches or payloads, a record each."""
    records = [
        NewRecord(b"k", Kind.READINGS, encode_batch(p))
        if isinstance(p, Batch)
        else NewRecord(b"k", kind_of(p), encode(p))
        for p in payloads
    ]
    return await log.append(topic, partition, records)


def random_batch(rng: np.random.Generator, rows: int, *, sensors: int = 50, now_ns: int | None = None) -> Batch:
    """Readings of the last seconds: all qualities, some NaN, some repeated."""
    now = time.time_ns() if now_ns is None else now_ns
    value = np.round(rng.normal(20, 5, rows), 1)
    value[rng.random(rows) < 0.02] = np.nan
    readings = batch(
        rng.integers(1, sensors + 1, rows),
        now - rng.integers(0, 20, rows) * (SECOND // 4),
        value,
        rng.choice([0, 0, 0, 1, 64, 65, 128, 131], rows),
    )
    repeated = rng.integers(0, rows, rows)
    return readings.rows(np.where(rng.random(rows) < 0.05, repeated, np.arange(rows)))


@asynccontextmanager
async def running(writer: Writer) -> AsyncIterator[asyncio.Task[None]]:
    """A writer at work; an error that ended it is raised at the end. It must stop within 10 s."""
    task = asyncio.create_task(writer.run())
    try:
        yield task
    finally:
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=10)
        assert done, "the writer does not stop"
        with suppress(asyncio.CancelledError):
            task.result()


def writer_of(log: EmbeddedLog, url: str, config: HistorianConfig = QUICK) -> Writer:
    return Writer(log, url, config, SystemClock())


async def until_stored(writer: Writer, log: EventLog, *, within_s: float = 60.0) -> None:
    """Wait until everything in the log is stored."""

    async def stored() -> bool:
        lanes = writer.status().lanes.values()
        if not lanes:
            return False
        for lane in lanes:
            for source, progress in lane.sources.items():
                if progress.next_offset < (await log.bounds(*source)).end:
                    return False
        return True

    await eventually(stored, "the log is stored", within_s=within_s)


async def both_ledgers(url: str, log: EmbeddedLog) -> tuple[Ledger, Ledger]:
    """Of the table and of the log."""
    async with await psycopg.AsyncConnection.connect(url) as conn:
        return await ledger(conn), await log_ledger(log)


@asynccontextmanager
async def open_line(url: str) -> AsyncIterator[Line]:
    line = await Line.open(url, 60.0, "test")
    try:
        yield line
    finally:
        await line.close()


@asynccontextmanager
async def migrated(url: str) -> AsyncIterator[tuple[Line, Storage]]:
    """A connection to a database with its tables."""
    async with open_line(url) as line:
        yield line, await migrate(line.conn)


async def rows(url: str, query: str, *params: object) -> list[tuple[object, ...]]:
    """All rows of a query."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        return await (await conn.execute(query.encode(), params)).fetchall()


def alarm(episode: str = "e-1", revision: int = 1, **changes: object) -> Alarm:
    """A CO alarm in a foundry."""
    base = Alarm(
        id="a-1",
        episode=episode,
        revision=revision,
        rule="limits",
        kind="limits",
        subject="CO-101",
        side=Side.HIGH,
        alarm_class=AlarmClass.PROCESS,
        state=State.UNACKNOWLEDGED,
        level=1,
        level_name="high",
        tier=2,
        peak_level=1,
        peak_level_name="high",
        peak_tier=2,
        tag=1,
        value=40.0,
        peak_value=40.0,
        limit=34.3,
        unit="ppm",
        onset_ns=1_700_000_000 * SECOND,
        raised_ns=1_700_000_001 * SECOND,
        changed_ns=1_700_000_001 * SECOND,
        text=Text(zh="一氧化碳高", en="CO high"),
        place=Place(park="demo", enterprise="metal", hazard_source="foundry"),
        onset_cause=Cause(1, 5, 0),
    )
    return replace(base, **changes)


def transition(of: Alarm, change: Change = Change.RAISE, **changes: object) -> Transition:
    base = Transition(
        change=change, alarm=of, previous_state=State.NORMAL, previous_tier=0, at_ns=of.changed_ns, offset=of.revision
    )
    return replace(base, **changes)


def story(episode: str, start_ns: int, steps: Sequence[tuple[Change, State]]) -> list[Transition]:
    """Transitions of one episode, a second apart."""
    found = []
    for index, (change, state) in enumerate(steps):
        at_ns = start_ns + index * SECOND
        found.append(
            transition(
                alarm(
                    episode,
                    index + 1,
                    state=state,
                    raised_ns=start_ns,
                    changed_ns=at_ns,
                    id="a-" + episode.split("-")[1],
                ),
                change,
                at_ns=at_ns,
            )
        )
    return found


def notice(id: str, of: Alarm, **changes: object) -> Notice:
    base = Notice(
        id=id, channel="duty", recipient="officer", reason=Change.RAISE, tier=of.tier, due_ns=of.changed_ns, alarm=of
    )
    return replace(base, **changes)


def receipt(notice: str, kind: ReceiptKind, attempt: int = 1, at_ns: int = 1_700_000_002 * SECOND) -> Receipt:
    return Receipt(notice=notice, kind=kind, by="dispatcher-1", attempt=attempt, at_ns=at_ns)
