"""The newest records of a partition in memory, and who waits for the next one. Lives on the event loop only."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from eventlog.limits import again
from eventlog.port import Bounds, LogError, Record


class PartitionTail:
    """A bounded run of the newest records (offsets without gaps), the partition's bounds, and its waiting readers."""

    def __init__(self, bounds: Bounds, limit_bytes: int) -> None:
        self.start = bounds.start
        self.end = bounds.end
        self._limit_bytes = limit_bytes
        self._records: list[Record] = []
        self._bytes = 0
        self._waiters: set[asyncio.Future[None]] = set()
        self._ended: LogError | None = None

    def extend(self, records: Sequence[Record]) -> None:
        """Takes the records of a commit and wakes the readers. A jump in the offsets empties the memory first."""
        if records[0].offset != self.end:
            self._records.clear()
            self._bytes = 0
        self._records.extend(records)
        self._bytes += sum(_size(record) for record in records)
        self.end = records[-1].offset + 1
        if self._bytes > self._limit_bytes:
            self._shrink()
        self._wake()

    def _shrink(self) -> None:
        """Forgets the oldest records down to half the limit, so that the cost is shared by many commits."""
        gone = 0
        while self._bytes > self._limit_bytes // 2 and gone < len(self._records):
            self._bytes -= _size(self._records[gone])
            gone += 1
        del self._records[:gone]

    def read(self, start: int, max_records: int, max_bytes: int) -> list[Record] | None:
        """Records from `start` on within the bounds, at least one; None when `start` is not in memory."""
        index = start - (self.end - len(self._records))
        if index < 0:
            return None
        found = self._records[index : index + max(1, max_records)]
        size = 0
        for count, record in enumerate(found):
            size += len(record.key) + len(record.value)
            if size > max_bytes and count:
                return found[:count]
        return found

    async def wait_beyond(self, offset: int, wait_s: float) -> bool:
        """Waits until the end lies beyond `offset`; False when `wait_s` has passed without.

        Raises what `close` was given.
        """
        if self._ended is not None:
            raise again(self._ended)
        if self.end > offset:
            return True
        if wait_s <= 0:
            return False
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            async with asyncio.timeout(wait_s):
                await waiter
        except TimeoutError:
            return self.end > offset
        finally:
            self._waiters.discard(waiter)
        return True

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    def close(self, error: LogError) -> None:
        """Readers that wait, and all later ones, get `error`."""
        self._ended = error
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(again(error))
        self._waiters.clear()


def _size(record: Record) -> int:
    return len(record.key) + len(record.kind) + len(record.value) + 128
