"""The alarm role: drives the book over partitions of `events`, appends what it says to `alarms`, then lets people know.

Hop 6: fold, append, wait for the append; hop 7: dispatch. The transition is in the log before anybody is paged, and the
page does not wait for the database, the console or another endpoint.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Protocol

from alerting.book import ActivationNeeded, Book, Outputs
from alerting.chainwatch import ChainFault
from alerting.channels import kinds
from alerting.channels._base import Context as ChannelContext
from alerting.contacts import Contacts
from alerting.dispatch.chain import ChainGuard
from alerting.dispatch.dispatcher import Dispatcher
from alerting.dispatch.ports import Channel
from alerting.sending import Verdict
from alerting.snapshot import SnapshotRefused
from alerting.snapshot import encode as encode_book
from alerting.state import furthest_first, state_key
from eventlog.port import Bounds, EventLog, LogUnavailable, NewRecord, Record
from hazwatch.clock import SystemClock
from hazwatch.context import Context
from hazwatch.folding import EVALUATOR, SNAPSHOT_S, TICK_S, append_all, append_tick, persist, read_chunk, ticker
from hazwatch.metrics import Metrics
from hazwatch.registry import RegistryView, RevisionMissing
from hazwatch.snapshots import SnapshotFolder
from schemas.alarms import Notice, Receipt
from schemas.records import Kind, encode
from schemas.registry import Revision
from schemas.time import SECOND

log = logging.getLogger(__name__)
STATE_S = 30.0
BEAT = f'"by":"{EVALUATOR}'.encode()


class Follower(Protocol):
    """Who acts on what the book has folded: a dispatcher."""

    def adopt(self) -> None: ...

    def follow(self, offset: int, outputs: Outputs) -> None: ...


class ReceiptWriter:
    """The dispatcher's way into `events`."""

    def __init__(self, target: EventLog, partition: int) -> None:
        self._log = target
        self._partition = partition

    async def append(self, receipt: Receipt) -> int:
        record = NewRecord(receipt.notice.encode(), Kind.RECEIPT, encode(receipt, source=receipt.by))
        (position,) = await self._log.append("events", self._partition, [record])
        return position.offset


