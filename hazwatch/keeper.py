"""The keeper: drives the alarm book over one partition of `events` and appends what it says to `alarms`.

Hop 6: fold, append, wait for the append; only then a dispatcher is told (hop 7). The transition is in the log before
anybody is paged.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from alerting.book import ActivationNeeded, Book, Outputs
from alerting.snapshot import SnapshotRefused
from alerting.snapshot import encode as encode_book
from alerting.state import furthest_first, state_key
from eventlog.port import Bounds, EventLog, LogUnavailable, NewRecord, PositionGone, Record, RecordTooLarge
from hazwatch.chain import Heard
from hazwatch.clock import Clock
from hazwatch.faults import REMEMBERED_S, Fault, Faults
from hazwatch.folding import REVISION_PATIENCE_S, TICK_S, append_all, append_tick, persist, read_chunk, ticker
from hazwatch.lag import Backlog
from hazwatch.metrics import Metrics
from hazwatch.registry import EMPTY, RegistryView, RevisionMissing
from hazwatch.snapshots import Encode, SnapshotFolder, Snapshots
from schemas.records import Kind, encode
from schemas.registry import Revision
from schemas.time import SECOND

log = logging.getLogger(__name__)
STATE_S = 30.0
COUNT_S = 2.0
T = TypeVar("T")


class Follower(Protocol):
    """Who acts on what the book has folded: a dispatcher."""

    def adopt(self) -> None:
        """The book has read to what was the end of the log when it began."""

    def follow(self, offset: int, outputs: Outputs) -> None:
        """The record at `offset` is folded, and what it made is in the log."""


class Keeper:
    """Keeps one partition's book: folds, appends, snapshots. `backlog` and `heard` tell others how it is."""

    def __init__(
        self,
        source: EventLog,
        registry: RegistryView,
        folder: SnapshotFolder,
        book: Book,
        follower: Follower,
        *,
        name: str,
        clock: Clock,
        failpoint: Callable[[str], None],
        metrics: Metrics,
        faults: Faults,
    ) -> None:
        self._log = source
        self._registry = registry
        self._folder = folder
        self._book = book
        self._follower = follower
        self._name = name
        self._ticker = ticker(name)
        self._place = f"events/{book.partition}"
        self._clock = clock
        self._failpoint = failpoint
        self._metrics = metrics
        self._faults = faults
        self.heard = Heard(clock)
        self.backlog = Backlog("alarm", "events", book.partition, clock)
        self.backlog.reached(book.next_offset)
        self._beat_due = self._count_due = 0
        self._state_due = clock.monotonic_ns() + round(STATE_S * SECOND)
        self._acknowledged = True
        """All that came of the records folded so far is in the log."""
        for fault in (Fault.REVISION, Fault.GAP, Fault.SNAPSHOT, Fault.UNWRITTEN):
            faults.watch(fault, self._place)

    async def run(self) -> None:
        """Fold for ever. Ends only by an error or cancellation, which writes a last snapshot."""
        book = self._book
        snapshots = Snapshots(
            self._folder, self._clock, book.next_offset, trouble=self._unwritten, written=self._publish_state
        )
        # The end of now: under a flood of events the end of every later moment would always be a little further.
        goal: int | None = (await self._persist(partial(self._log.bounds, "events", book.partition))).end
        try:
            while True:
                if goal is not None and book.next_offset >= goal:
                    self._follower.adopt()
                    goal = None
                await self._beat()
                records = await self._read()
                if records:
                    await self._step(records)
                    snapshots.offer(book.next_offset, self._freeze)
        except asyncio.CancelledError:
            if self._acknowledged:
                await snapshots.last(book.next_offset, self._freeze)
            raise

    def _freeze(self) -> Encode:
        return partial(encode_book, self._book.freeze())

    async def _persist(self, work: Callable[[], Awaitable[T]]) -> T:
        return await persist(self._name, work, self._reachable)

    def _reachable(self, up: bool) -> None:
        self.heard.reachable(up)
        self.backlog.reachable(up)

    async def _read(self) -> list[Record]:
        book = self._book
        try:
            return await persist(self._name, partial(read_chunk, self._log, "events", book.partition, book.next_offset))
        except PositionGone as gone:
            # What stands stays on the list: what is no longer restated will be marked as unconfirmed.
            start, current = gone.bounds.start, self._registry.current
            lost = f"{book.next_offset} to {start - 1}"
            log.critical("%s: records %s are gone before the book has read them", self._place, lost)
            self._faults.stand(Fault.GAP, self._place, lost, for_s=REMEMBERED_S)
            book.start_at(start, current if current.number > book.revision else None)
            return []

    async def _beat(self) -> None:
        """Every second a tick: time passes, and the screens see that this book is kept, however busy `events` is."""
        now = self._clock.monotonic_ns()
        if now < self._beat_due:
            return
        self._beat_due = now + round(TICK_S * SECOND)
        await self._persist(partial(append_tick, self._log, "events", self._book.partition, self._ticker))
        if now >= self._count_due:
            self._count_due = now + round(COUNT_S * SECOND)
            self._count_alarms()

    async def _step(self, records: Sequence[Record]) -> None:
        """Apply records, append all that came of them, and only then tell the follower."""
        self._acknowledged = False
        folded: list[tuple[int, Outputs]] = []
        said: list[NewRecord] = []
        for record in records:
            self.heard.record(record)
            outputs = await self._apply(record)
            folded.append((record.offset, outputs))
            said += _records(outputs)
        if said:
            await self._persist(partial(append_all, self._log, "alarms", self._book.partition, said))
            self._failpoint("after-alarms")
        self._acknowledged = True
        changes: Counter[str] = Counter()
        for offset, outputs in folded:
            self._follower.follow(offset, outputs)
            changes.update(str(transition.change) for transition in outputs.transitions)
        for change, amount in changes.items():
            self._metrics.count("hazwatch_transitions_total", amount, change=change)
        self._metrics.count(
            "hazwatch_folded_records_total", len(records), fold="book", partition=str(self._book.partition)
        )
        self.backlog.reached(self._book.next_offset, records[-1].append_ns)
        await asyncio.sleep(0)

    async def _apply(self, record: Record) -> Outputs:
        try:
            return self._book.apply(record.offset, record.append_ns, record.kind, record.value)
        except ActivationNeeded as needed:
            return await self._activate(record, needed.revision)

    async def _activate(self, record: Record, number: int) -> Outputs:
        """Read the revision before going on (LAWS R1); without one that is lost for good the old routes stay."""
        patient_until = self._clock.monotonic_ns() + round(REVISION_PATIENCE_S * SECOND)
        revision: Revision | None = None
        while revision is None:
            try:
                revision = await self._registry.revision(number)
            except LogUnavailable as error:
                log.error("%s waits for revision %d: %s", self._place, number, error)
            except RevisionMissing as error:
                self._faults.stand(Fault.REVISION, self._place, str(number), for_s=REMEMBERED_S)
                log.error("%s waits for revision %d: %s", self._place, number, error)
                if self._clock.monotonic_ns() >= patient_until:
                    log.critical("%s goes on without revision %d", self._place, number)
                    revision = EMPTY  # older than any: changes nothing
        return self._book.activate(record.offset, record.append_ns, revision, record.value)

    async def _publish_state(self, data: bytes) -> None:
        """The compacted topic from which a screen or another rank starts (LAWS B4)."""
        now = self._clock.monotonic_ns()
        if now < self._state_due:
            return
        self._state_due = now + round(STATE_S * SECOND)
        key = state_key(self._book.partition, self._name)
        try:
            await self._log.append("state", 0, [NewRecord(key, Kind.SNAPSHOT, data)])
        except (LogUnavailable, RecordTooLarge) as error:
            log.warning("the snapshot of the book is not in the log: %s", error)

    def _count_alarms(self) -> None:
        counts = Counter((str(alarm.peak_tier), str(alarm.state)) for alarm in self._book.alarms())
        self._metrics.replace_gauges("hazwatch_alarms", counts.items(), partition=str(self._book.partition))
        waiting = Counter((entry.notice.channel,) for entry in self._book.outbox)
        self._metrics.replace_gauges("hazwatch_outbox_notices", waiting.items(), partition=str(self._book.partition))

    def _unwritten(self, why: str) -> None:
        if why:
            self._faults.stand(Fault.UNWRITTEN, self._place, why)
        else:
            self._faults.end(Fault.UNWRITTEN, self._place)


