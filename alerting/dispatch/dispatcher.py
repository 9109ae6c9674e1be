"""The dispatcher: brings the notices of the book's outbox to their channels, and what became of them back to the log.

It says `trying` in the log before it sends and reads that back, so that of several dispatchers (one per rank) the
one whose `trying` stands first sends (LAWS D1). What it sends may arrive twice after a crash or a slow answer, with the
same notice id; what it does not send, another rank does. If the log cannot be reached it sends without, and says so.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial

from alerting.attempts import GONE_PAUSE_S, RANK_STEP_S, TAKEOVER_S, given_up_ns, wait_s
from alerting.book import Outputs
from alerting.contacts import Contacts
from alerting.dispatch.everyone import Everyone, Missing
from alerting.dispatch.lane import Job, Lane, Slot
from alerting.dispatch.ports import Channel, Clock, Meter, NoMeter, OutboxView, ReceiptLog
from alerting.dispatch.postbox import Postbox
from alerting.outbox import GONE, Entry, Status
from alerting.routing import EVERY_CHANNEL
from alerting.sending import Delivery, Sent, Verdict
from schemas.alarms import Notice, Receipt, ReceiptKind
from schemas.text import Text
from schemas.time import SECOND

log = logging.getLogger(__name__)
CLAIM_S = 2.0
"""So long a `trying` may take to reach the log, and again to come back through the book; then it is sent without."""

_GRACE_S = 1.0
_DRAIN_S = 3.0
_EVERYONE_S = 120.0
_UNRECORDED = Text("日志不可达，可能重复收到", "The log was not reachable, so this may reach you twice.")
_REPEATED = Text("可能重复", "This may be a repetition.")


class Claim(StrEnum):
    """What came of saying `trying`."""

    OURS = "ours"
    YIELD = "yield"  # another dispatcher said so first, or has sent it already
    UNRECORDED = "unrecorded"  # the log did not take it, or it did not come back


class Dispatcher:
    """Serves one partition's outbox.

    `channels` are open channels by name, `concurrency` and `deadline_s` their limits (4 and 10 s where not given). The
    driver calls `follow` for every record it has folded and whose outputs it has appended, and `adopt` once, when the
    book has first read to the end of the log; before that nothing is sent. `run` works until it is cancelled.
    """

    def __init__(
        self,
        channels: Mapping[str, Channel],
        contacts: Contacts,
        outbox: OutboxView,
        receipts: ReceiptLog,
        *,
        name: str,
        rank: int,
        clock: Clock,
        failpoint: Callable[[str], None] = lambda name: None,
        concurrency: Mapping[str, int] | None = None,
        deadline_s: Mapping[str, float] | None = None,
        meter: Meter | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self._everyone = Everyone(channels, contacts)
        self._channels = dict(channels) | {EVERY_CHANNEL: self._everyone}
        self._contacts = contacts
        self._outbox = outbox
        self._chance = chance or random.Random()
        self._by = f"{name}#{self._chance.getrandbits(32):08x}"
        """Tells this dispatcher from every other, its own earlier lives and forgotten copies included."""
        self._rank = rank
        self._clock = clock
        self._failpoint = failpoint
        self._concurrency = concurrency or {}
        self._deadline_s = {EVERY_CHANNEL: _EVERYONE_S} | dict(deadline_s or {})
        self._meter: Meter = meter or NoMeter()
        self._jobs: dict[str, Job] = {}
        self._lanes: dict[tuple[str, bool], Lane] = {}
        # Bounded by the number of channels that routes name, two lanes each.
        self._new_lanes: asyncio.Queue[tuple[str, Lane]] = asyncio.Queue()
        self._postbox = Postbox(receipts, clock)
        self._adopted = False
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._stuck: set[asyncio.Task[Sent]] = set()

    @property
    def log_unreachable_s(self) -> float:
        """For how long the log has not taken what this dispatcher appended; 0 while it does."""
        return self._postbox.unreachable_s

    @property
    def waiting(self) -> int:
        """Notices that this dispatcher has not brought to an end."""
        return len(self._jobs)

    def adopt(self) -> None:
        """The book has read to the end of the log: take over what stands in its outbox, and begin to act."""
        self._adopted = True
        for entry in self._outbox:
            self._add(entry.notice, self._first_turn(entry))

    def follow(self, offset: int, outputs: Outputs) -> None:
        """The book has folded the record at `offset`, and what it made is in the log."""
        self._postbox.folded(offset)
        if not self._adopted:
            return
        for receipt in outputs.receipts:
            self._heard(receipt)
        for notice in outputs.notices:
            if self._outbox.get(notice.id) is not None:
                self._add(notice, self._rank * RANK_STEP_S)

    async def run(self) -> None:
        """Send for ever. Ends only by an error that must end the process, or by cancellation: then no attempt is begun
        any more, and those under way have 3 s to end. A second cancellation ends them at once."""
        work = asyncio.create_task(self._work())
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            await self._drain()
            raise
        finally:
            work.cancel()
            await asyncio.wait({work})

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._postbox.run())
            while True:
                channel, lane = await self._new_lanes.get()
                group.create_task(self._serve(channel, lane))

    async def _drain(self) -> None:
        for lane in self._lanes.values():
            lane.stop()
        self._adopted = False
        try:
            async with asyncio.timeout(_DRAIN_S):
                await self._idle.wait()
        except TimeoutError:
            log.warning("%d attempts were still under way", self._busy)

    def _first_turn(self, entry: Entry) -> float:
        """How long a notice found at the start waits: whoever said `trying` may still be at it."""
        return max(self._rank * RANK_STEP_S, TAKEOVER_S if entry.status is Status.TRYING else 0.0)

    def _add(self, notice: Notice, wait_s: float) -> None:
        if notice.id in self._jobs:
            return
        job = self._jobs[notice.id] = Job(notice)
        self._put(job, wait_s)

    def _put(self, job: Job, wait_s: float) -> None:
        self._lane(job.notice).put(job, self._clock.monotonic_ns() + round(wait_s * SECOND))

    def _lane(self, notice: Notice) -> Lane:
        key = (notice.channel, notice.tier == 1)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(self._concurrency.get(notice.channel, 4))
            self._new_lanes.put_nowait((notice.channel, lane))
        return lane

    def _heard(self, receipt: Receipt) -> None:
        """A receipt of any dispatcher has been folded."""
        job = self._jobs.get(receipt.notice)
        if job is None:
            return
        if self._outbox.get(receipt.notice) is None:
            self._forget(job)
            return
        if receipt.by == self._by:
            return
        wait = TAKEOVER_S
        if receipt.kind is ReceiptKind.FAILED:
            # Whoever failed tries again; only if nothing comes of that is it our turn.
            wait += self._rank * RANK_STEP_S + wait_s(receipt.attempt, job.notice.tier, Verdict.RETRY, 1.0)
        if not job.busy and not job.settled:
            self._put(job, wait)

    def _forget(self, job: Job) -> None:
        self._jobs.pop(job.notice.id, None)
        self._lane(job.notice).drop(job)

    async def _serve(self, name: str, lane: Lane) -> None:
        """Give the lane's jobs their attempts, as many at once as it has slots."""
        channel = self._channels.get(name) or Missing(name)
        async with asyncio.TaskGroup() as group:
            while True:
                await lane.slots.acquire()
                while (job := lane.take(self._clock.monotonic_ns())) is None:
                    await lane.wait(self._clock.monotonic_ns())
                way = self._everyone if isinstance(channel, Missing) and job.notice.tier == 1 else channel
                self._begin(job)
                slot = Slot(lane)
                task = group.create_task(self._attempt(way, slot, job))
                task.add_done_callback(partial(self._end, slot))

    def _begin(self, job: Job) -> None:
        job.busy = True
        self._busy += 1
        self._idle.clear()

    def _end(self, slot: Slot, _: asyncio.Task[None]) -> None:
        self._busy -= 1
        if not self._busy:
            self._idle.set()
        slot.free()

    async def _attempt(self, channel: Channel, slot: Slot, job: Job) -> None:
        """One attempt, from the claim to the receipt; puts the job back unless it is over.

        The slot is free once the channel has answered: the next notice does not wait for this one's receipt.
        """
        notice = job.notice
        entry = self._outbox.get(notice.id)
        if entry is None:
            job.busy = False
            self._forget(job)
            return
        wait = TAKEOVER_S
        try:
            attempts = max(entry.attempts, job.tried)
            # Never before a first attempt: a clock that is days ahead must not silence anything.
            if attempts and self._clock.now_ns() - notice.due_ns > given_up_ns(notice.tier):
                await self._settle(job, ReceiptKind.EXPIRED, attempts, entry.detail or "no channel took it in time")
                return
            attempt = attempts + 1
            claim = await self._claim(job, attempt)
            if claim is Claim.YIELD:
                return
            sent = await self._send(channel, job, attempt, claim)
            slot.free()
            wait = await self._judge(slot.lane, job, attempt, sent)
        finally:
            job.busy = False
            if job.settled:
                self._lane(notice).drop(job)
            elif notice.id in self._jobs:
                self._put(job, wait)

    async def _claim(self, job: Job, attempt: int) -> Claim:
        """Say `trying`, and read in the log whose word stands first."""
        receipt = self._receipt(job.notice, ReceiptKind.TRYING, attempt)
        offset = await self._postbox.claim(receipt, CLAIM_S)
        if offset is None:
            return Claim.UNRECORDED
        if not await self._postbox.wait_folded(offset, CLAIM_S):
            return Claim.UNRECORDED if self._adopted else Claim.YIELD
        entry = self._outbox.get(job.notice.id)
        return Claim.OURS if entry is not None and entry.trying_offset == offset else Claim.YIELD

    async def _send(self, channel: Channel, job: Job, attempt: int, claim: Claim) -> Sent:
        """Hand it over, watched from outside: a channel that does not end in time is left behind, not waited for."""
        notice = job.notice
        job.tried = attempt
        delivery = Delivery(
            notice=notice,
            contact=self._contacts.get(notice.recipient),
            at_ns=self._clock.now_ns(),
            attempt=attempt,
            remark=_UNRECORDED if claim is Claim.UNRECORDED else _REPEATED if attempt > 1 else Text(),
        )
        self._failpoint("before-send")
        task = asyncio.create_task(channel.send(delivery))
        try:
            limit = self._deadline_s.get(notice.channel, 10.0) + _GRACE_S
            await asyncio.wait({task}, timeout=limit)
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=_GRACE_S)
        except asyncio.CancelledError:
            task.cancel()
            raise
        self._failpoint("after-send")
        if not task.done() or task.cancelled():
            self._leave(task)
            return Sent(verdict=Verdict.RETRY, detail=f"the channel did not end within {limit:g} s")
        error = task.exception()
        if error is not None:
            log.error("channel %s raised, which it must not", notice.channel, exc_info=error)
            return Sent(verdict=Verdict.RETRY, detail=f"the channel failed: {type(error).__name__}")
        return task.result()

    def _leave(self, task: asyncio.Task[Sent]) -> None:
        if not task.done():
            self._stuck.add(task)
            task.add_done_callback(self._stuck.discard)

    async def _judge(self, lane: Lane, job: Job, attempt: int, sent: Sent) -> float:
        """Record the outcome; returns how long to wait before the next attempt."""
        notice = job.notice
        self._meter.outcome(notice.channel, sent.verdict)
        if sent.accepted:
            self._meter.accepted(notice, self._clock.now_ns())
            await self._settle(job, ReceiptKind.ACCEPTED, attempt, sent.detail, sent.provider_id)
            return 0.0
        gone = sent.verdict is Verdict.GONE
        if gone:
            lane.closed_until_ns = self._clock.monotonic_ns() + round(GONE_PAUSE_S * SECOND)
        detail = (GONE if gone else "") + sent.detail
        log.warning("notice %s over %s, attempt %d: %s", notice.id, notice.channel, attempt, detail)
        await self._postbox.post(self._receipt(notice, ReceiptKind.FAILED, attempt, detail))
        return wait_s(attempt, notice.tier, sent.verdict, self._chance.random())

    async def _settle(self, job: Job, kind: ReceiptKind, attempt: int, detail: str, provider_id: str = "") -> None:
        """It is over for this dispatcher, even if the receipt takes its time to reach the log."""
        job.settled = True
        await self._postbox.post(self._receipt(job.notice, kind, attempt, detail, provider_id))

    def _receipt(
        self, notice: Notice, kind: ReceiptKind, attempt: int, detail: str = "", provider_id: str = ""
    ) -> Receipt:
        return Receipt(
            notice=notice.id,
            kind=kind,
            by=self._by,
            attempt=attempt,
            at_ns=self._clock.now_ns(),
            detail=detail[:500],
            provider_id=provider_id,
        )
