"""A small world with a clock of its own: a loop that skips waiting, a log in memory, channels that count, and alarm
processes that are killed and started again."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from alerting.book import Book
from alerting.contacts import Contacts
from alerting.dispatch import Channel, Dispatcher
from alerting.sending import Delivery, Sent, Verdict
from eventlog.port import LogUnavailable
from schemas.alarms import Receipt
from schemas.records import Kind, decode, encode
from schemas.registry import Route, Struct
from schemas.time import SECOND
from tests.alerting.bench import START, revision

T = TypeVar("T")


class _Selector(selectors.SelectSelector):
    """Never waits: the time it would have waited is added to the clock."""

    skipped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("the simulated world stands still: nothing is scheduled")
        self.skipped += max(0.0, timeout)
        return super().select(0)


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only while everybody waits."""

    def __init__(self) -> None:
        self._skipping = _Selector()
        super().__init__(self._skipping)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._skipping.skipped


def simulate(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run to the end in simulated time."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(main())


class LoopClock:
    """Wall and monotonic time of the running loop."""

    def now_ns(self) -> int:
        return START + self.monotonic_ns()

    def monotonic_ns(self) -> int:
        return round(asyncio.get_running_loop().time() * SECOND)


@dataclass
class EventsInMemory:
    """A partition of `events`; appends take up to `slowest_s`, and fail while `down`."""

    chance: random.Random
    slowest_s: float = 0.05
    down: bool = False
    records: list[tuple[int, int, str, bytes]] = field(default_factory=list)
    grown: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, payload: Struct, kind: Kind) -> int:
        offset = len(self.records)
        self.records.append((offset, LoopClock().now_ns(), str(kind), encode(payload)))
        self.grown.set()
        self.grown = asyncio.Event()
        return offset

    async def append(self, receipt: Receipt) -> int:
        await asyncio.sleep(self.chance.uniform(0, self.slowest_s))
        if self.down:
            raise LogUnavailable("down")
        offset = self.put(receipt, Kind.RECEIPT)
        await asyncio.sleep(self.chance.uniform(0, self.slowest_s))
        return offset

    def receipts(self) -> list[Receipt]:
        found = (decode(kind, value) for _, _, kind, value in self.records if kind == Kind.RECEIPT)
        return [receipt for receipt in found if isinstance(receipt, Receipt)]


@dataclass
class CountingChannel:
    """Takes a message after a while, answers after another. `verdicts` says what the next attempts meet."""

    travel_s: Callable[[], float] = lambda: 0.01
    answer_s: Callable[[], float] = lambda: 0.01
    verdict: Callable[[Delivery], Verdict] = lambda delivery: Verdict.ACCEPTED
    taken: Counter[str] = field(default_factory=Counter)
    attempts: list[tuple[float, Delivery]] = field(default_factory=list)
    slow: Counter[str] = field(default_factory=Counter)
    slow_s: float = 4.0

    async def send(self, delivery: Delivery) -> Sent:
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.attempts.append((began, delivery))
        await asyncio.sleep(self.travel_s())
        verdict = self.verdict(delivery)
        if verdict is Verdict.ACCEPTED:
            self.taken[delivery.notice.id] += 1
        try:
            await asyncio.sleep(self.answer_s())
        finally:
            if loop.time() - began > self.slow_s:
                self.slow[delivery.notice.id] += 1
        return Sent(verdict=verdict, detail=str(verdict))

    async def close(self) -> None:
        """Nothing to release."""


class AlarmProcess:
    """A book and a dispatcher of one rank, driven as the role `alarm` drives them. It starts from nothing."""

    started = 0

    def __init__(
        self,
        log: EventsInMemory,
        channels: Mapping[str, Channel],
        *,
        rank: int = 0,
        routes: tuple[Route, ...] = (),
        contacts: Contacts | None = None,
        failpoint: Callable[[str], None] = lambda name: None,
        concurrency: dict[str, int] | None = None,
    ) -> None:
        AlarmProcess.started += 1
        self.log = log
        self.book = Book(0, 1)
        self.book.start_at(0, revision(*(routes or (Route(id="duty", channel="hook", recipients=("officer",)),))))
        self.dispatcher = Dispatcher(
            channels,
            contacts or Contacts(),
            self.book.outbox,
            log,
            name=f"alarm-{rank}.{AlarmProcess.started}",
            rank=rank,
            clock=LoopClock(),
            failpoint=failpoint,
            concurrency=concurrency,
            chance=random.Random(log.chance.random()),
        )
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._fold()), asyncio.create_task(self.dispatcher.run())]

    async def kill(self) -> None:
        """What was under way stays half done: the second cancellation leaves no time to end anything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.sleep(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def stop(self) -> None:
        """An orderly end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def died(self) -> BaseException | None:
        """What a task died of, if one did."""
        ended = [task for task in self._tasks if task.done() and not task.cancelled()]
        return ended[0].exception() if ended else None

    async def _fold(self) -> None:
        end = len(self.log.records)
        while True:
            while self.book.next_offset < len(self.log.records):
                offset, append_ns, kind, value = self.log.records[self.book.next_offset]
                outputs = self.book.apply(offset, append_ns, kind, value)
                self.dispatcher.follow(offset, outputs)
                if self.book.next_offset == end:
                    self.dispatcher.adopt()
            if end == 0:
                end = -1
                self.dispatcher.adopt()
            grown = self.log.grown
            if self.book.next_offset >= len(self.log.records):
                await grown.wait()