def _records(outputs: Outputs) -> list[NewRecord]:
    """What a record made, for `alarms`."""
    out = [
        NewRecord(
            t.alarm.id.encode(), Kind.TRANSITION, encode(t, id=f"{t.alarm.episode}/{t.alarm.revision}", at_ns=t.at_ns)
        )
        for t in outputs.transitions
    ]
    out += [NewRecord(n.alarm.id.encode(), Kind.NOTICE, encode(n, id=n.id, at_ns=n.due_ns)) for n in outputs.notices]
    out += [NewRecord(a.alarm.encode(), Kind.ANSWER, encode(a, id=a.command, at_ns=a.at_ns)) for a in outputs.answers]
    return out


async def start_book(
    source: EventLog, folder: SnapshotFolder, partition: int, current: Revision, faults: Faults
) -> Book:
    """The book where the furthest good snapshot stands, of a file or of `state`; else at the start of `events`.

    Where that start is trimmed, its activations are gone, so the `current` revision stands in for them. A snapshot that
    lies before it is good: what the book knows is worth more than what it has missed, which the keeper then says.
    """
    incarnation = await source.incarnation()
    bounds = await source.bounds("events", partition)
    good: list[tuple[int, bytes]] = []
    refused = ""
    for data in [*map(bytes, folder.contents()), *await _states(source, partition)]:
        try:
            good.append((await _checked(source, data, partition, incarnation, bounds), data))
        except SnapshotRefused as error:
            log.warning("events/%d: a snapshot is passed over: %s", partition, error)
            refused = refused or str(error)
    if good:
        return Book.restore(max(good, key=lambda one: one[0])[1])
    if refused:
        faults.stand(Fault.SNAPSHOT, f"events/{partition}", refused, for_s=REMEMBERED_S)
    book = Book(partition, incarnation)
    book.start_at(bounds.start, current if bounds.start else None)
    return book


