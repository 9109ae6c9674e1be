"""A topic's way to disk: a bounded queue from the event loop to one thread that commits in groups.

One lane per topic, so that `events` never waits behind `readings`. When the queue is full, appends wait (and give up at
their own deadline). The thread takes whatever has gathered while the disk was busy; that is the group.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from eventlog.embedded.packing import stored_size
from eventlog.embedded.spare import disk_is_low, is_full
from eventlog.embedded.store import Appended, TopicWriter
from eventlog.embedded.tail import PartitionTail
from eventlog.limits import again
from eventlog.port import Bounds, LogError, LogUnavailable, NewRecord, Position, Record, TopicSpec

log = logging.getLogger(__name__)
QUEUE_BYTES = 64 << 20
GROUP_BYTES = 4 << 20
CLEAN_EVERY_S = 1.0
CLEAN_AGAIN_S = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One append on its way: `done` belongs to the event loop."""

    partition: int
    records: Sequence[NewRecord]
    size: int
    done: asyncio.Future[list[Position]]


class Lane:
    """The writer of one topic, and the tails of its partitions. All public methods belong to the event loop."""

    def __init__(
        self,
        directory: Path,
        spec: TopicSpec,
        writer: TopicWriter,
        ring_bytes: int,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self.spec = spec
        self.disk_low = False
        self._directory = directory
        self.tails = [PartitionTail(bounds, ring_bytes // spec.partitions) for bounds in writer.bounds()]
        self._writer = writer
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._queued_bytes = 0
        self._room: deque[asyncio.Future[None]] = deque()
        self._closed: LogError | None = None
        self._thread = threading.Thread(target=self._run, name=f"log-{spec.name}", daemon=True)
        self._thread.start()

    async def append(self, partition: int, records: Sequence[NewRecord]) -> list[Position]:
        """Queues the records and waits until they are on disk.

        Raises `LogUnavailable`; gives no deadline of its own.
        """
        size = sum(map(stored_size, records))
        await self._wait_for_room(size)
        if self._closed is not None:
            raise again(self._closed)
        job = Job(partition, tuple(records), size, self._loop.create_future())
        self._queued_bytes += size
        self._jobs.put(job)
        return await job.done

    async def _wait_for_room(self, size: int) -> None:
        """Waits, first come first served, until the queue takes `size` more bytes. An empty queue takes anything."""
        if self._closed is not None or (not self._room and self._fits(size)):
            return
        turn: asyncio.Future[None] = self._loop.create_future()
        self._room.append(turn)
        try:
            while True:
                await turn
                if self._closed is not None or self._fits(size):
                    return
                turn = self._room[0] = self._loop.create_future()
        finally:
            self._room.remove(turn)
            self._next_in_line()

    def _fits(self, size: int) -> bool:
        return self._queued_bytes == 0 or self._queued_bytes + size <= QUEUE_BYTES

    def _next_in_line(self) -> None:
        if self._room and not self._room[0].done():
            self._room[0].set_result(None)

    def begin_close(self) -> None:
        """No append is taken from now on; what is queued will still be written."""
        if self._closed is None:
            self._jobs.put(None)
            self._end(LogUnavailable("the log is closed"))

    def join(self, timeout_s: float) -> bool:
        """Waits for the thread (blocking); False when it still runs, which only a disk that hangs can cause."""
        self._thread.join(max(0.0, timeout_s))
        return not self._thread.is_alive()

    def _end(self, error: LogError) -> None:
        self._closed = error
        for tail in self.tails:
            tail.close(error)
        for turn in self._room:
            if not turn.done():
                turn.set_result(None)

    # Below, on the loop, called by the thread.

    def _committed(self, group: Sequence[Job], appended: Appended) -> None:
        fresh: dict[int, list[Record]] = {}
        for job, first in zip(group, appended.first, strict=True):
            stamp, partition = appended.append_ns, job.partition
            fresh.setdefault(partition, []).extend(
                Record(self.spec.name, partition, offset, stamp, new.key, new.kind, new.value)
                for offset, new in enumerate(job.records, first)
            )
            if not job.done.done():
                last = first + len(job.records)
                job.done.set_result([Position(partition, offset, stamp) for offset in range(first, last)])
        for partition, records in fresh.items():
            self.tails[partition].extend(records)
        self._take_off(group)

    def _failed(self, group: Sequence[Job], error: LogError) -> None:
        for job in group:
            if not job.done.done():
                job.done.set_exception(again(error))
        self._take_off(group)

    def _take_off(self, group: Sequence[Job]) -> None:
        self._queued_bytes -= sum(job.size for job in group)
        self._next_in_line()

    def _cleaned(self, bounds: Sequence[Bounds], disk_low: bool) -> None:
        if disk_low and not self.disk_low:
            log.warning("the disk of the log is nearly full: topic %s lives on what it has", self.spec.name)
        self.disk_low = disk_low
        for tail, bound in zip(self.tails, bounds, strict=True):
            tail.start = bound.start

    def _died(self, error: BaseException) -> None:
        death = LogError(f"the writer of topic {self.spec.name} died: {error!r}")
        death.__cause__ = error
        self._end(death)
        with contextlib.suppress(Empty):
            while True:
                if (job := self._jobs.get_nowait()) is not None:
                    self._failed([job], death)
        self._on_failure(error)

    # Below, in the thread.

    def _post(self, callback: Callable[..., None], *args: object) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            # The loop is closed: nobody is left to be told.
            pass

    def _run(self) -> None:
        group: list[Job] = []
        try:
            clean_at = time.monotonic()
            stopping = False
            while not stopping:
                stopping = self._take_group(group, clean_at - time.monotonic())
                if group:
                    if not self._commit(group):
                        clean_at = time.monotonic()
                    group = []
                if not stopping and time.monotonic() >= clean_at:
                    clean_at = time.monotonic() + (CLEAN_AGAIN_S if self._clean() else CLEAN_EVERY_S)
        except BaseException as error:
            self._post(self._failed, group, LogError(f"the writer of topic {self.spec.name} died: {error!r}"))
            self._post(self._died, error)
            raise
        finally:
            self._writer.close()

    def _take_group(self, group: list[Job], wait_s: float) -> bool:
        """Fills `group` with the jobs that have gathered; True when the queue has ended."""
        size = 0
        try:
            job = self._jobs.get(timeout=wait_s) if wait_s > 0 else self._jobs.get_nowait()
            while job is not None:
                group.append(job)
                size += job.size
                if size >= GROUP_BYTES:
                    return False
                job = self._jobs.get_nowait()
        except Empty:
            return False
        return True

    def _commit(self, group: list[Job]) -> bool:
        """False when the disk is full, so that making room is due at once."""
        parts = [(job.partition, job.records) for job in group]
        try:
            self._writer.recover()
            appended = self._writer.append(parts, time.time_ns())
        except (sqlite3.Error, OSError, LogError) as error:
            self._writer.failed(error)
            failure = LogUnavailable(f"topic {self.spec.name} could not be written: {error}")
            failure.__cause__ = error
            self._post(self._failed, group, failure)
            return not is_full(error)
        self._post(self._committed, group, appended)
        return True

    def _clean(self) -> bool:
        try:
            low = disk_is_low(self._directory)
            self._writer.recover()
            more = self._writer.clean(disk_low=low)
            self._post(self._cleaned, self._writer.bounds(), low)
        except (sqlite3.Error, OSError, LogError) as error:
            # An append will meet the same trouble and report it; cleaning just tries again later.
            self._writer.failed(error)
            return False
        return more
