"""A lane: some partitions of the log, one connection, one transaction at a time.

    log.read -> item -> [chunks] -> pack (thread) -> [one batch] -> COPY + positions, one commit

Both queues are bounded and block what fills them, so with PostgreSQL gone a lane holds a few batches and waits. After
any trouble with the database it drops what it holds and reads again from the position that the database knows: whether
an interrupted commit happened is thereby decided by the database alone.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import psycopg
from psycopg import AsyncConnection

from eventlog.port import EventLog, LogError, PositionBeyond, PositionGone, Record
from historian.errors import HistoryUnavailable, PositionLost
from historian.line import Line
from historian.positions import Gap, GapReason, Move, Source, advance, note_gap, standing
from historian.progress import LaneProgress, Metrics, SourceProgress
from historian.sink import Sink, Unreadable, Written
from historian.together import together

log = logging.getLogger(__name__)
Item = TypeVar("Item")
Packed = TypeVar("Packed")

IDLE_S = 5.0
"""A position that moved without rows (ticks), or a partition without records, is written down this often."""

_POLL_S = 1.0
_BACKOFF_S = (0.1, 0.3, 1.0, 2.0, 5.0)
_RIVAL_S = 5.0
_QUICK_ROWS = 2_000
_ATTEMPTS = 4


class Clock(Protocol):
    """Wall time and monotonic time in nanoseconds."""

    def now_ns(self) -> int: ...

    def monotonic_ns(self) -> int: ...


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """`rows` and `delay_s` bound a transaction; `linger_s` is how long a partition that had little is left alone before
    it is read again, so that many small records are fetched at once; `read_bytes` bounds one fetch."""

    rows: int
    delay_s: float
    linger_s: float
    read_bytes: int = 512 << 10
    read_records: int = 4_000


@dataclass(slots=True)
class Chunk(Generic[Item]):
    """What one fetch from one partition brought."""

    move: Move
    items: list[Item]
    rows: int
    gaps: list[Gap] = field(default_factory=list)


@dataclass(slots=True)
class Batch(Generic[Packed]):
    """One transaction."""

    packed: Packed
    moves: list[Move]
    gaps: list[Gap]


class Lane(Generic[Item, Packed]):
    """Runs until cancelled. It ends by itself only with an error that trying again does not help."""

    def __init__(
        self,
        name: str,
        event_log: EventLog,
        sources: list[Source],
        sink: Sink[Item, Packed],
        limits: LaneLimits,
        connect: Callable[[str], Awaitable[Line]],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self.name = name
        self.progress = LaneProgress(sources={source: SourceProgress() for source in sources})
        self._log = event_log
        self._sink = sink
        self._limits = limits
        self._connect = connect
        self._clock = clock
        self._metrics = metrics
        self._incarnation = 0

    async def run(self) -> None:
        """Store, reconnect, store. Raises `HistoryRefused`."""
        failures = 0
        while True:
            before = self.progress.transactions
            try:
                await self._session()
            except (psycopg.Error, HistoryUnavailable, PositionLost, LogError, OSError) as error:
                trouble = error
            failures = 0 if self.progress.transactions > before else failures + 1
            self.progress.reconnects += 1
            pause = _BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)] * random.uniform(0.5, 1.5)
            if isinstance(trouble, PositionLost):
                pause += _RIVAL_S
            self.progress.trouble = str(trouble)
            self._metrics.trouble(self.name, type(trouble).__name__)
            log.error("lane %s: %s; trying again in %.1f s", self.name, trouble, pause)
            await asyncio.sleep(pause)

    async def _session(self) -> None:
        line = await self._connect(self.name)
        try:
            await line.run(self._sink.connected(line.conn))
            starts = await self._standings(line)
            self.progress.connected, self.progress.trouble = True, ""
            self._metrics.connected(self.name, True)
            chunks: asyncio.Queue[Chunk[Item]] = asyncio.Queue(maxsize=2 * len(starts))
            batches: asyncio.Queue[Batch[Packed]] = asyncio.Queue(maxsize=1)
            works = {
                f"{self.name}: fetch {s.topic}/{s.partition}": self._fetch(s, o, chunks) for s, o in starts.items()
            }
            works[f"{self.name}: collect"] = self._collect(chunks, batches)
            works[f"{self.name}: store"] = self._store(line, batches)
            await together(works)
        finally:
            self.progress.connected = False
            self._metrics.connected(self.name, False)
            await line.close()

    async def _standings(self, line: Line) -> dict[Source, int]:
        self._incarnation = await self._log.incarnation()
        starts = {}
        for source, progress in self.progress.sources.items():
            bounds = await self._log.bounds(*source)
            starts[source] = await line.run(standing(line.conn, source, self._incarnation, bounds))
            progress.next_offset, progress.end = starts[source], bounds.end
        return starts

    async def _fetch(self, source: Source, start: int, chunks: asyncio.Queue[Chunk[Item]]) -> None:
        """Read one partition for ever."""
        limits = self._limits
        while True:
            asked_ns = self._clock.now_ns()
            try:
                records = await self._log.read(
                    *source, start, max_records=limits.read_records, max_bytes=limits.read_bytes, wait_s=_POLL_S
                )
            except (PositionGone, PositionBeyond) as error:
                chunk = await self._jump(source, start, error)
            else:
                chunk = self._chunk(source, start, records, asked_ns)
            start = chunk.move.next_offset
            await chunks.put(chunk)
            if chunk.rows < limits.rows // 4:
                await asyncio.sleep(limits.linger_s)

    async def _jump(self, source: Source, start: int, error: PositionGone | PositionBeyond) -> Chunk[Item]:
        """The log does not have the position any more: go on from its first record, and say so."""
        bounds = await self._log.bounds(*source)
        reason = GapReason.GONE if isinstance(error, PositionGone) else GapReason.BEYOND
        log.critical("history of %s/%d has a gap: %s", *source, error)
        return Chunk(
            Move(source, start, bounds.start, 0), [], 0, [Gap(source, start, bounds.start, reason, str(error))]
        )

    def _chunk(self, source: Source, start: int, records: list[Record], asked_ns: int) -> Chunk[Item]:
        complete_ns = records[-1].append_ns if records else asked_ns
        chunk: Chunk[Item] = Chunk(
            Move(source, start, records[-1].offset + 1 if records else start, complete_ns), [], 0
        )
        for record in records:
            try:
                item = self._sink.item(record)
            except Unreadable as error:
                log.error("%s/%d, offset %d is skipped: %s", *source, record.offset, error)
                chunk.gaps.append(Gap(source, record.offset, record.offset + 1, GapReason.UNREADABLE, str(error)))
                continue
            if item is not None:
                chunk.items.append(item)
                chunk.rows += self._sink.size(item)
        return chunk

    async def _collect(self, chunks: asyncio.Queue[Chunk[Item]], batches: asyncio.Queue[Batch[Packed]]) -> None:
        """Chunks into transactions: full, or late."""
        loop = asyncio.get_running_loop()
        while True:
            gathered = [await chunks.get()]
            rows, due = gathered[0].rows, loop.time() + self._patience(gathered[0])
            while rows < self._limits.rows:
                try:
                    async with asyncio.timeout_at(due):
                        chunk = await chunks.get()
                except TimeoutError:
                    break
                gathered.append(chunk)
                rows += chunk.rows
                due = min(due, loop.time() + self._patience(chunk))
            items = [item for chunk in gathered for item in chunk.items]
            packed = self._sink.pack(items) if rows < _QUICK_ROWS else await asyncio.to_thread(self._sink.pack, items)
            await batches.put(Batch(packed, _joined(gathered), [gap for chunk in gathered for gap in chunk.gaps]))

    def _patience(self, chunk: Chunk[Item]) -> float:
        """How long a chunk may wait for company."""
        return self._limits.delay_s if chunk.rows or chunk.gaps else IDLE_S

    async def _store(self, line: Line, batches: asyncio.Queue[Batch[Packed]]) -> None:
        while True:
            batch = await batches.get()
            began_ns = self._clock.monotonic_ns()
            written = await self._committed(line, batch)
            self._sink.stored(batch.packed)
            self._report(batch, written, began_ns)

    async def _committed(self, line: Line, batch: Batch[Packed]) -> Written:
        """Commit one batch: the quick way, and again with care when its content was in the way."""
        careful = False
        for _ in range(_ATTEMPTS):
            await line.run(self._sink.prepare(line.conn, batch.packed))
            try:
                return await line.run(self._transaction(line.conn, batch, careful))
            except (psycopg.errors.UniqueViolation, psycopg.DataError, UnicodeError) as error:
                if careful:
                    raise
                log.debug("lane %s: again with care: %s", self.name, error)
                careful = True
            except psycopg.errors.CheckViolation:
                await line.run(self._sink.connected(line.conn))  # a partition was dropped under us
        raise HistoryUnavailable("the partitions that a batch needs are dropped again and again")

    async def _transaction(self, conn: AsyncConnection, batch: Batch[Packed], careful: bool) -> Written:
        async with conn.transaction():
            written = await self._sink.write(conn, batch.packed, careful=careful)
            refused = [Gap(r.source, r.offset, r.offset + 1, GapReason.REFUSED, r.detail) for r in written.refused]
            for gap in (*batch.gaps, *refused):
                await note_gap(conn, self._incarnation, gap)
            await advance(conn, self._incarnation, batch.moves)
        return written

    def _report(self, batch: Batch[Packed], written: Written, began_ns: int) -> None:
        now_ns = self._clock.monotonic_ns()
        progress = self.progress
        progress.worked_ns = now_ns
        progress.transactions += 1
        progress.rows += written.rows
        progress.duplicates += written.duplicates
        progress.skipped += sum(gap.reason is GapReason.UNREADABLE for gap in batch.gaps) + len(written.refused)
        for gap in batch.gaps:
            if gap.reason in (GapReason.GONE, GapReason.BEYOND):
                progress.gaps += 1
                self._metrics.trouble(self.name, "gap")
        self._metrics.stored(self.name, written.rows, written.duplicates, (now_ns - began_ns) / 1e9)
        for move in batch.moves:
            source = progress.sources[move.source]
            source.next_offset = move.next_offset
            source.complete_ns = max(source.complete_ns, move.complete_ns)
            source.end = max(source.end, move.next_offset)


def _joined(chunks: list[Chunk[Item]]) -> list[Move]:
    """One move per partition, from the first chunk's position to the last one's."""
    moves: dict[Source, Move] = {}
    for move in (chunk.move for chunk in chunks):
        first = moves.get(move.source, move)
        moves[move.source] = Move(
            move.source, first.expected, move.next_offset, max(first.complete_ns, move.complete_ns)
        )
    return list(moves.values())
