"""The dispatcher's way into the log: claims that must not wait for ever, and receipts that must not be lost."""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from alerting.dispatch.ports import Clock, ReceiptLog
from eventlog.port import LogError
from schemas.alarms import Receipt
from schemas.time import SECOND

log = logging.getLogger(__name__)
MOST_KEPT = 10_000
"""Receipts kept while the log does not take them. When full the oldest goes: at worst a notice is sent again."""

POST_S = 5.0
_RETRY_S = 1.0


class Postbox:
    """Appends receipts in the order in which they were posted."""

    def __init__(self, receipts: ReceiptLog, clock: Clock) -> None:
        self._receipts = receipts
        self._clock = clock
        self._kept: deque[Receipt] = deque()
        self._filled = asyncio.Event()
        self._folded = -1
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._failing_since_ns: int | None = None

    @property
    def unreachable_s(self) -> float:
        """Since when the log takes nothing, in seconds; 0 while it does."""
        if self._failing_since_ns is None:
            return 0.0
        return (self._clock.monotonic_ns() - self._failing_since_ns) / SECOND

    def folded(self, offset: int) -> None:
        """The book has folded up to here."""
        self._folded = max(self._folded, offset)
        reached = [waiter for at, waiter in self._waiters if at <= self._folded]
        self._waiters = [(at, waiter) for at, waiter in self._waiters if at > self._folded]
        for waiter in reached:
            if not waiter.done():
                waiter.set_result(None)

    async def claim(self, receipt: Receipt, within_s: float) -> int | None:
        """Append now; the offset, or None when the log did not take it in time (it may still have)."""
        return await self._append(receipt, within_s)

    async def wait_folded(self, offset: int, within_s: float) -> bool:
        """Until the book has folded `offset`; False when that takes too long."""
        if self._folded >= offset:
            return True
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((offset, waiter))
        try:
            async with asyncio.timeout(within_s):
                await waiter
        except TimeoutError:
            return False
        return True

    async def post(self, receipt: Receipt) -> None:
        """Append, now or as soon as the log takes it again; returns without waiting for that."""
        if self._kept or await self._append(receipt, POST_S) is None:
            if len(self._kept) >= MOST_KEPT:
                self._kept.popleft()
            self._kept.append(receipt)
            self._filled.set()

    async def run(self) -> None:
        """Append what was kept, for ever."""
        while True:
            await self._filled.wait()
            while self._kept:
                receipt = self._kept.popleft()
                if await self._append(receipt, POST_S) is None:
                    self._kept.appendleft(receipt)
                    await asyncio.sleep(_RETRY_S)
            self._filled.clear()

    async def _append(self, receipt: Receipt, within_s: float) -> int | None:
        try:
            async with asyncio.timeout(within_s):
                offset = await self._receipts.append(receipt)
        except (LogError, TimeoutError) as error:
            if self._failing_since_ns is None:
                self._failing_since_ns = self._clock.monotonic_ns()
                log.error("the log does not take receipts: %s", error or "no answer in time")
            return None
        self._failing_since_ns = None
        return offset