class DispatchMeter:
    """The dispatcher's counters among the process's metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def outcome(self, channel: str, verdict: Verdict) -> None:
        self._metrics.count("hazwatch_notice_outcomes_total", channel=channel, outcome=str(verdict))

    def accepted(self, notice: Notice, at_ns: int) -> None:
        since = notice.alarm.onset_ns or notice.due_ns
        self._metrics.observe(
            "hazwatch_event_to_dispatch_seconds", max(0, at_ns - since) / SECOND, tier=str(notice.tier)
        )


class Heard:
    """When a partition last heard of whom: evaluators beat in `events` every 5 s (see `roles.evaluate`)."""

    def __init__(self, clock: SystemClock) -> None:
        self._clock = clock
        self._evaluator_ns = clock.monotonic_ns()
        self._log_down_ns: int | None = None

    def reachable(self, up: bool) -> None:
        """The log answered, or did not."""
        if up and self._log_down_ns is not None:
            self._evaluator_ns = self._clock.monotonic_ns()
        self._log_down_ns = None if up else self._log_down_ns or self._clock.monotonic_ns()

    @property
    def log_silent_s(self) -> float:
        return 0.0 if self._log_down_ns is None else (self._clock.monotonic_ns() - self._log_down_ns) / SECOND

    def record(self, record: Record) -> None:
        """Changes and the ticks of evaluators say that somebody evaluates."""
        if record.kind == Kind.CHANGES or (record.kind == Kind.TICK and BEAT in record.value):
            self._evaluator_ns = self._clock.monotonic_ns()

    @property
    def evaluator_silent_s(self) -> float:
        return (self._clock.monotonic_ns() - self._evaluator_ns) / SECOND


class ChainState:
    """`ChainProbe` over what this process sees."""

    def __init__(self, keepers: Sequence[Keeper], dispatchers: Sequence[Dispatcher]) -> None:
        self._keepers = keepers
        self._dispatchers = dispatchers

    def silent_s(self) -> Mapping[ChainFault, float]:
        """With the log gone nobody is heard, so that is the only thing said then. A silent ingest is no business of
        this guard: the rules miss its heartbeats and raise a link fault, which is routed like any alarm."""
        log_s = max(*(d.log_unreachable_s for d in self._dispatchers), *(k.heard.log_silent_s for k in self._keepers))
        if log_s > 0:
            return {ChainFault.LOG: log_s}
        return {ChainFault.EVALUATOR: max(k.heard.evaluator_silent_s for k in self._keepers)}


class Keeper:
    """Keeps one partition's book: folds, appends, snapshots."""

    def __init__(
        self,
        source: EventLog,
        registry: RegistryView,
        snapshots: SnapshotFolder,
        book: Book,
        follower: Follower,
        *,
        name: str,
        clock: SystemClock,
        failpoint: Callable[[str], None],
        metrics: Metrics,
    ) -> None:
        self._log = source
        self._registry = registry
        self._snapshots = snapshots
        self._book = book
        self._follower = follower
        self._name = name
        self._ticker = ticker(name)
        self._clock = clock
        self._failpoint = failpoint
        self._metrics = metrics
        self.heard = Heard(clock)
        self._beat_due = 0

    async def run(self) -> None:
        """Fold for ever."""
        book = self._book
        adopted = False
        snapshot_due = state_due = self._clock.monotonic_ns() + round(SNAPSHOT_S * SECOND)
        kept_offset = book.next_offset
        while True:
            if not adopted:
                bounds = await persist(
                    self._name, partial(self._log.bounds, "events", book.partition), self.heard.reachable
                )
                if book.next_offset >= bounds.end:
                    self._follower.adopt()
                    adopted = True
            await self._beat()
            records = await persist(
                self._name, partial(read_chunk, self._log, "events", book.partition, book.next_offset)
            )
            if not records:
                continue
            await self._step(records)
            now = self._clock.monotonic_ns()
            if now >= snapshot_due and book.next_offset > kept_offset:
                data = encode_book(book.freeze())
                self._snapshots.write(book.next_offset, data)
                kept_offset = book.next_offset
                snapshot_due = now + round(SNAPSHOT_S * SECOND)
                self._count_alarms()
                if now >= state_due:
                    state_due = now + round(STATE_S * SECOND)
                    await self._publish_state(data)

    async def _beat(self) -> None:
        """Every second a tick: time passes, and the screens see that this book is kept, however busy `events` is."""
        now = self._clock.monotonic_ns()
        if now < self._beat_due:
            return
        self._beat_due = now + round(TICK_S * SECOND)
        await persist(
            self._name,
            partial(append_tick, self._log, "events", self._book.partition, self._ticker),
            self.heard.reachable,
        )

    async def _step(self, records: Sequence[Record]) -> None:
        """Apply records, append all that came of them, and only then tell the follower."""
        folded: list[tuple[int, Outputs]] = []
        said: list[NewRecord] = []
        for record in records:
            self.heard.record(record)
            outputs = await self._apply(record)
            folded.append((record.offset, outputs))
            said += self._records(outputs)
        if said:
            await persist(
                self._name, partial(append_all, self._log, "alarms", self._book.partition, said), self.heard.reachable
            )
            self._failpoint("after-alarms")
        for offset, outputs in folded:
            self._follower.follow(offset, outputs)
            for transition in outputs.transitions:
                self._metrics.count("hazwatch_transitions_total", change=str(transition.change))
        label = str(self._book.partition)
        self._metrics.count("hazwatch_folded_records_total", len(records), fold="book", partition=label)
        age = max(0, self._clock.now_ns() - records[-1].append_ns) / SECOND
        self._metrics.gauge("hazwatch_oldest_unprocessed_seconds", age, stage="alarm", partition=label)
        await asyncio.sleep(0)

    async def _apply(self, record: Record) -> Outputs:
        book = self._book
        try:
            return book.apply(record.offset, record.append_ns, record.kind, record.value)
        except ActivationNeeded as needed:
            number = needed.revision
        while True:
            try:
                revision = await self._registry.revision(number)
                return book.activate(record.offset, record.append_ns, revision, record.value)
            except (RevisionMissing, LogUnavailable) as error:
                log.error("events/%d waits for revision %d: %s", book.partition, number, error)

    def _records(self, outputs: Outputs) -> list[NewRecord]:
        out = [
            NewRecord(
                t.alarm.id.encode(),
                Kind.TRANSITION,
                encode(t, id=f"{t.alarm.episode}/{t.alarm.revision}", at_ns=t.at_ns),
            )
            for t in outputs.transitions
        ]
        out += [
            NewRecord(n.alarm.id.encode(), Kind.NOTICE, encode(n, id=n.id, at_ns=n.due_ns)) for n in outputs.notices
        ]
        out += [
            NewRecord(a.alarm.encode(), Kind.ANSWER, encode(a, id=a.command, at_ns=a.at_ns)) for a in outputs.answers
        ]
        return out

    async def _publish_state(self, data: bytes) -> None:
        """The compacted topic from which a screen or another rank starts (LAWS B4)."""
        key = state_key(self._book.partition, self._name)
        try:
            await self._log.append("state", 0, [NewRecord(key, Kind.SNAPSHOT, data)])
        except LogUnavailable as error:
            log.warning("the snapshot of the book is not in the log: %s", error)

    def _count_alarms(self) -> None:
        counts = Counter((str(alarm.peak_tier), str(alarm.state)) for alarm in self._book.alarms())
        self._metrics.replace_gauges("hazwatch_alarms", counts.items())
        waiting = Counter((entry.notice.channel,) for entry in self._book.outbox)
        self._metrics.replace_gauges("hazwatch_outbox_notices", waiting.items())


