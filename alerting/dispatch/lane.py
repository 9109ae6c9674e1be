"""A lane: the notices of one channel that wait for their attempt, most urgent first.

Each channel has two, one for tier 1 alone, so that neither another channel nor a flood of lesser notices stands before
a tier-1 notice. A lane holds what the book's outbox holds and is bounded by it (`outbox.MOST_NOTICES`): nothing is
dropped here, what finds no slot waits.
"""

from __future__ import annotations

import asyncio
import heapq
from dataclasses import dataclass
from itertools import count

from schemas.alarms import Notice

_SECOND_NS = 1_000_000_000


@dataclass(slots=True, eq=False)
class Job:
    """A notice that this dispatcher answers for. `due_ns` is of the monotonic clock.

    `tried` counts the attempts made here; `settled` means that it is over and only the receipt is still on its way.
    """

    notice: Notice
    due_ns: int = 0
    turn: int = -1
    busy: bool = False
    settled: bool = False
    tried: int = 0

    @property
    def urgency(self) -> tuple[int, int, int]:
        """First attempts before repetitions, then by tier and age."""
        return (min(self.tried, 1), self.notice.tier, self.notice.due_ns)


class Lane:
    """Jobs ordered by when they may be tried and how urgent they are; a job stands here at most once."""

    def __init__(self, concurrency: int) -> None:
        self.slots = asyncio.Semaphore(concurrency)
        self.closed_until_ns = 0
        self._stopped = False
        self._later: list[tuple[int, int, Job]] = []
        self._ready: list[tuple[tuple[int, int, int], int, Job]] = []
        self._turns = count()
        self._changed = asyncio.Event()

    def put(self, job: Job, due_ns: int) -> None:
        """The job may be tried from `due_ns` on; where it stood before no longer counts."""
        job.due_ns = due_ns
        job.turn = next(self._turns)
        heapq.heappush(self._later, (due_ns, job.turn, job))
        self._changed.set()

    def stop(self) -> None:
        """Give out nothing more."""
        self._stopped = True

    def drop(self, job: Job) -> None:
        """The job is over."""
        job.turn = -1

    def take(self, now_ns: int) -> Job | None:
        """The most urgent job that may be tried now."""
        if self._stopped or now_ns < self.closed_until_ns:
            return None
        while self._later and self._later[0][0] <= now_ns:
            _, turn, job = heapq.heappop(self._later)
            if job.turn == turn:
                heapq.heappush(self._ready, (job.urgency, turn, job))
        while self._ready:
            _, turn, job = heapq.heappop(self._ready)
            if job.turn == turn:
                job.turn = -1
                return job
        return None

    async def wait(self, now_ns: int) -> None:
        """Until something may have changed for `take`."""
        wake_ns = self._later[0][0] if self._later and not self._stopped else None
        if now_ns < self.closed_until_ns:
            wake_ns = self.closed_until_ns
        self._changed.clear()
        try:
            async with asyncio.timeout(None if wake_ns is None else max(0.0, (wake_ns - now_ns) / _SECOND_NS)):
                await self._changed.wait()
        except TimeoutError:
            pass


class Slot:
    """One of a lane's slots, taken; `free` gives it back, once."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self._taken = True

    def free(self) -> None:
        if self._taken:
            self._taken = False
            self.lane.slots.release()
