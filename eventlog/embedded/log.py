"""`EmbeddedLog`: the event log of one machine, in the process that writes it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from eventlog.embedded.directory import WriterLock, check, load, register, sync_directory, topic_path
from eventlog.embedded.lane import Lane
from eventlog.embedded.reading import ReadPool
from eventlog.embedded.store import TopicWriter
from eventlog.limits import APPEND_DEADLINE_S, CLOSE_DEADLINE_S, check_position, check_records
from eventlog.port import Bounds, LogUnavailable, NewRecord, Position, Record, TopicMissing, TopicSpec

RING_BYTES = 16 << 20


class EmbeddedLog:
    """`EventLog` over SQLite files; only one process may have it open (`RemoteLog` is for the others).

    `on_failure` is called on the loop when a writer thread or a session of the server dies of a bug: the process should
    end. A disk that is full or fails is not that: it makes appends raise `LogUnavailable` until it works again.
    """

    def __init__(
        self,
        directory: Path,
        lock: WriterLock,
        incarnation: int,
        lanes: dict[str, Lane],
        append_deadline_s: float,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        """Use `open`."""
        self.directory = directory
        self.on_failure = on_failure
        self._lock = lock
        self._incarnation = incarnation
        self._lanes = lanes
        self._deadline_s = append_deadline_s
        self._pool = ReadPool(directory)
        self._closing: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        directory: Path,
        specs: Sequence[TopicSpec],
        *,
        first_incarnation: int = 1,
        append_deadline_s: float = APPEND_DEADLINE_S,
        on_failure: Callable[[BaseException], None] | None = None,
    ) -> EmbeddedLog:
        """Creates what is missing and starts the writers.

        Raises `LogError` if another process writes this directory.
        """
        lock, incarnation, writers = await asyncio.to_thread(_open_files, directory, specs, first_incarnation)
        report = on_failure or _report_to_loop
        lanes = {
            spec.name: Lane(directory, spec, writer, RING_BYTES, report)
            for spec, writer in zip(specs, writers, strict=True)
        }
        return cls(directory, lock, incarnation, lanes, append_deadline_s, report)

    def _lane(self, topic: str, partition: int) -> Lane:
        lane = self._lanes.get(topic)
        if lane is None:
            raise TopicMissing(f"{self.directory}: there is no topic {topic}; the log has {', '.join(self._lanes)}")
        if not 0 <= partition < lane.spec.partitions:
            raise TopicMissing(f"{topic} has no partition {partition}: it has {lane.spec.partitions}")
        return lane

    async def append(self, topic: str, partition: int, records: Sequence[NewRecord]) -> list[Position]:
        lane = self._lane(topic, partition)
        check_records(lane.spec, records)
        if not records:
            return []
        try:
            async with asyncio.timeout(self._deadline_s):
                return await lane.append(partition, records)
        except TimeoutError as error:
            raise LogUnavailable(
                f"topic {topic}: the disk did not confirm an append within {self._deadline_s:g} s"
            ) from error

    async def read(
        self,
        topic: str,
        partition: int,
        start: int,
        *,
        max_records: int = 1000,
        max_bytes: int = 4 << 20,
        wait_s: float = 0.0,
    ) -> list[Record]:
        tail = self._lane(topic, partition).tails[partition]
        check_position(topic, partition, start, Bounds(tail.start, tail.end))
        if not await tail.wait_beyond(start, wait_s):
            return []
        found = tail.read(start, max_records, max_bytes)
        if found is not None:
            return found
        end = tail.end
        return await self._pool.run(
            topic,
            lambda reader: reader.read(partition, start, max_records=max_records, max_bytes=max_bytes, end=end),
        )

    async def wait_beyond(self, topic: str, partition: int, offset: int, wait_s: float) -> bool:
        """True once the end of the partition lies beyond `offset`, False after `wait_s`: for `EmbeddedServer`."""
        return await self._lane(topic, partition).tails[partition].wait_beyond(offset, wait_s)

    async def bounds(self, topic: str, partition: int) -> Bounds:
        tail = self._lane(topic, partition).tails[partition]
        return Bounds(tail.start, tail.end)

    async def partitions(self, topic: str) -> int:
        return self._lane(topic, 0).spec.partitions

    @property
    def disk_low(self) -> bool:
        """Whether the disk is so full that topics may have to give up their oldest records early."""
        return any(lane.disk_low for lane in self._lanes.values())

    async def incarnation(self) -> int:
        return self._incarnation

    async def close(self) -> None:
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        for lane in self._lanes.values():
            lane.begin_close()
        self._pool.close()
        joined = await asyncio.to_thread(self._join)
        if joined:
            self._lock.release()

    def _join(self) -> bool:
        """Waits for the writers; the lock stays held while one of them hangs, for it may still write."""
        until = time.monotonic() + CLOSE_DEADLINE_S
        joined = [lane.join(until - time.monotonic()) for lane in self._lanes.values()]
        return all(joined)


def _open_files(
    directory: Path, specs: Sequence[TopicSpec], first_incarnation: int
) -> tuple[WriterLock, int, list[TopicWriter]]:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = WriterLock(directory)
    writers: list[TopicWriter] = []
    try:
        check(directory, specs)
        for spec in specs:
            writers.append(TopicWriter(topic_path(directory, spec.name), spec))
        register(directory, specs, first_incarnation)
        sync_directory(directory)
        return lock, load(directory)[1], writers
    except BaseException:
        for writer in writers:
            writer.close()
        lock.release()
        raise


def _report_to_loop(error: BaseException) -> None:
    asyncio.get_running_loop().call_exception_handler({"message": "a writer of the event log died", "exception": error})