async def start_book(source: EventLog, snapshots: SnapshotFolder, partition: int, current: Revision) -> Book:
    """The book where the newest good snapshot stands: of a file, else of `state`, else at the start of `events`.

    Where that start is trimmed, its activations are gone, so the `current` revision stands in for them."""
    incarnation = await source.incarnation()
    bounds = await source.bounds("events", partition)
    candidates = list(snapshots.contents()) + await _states(source, partition)
    for data in candidates:
        try:
            found = Book.header(data)
            if found.partition != partition or found.incarnation != incarnation:
                raise SnapshotRefused(f"it is of partition {found.partition}, incarnation {found.incarnation}")
            if not bounds.start <= found.next_offset <= bounds.end:
                raise SnapshotRefused(f"it ends at {found.next_offset}, the log holds {bounds.start} to {bounds.end}")
            last = await _last_value(source, partition, found.last_offset, bounds)
            if last is not None and Book.checksum(last) != found.last_checksum:
                raise SnapshotRefused("its last record is not the one that the log holds")
            return Book.restore(data)
        except SnapshotRefused as error:
            log.warning("events/%d: a snapshot is passed over: %s", partition, error)
    book = Book(partition, incarnation)
    book.start_at(bounds.start, current if bounds.start else None)
    return book


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


async def workers(context: Context, stack: AsyncExitStack) -> dict[str, Coroutine[Any, Any, None]]:
    """A keeper and a dispatcher per partition of `events`."""
    config = context.config
    shown = ChannelContext(console_url=f"http://{config.console.host}:{config.console.port}")
    channels: dict[str, Channel] = {}
    for table in config.channels:
        channels[table.name] = channel = kinds()[table.kind].open(table, shown)
        stack.push_async_callback(channel.close)
    folder = context.data.snapshots / "alarm" / context.name
    out: dict[str, Coroutine[Any, Any, None]] = {}
    contacts = Contacts(config.contacts)
    keepers: list[Keeper] = []
    dispatchers: list[Dispatcher] = []
    for partition in range(await context.log.partitions("events")):
        snapshots = SnapshotFolder(folder / str(partition))
        book = await start_book(context.log, snapshots, partition, context.registry.current)
        dispatcher = Dispatcher(
            channels,
            contacts,
            book.outbox,
            ReceiptWriter(context.log, partition),
            name=context.name,
            rank=context.rank,
            clock=context.clock,
            failpoint=context.failpoint,
            concurrency={table.name: table.concurrency for table in config.channels},
            deadline_s={table.name: table.deadline_s for table in config.channels},
            meter=DispatchMeter(context.metrics),
        )
        keeper = Keeper(
            context.log,
            context.registry,
            snapshots,
            book,
            dispatcher,
            name=f"{context.name}/book/{partition}",
            clock=context.clock,
            failpoint=context.failpoint,
            metrics=context.metrics,
        )
        keepers.append(keeper)
        dispatchers.append(dispatcher)
        out[f"book/{partition}"] = keeper.run()
        out[f"dispatch/{partition}"] = dispatcher.run()
    guard = ChainGuard(channels, contacts, ChainState(keepers, dispatchers), name=context.name, clock=context.clock)
    out["chain"] = guard.run()
    return out
