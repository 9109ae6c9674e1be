"""Reading partitions: consumers without a group, each following one run of sequential reads.

A consumer fetches ahead on a long poll; sending it elsewhere would throw that away and then wait for the poll. So a
reader that is asked for anything but its next record is replaced, and a partition may have several readers, each at its
own place.
"""

from __future__ import annotations

import asyncio
from collections import deque

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CorruptRecordException, KafkaError, OffsetOutOfRangeError
from aiokafka.structs import ConsumerRecord

from eventlog.kafka.connection import KafkaConnection, stop_consumer
from eventlog.kafka.producing import KIND_HEADER
from eventlog.port import LogError, LogUnavailable, Record

FETCH_BYTES = 4 << 20
READERS = 4
IDLE_S = 60.0
STOP_S = 1.0


async def new_consumer(connection: KafkaConnection) -> AIOKafkaConsumer:
    """A started consumer without a group and without a place to read. Raises `LogUnavailable`."""
    options = await asyncio.to_thread(connection.options)
    consumer = AIOKafkaConsumer(
        **options,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        check_crcs=True,
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    try:
        await consumer.start()
    except BaseException as error:
        await stop_consumer(consumer, STOP_S)
        if isinstance(error, KafkaError):
            raise LogUnavailable(f"Kafka at {connection.bootstrap} cannot be reached: {error}") from error
        raise
    return consumer


class OutOfRange(Exception):
    """The broker does not have the offset that a reader stands at."""


class PartitionReader:
    """A consumer at `next`; used by one task at a time."""

    def __init__(self, consumer: AIOKafkaConsumer, at: TopicPartition, start: int) -> None:
        self.next = start
        self.busy = True
        self.used_at = 0.0
        self._consumer = consumer
        self._at = at
        self._buffer: deque[Record] = deque()
        # Both in one breath: without a place the consumer would ask the (missing) group for one.
        consumer.assign([at])
        consumer.seek(at, start)

    async def read(self, max_records: int, max_bytes: int, wait_s: float) -> list[Record]:
        """The next records, none if `wait_s` passes first. Raises `OutOfRange`, `LogError`."""
        if not self._buffer:
            await self._fetch(max_records, wait_s)
        found: list[Record] = []
        size = 0
        while self._buffer and len(found) < max(1, max_records):
            record = self._buffer[0]
            size += len(record.key) + len(record.value)
            if found and size > max_bytes:
                break
            found.append(self._buffer.popleft())
        if found:
            self.next = found[-1].offset + 1
        return found

    async def _fetch(self, max_records: int, wait_s: float) -> None:
        try:
            got = await self._consumer.getmany(
                self._at, timeout_ms=max(0, int(wait_s * 1000)), max_records=max(1, max_records)
            )
        except OffsetOutOfRangeError as error:
            raise OutOfRange from error
        except CorruptRecordException as error:
            raise LogError(
                f"{self._at.topic}/{self._at.partition}: the records from offset {self.next} on are damaged ({error}); "
                "check the broker's disk"
            ) from error
        except KafkaError as error:
            raise LogUnavailable(f"{self._at.topic}/{self._at.partition}: {error!r}") from error
        for message in got.get(self._at, ()):
            self._buffer.append(_record(message))

    async def close(self) -> None:
        await stop_consumer(self._consumer, STOP_S)


def _record(message: ConsumerRecord[bytes, bytes]) -> Record:
    kind = b""
    for name, value in message.headers:
        if name == KIND_HEADER:
            kind = value or b""
    return Record(
        message.topic,
        message.partition,
        message.offset,
        message.timestamp * 1_000_000,
        message.key or b"",
        kind.decode(errors="replace"),
        message.value or b"",
    )


class Readers:
    """The readers of one partition, at most `READERS`. State changes between awaits only, so it needs no lock."""

    def __init__(self, connection: KafkaConnection, topic: str, partition: int) -> None:
        self._connection = connection
        self._at = TopicPartition(topic, partition)
        self._readers: list[PartitionReader] = []
        self._starting = 0
        self._freed = asyncio.Event()
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    async def borrow(self, start: int) -> PartitionReader:
        """A reader that stands at `start`; give it back. Waits for one when all are busy."""
        while not self._closed:
            idle = [reader for reader in self._readers if not reader.busy]
            for reader in idle:
                if reader.next == start:
                    reader.busy = True
                    return reader
            if len(self._readers) + self._starting < READERS:
                return await self._start(start)
            if idle:
                self._drop(min(idle, key=lambda reader: reader.used_at))
            else:
                self._freed.clear()
                await self._freed.wait()
        raise LogUnavailable("the log is closed")

    async def _start(self, start: int) -> PartitionReader:
        self._starting += 1
        try:
            consumer = await new_consumer(self._connection)
        finally:
            self._starting -= 1
            self._freed.set()
        reader = PartitionReader(consumer, self._at, start)
        self._readers.append(reader)
        if self._closed:
            self._drop(reader)
            raise LogUnavailable("the log is closed")
        return reader

    def give_back(self, reader: PartitionReader, *, good: bool) -> None:
        """Ends a reader that is not `good`, and those that nobody has used for `IDLE_S`."""
        now = asyncio.get_running_loop().time()
        reader.busy = False
        reader.used_at = now
        stale = [other for other in self._readers if not other.busy and now - other.used_at > IDLE_S]
        for other in stale if good else [*stale, reader]:
            self._drop(other)
        self._freed.set()

    def _drop(self, reader: PartitionReader) -> None:
        if reader in self._readers:
            self._readers.remove(reader)
            task = asyncio.create_task(reader.close())
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """Ends all readers within `STOP_S` and a little; a read under way gets an error."""
        self._closed = True
        self._freed.set()
        for reader in list(self._readers):
            self._drop(reader)
        if self._ending:
            await asyncio.wait(self._ending)