async def _checked(source: EventLog, data: bytes, partition: int, incarnation: int, bounds: Bounds) -> int:
    """The next offset of a snapshot that fits the log (LAWS C2). Raises `SnapshotRefused`."""
    found = Book.header(data)
    if found.partition != partition or found.incarnation != incarnation:
        raise SnapshotRefused(
            f"it is of partition {found.partition}, incarnation {found.incarnation}; the log is {incarnation}"
        )
    if found.next_offset > bounds.end:
        raise SnapshotRefused(f"it ends at {found.next_offset}, the log at {bounds.end}")
    last = await _last_value(source, partition, found.last_offset, bounds)
    if last is not None and Book.checksum(last) != found.last_checksum:
        raise SnapshotRefused("its last record is not the one that the log holds")
    return found.next_offset


async def _states(source: EventLog, partition: int) -> list[bytes]:
    """Snapshots of this partition in `state`, the furthest first."""
    bounds = await source.bounds("state", 0)
    found: dict[bytes, bytes] = {}
    offset = bounds.start
    while offset < bounds.end:
        records = await source.read("state", 0, offset, wait_s=1.0)
        if not records:
            break
        found |= {r.key: r.value for r in records}
        offset = records[-1].offset + 1
    return furthest_first(found.items(), partition)


async def _last_value(source: EventLog, partition: int, offset: int, bounds: Bounds) -> bytes | None:
    if not bounds.start <= offset < bounds.end:
        return None
    records = await source.read("events", partition, offset, max_records=1)
    return records[0].value if records and records[0].offset == offset else None
