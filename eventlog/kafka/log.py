"""`KafkaLog`: the event log on Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from eventlog.kafka.connection import KafkaConnection, stop_consumer
from eventlog.kafka.consuming import OutOfRange, PartitionReader, Readers, new_consumer
from eventlog.kafka.incarnation import read_incarnation
from eventlog.kafka.producing import TopicProducer
from eventlog.limits import APPEND_DEADLINE_S, CLOSE_DEADLINE_S, check_position, check_records
from eventlog.port import Bounds, LogUnavailable, NewRecord, Position, Record, TopicMissing, TopicSpec

READ_DEADLINE_S = 10.0


class KafkaLog:
    """`EventLog` on Kafka topics that were verified. Clients are started when first needed."""

    def __init__(
        self,
        connection: KafkaConnection,
        specs: Sequence[TopicSpec],
        append_deadline_s: float = APPEND_DEADLINE_S,
        read_deadline_s: float = READ_DEADLINE_S,
    ) -> None:
        self._connection = connection
        self._specs = {spec.name: spec for spec in specs}
        self._append_deadline_s = append_deadline_s
        self._read_deadline_s = read_deadline_s
        self._producers = {spec.name: TopicProducer(connection, spec) for spec in specs}
        self._readers: dict[tuple[str, int], Readers] = {}
        self._asker: AIOKafkaConsumer | None = None
        self._asking = asyncio.Lock()
        self._closing: asyncio.Task[None] | None = None

    def _spec(self, topic: str, partition: int) -> TopicSpec:
        spec = self._specs.get(topic)
        if spec is None:
            raise TopicMissing(f"there is no topic {topic}; known are {', '.join(self._specs)}")
        if not 0 <= partition < spec.partitions:
            raise TopicMissing(f"{topic} has no partition {partition}: it has {spec.partitions}")
        return spec

    async def append(self, topic: str, partition: int, records: Sequence[NewRecord]) -> list[Position]:
        check_records(self._spec(topic, partition), records)
        if not records:
            return []
        try:
            async with asyncio.timeout(self._append_deadline_s):
                return await self._producers[topic].append(partition, records)
        except TimeoutError as error:
            raise LogUnavailable(
                f"topic {topic}: Kafka at {self._connection.bootstrap} did not confirm an append within "
                f"{self._append_deadline_s:g} s"
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
        self._spec(topic, partition)
        if self._closing is not None:
            raise LogUnavailable("the log is closed")
        readers = self._readers.get((topic, partition))
        if readers is None:
            readers = self._readers[(topic, partition)] = Readers(self._connection, topic, partition)
        try:
            async with asyncio.timeout(wait_s + self._read_deadline_s):
                reader = await readers.borrow(start)
                try:
                    records = await self._read(reader, topic, partition, start, max_records, max_bytes, wait_s)
                except asyncio.CancelledError:
                    readers.give_back(reader, good=True)
                    raise
                except BaseException:
                    readers.give_back(reader, good=False)
                    raise
                readers.give_back(reader, good=True)
                return records
        except TimeoutError as error:
            raise LogUnavailable(
                f"{topic}/{partition}: Kafka at {self._connection.bootstrap} did not answer within "
                f"{self._read_deadline_s:g} s"
            ) from error

    async def _read(
        self,
        reader: PartitionReader,
        topic: str,
        partition: int,
        start: int,
        max_records: int,
        max_bytes: int,
        wait_s: float,
    ) -> list[Record]:
        """Records that have come; if none has, asks whether that is because there are none."""
        while True:
            try:
                records = await reader.read(max_records, max_bytes, wait_s)
            except OutOfRange:
                records = []
            if records:
                return records
            # A consumer says nothing when the broker is gone or the topic was made anew, so the end is asked for.
            bounds = await self._bounds(topic, partition)
            check_position(topic, partition, start, bounds)
            if start == bounds.end:
                return []
            # There are records; the deadline of `read` bounds the wait for them.
            wait_s = 1.0

    async def bounds(self, topic: str, partition: int) -> Bounds:
        self._spec(topic, partition)
        try:
            async with asyncio.timeout(self._read_deadline_s):
                return await self._bounds(topic, partition)
        except TimeoutError as error:
            raise LogUnavailable(
                f"{topic}/{partition}: Kafka at {self._connection.bootstrap} did not answer within "
                f"{self._read_deadline_s:g} s"
            ) from error

    async def _bounds(self, topic: str, partition: int) -> Bounds:
        at = TopicPartition(topic, partition)
        asker = await self._offset_asker()
        try:
            # In this order: a record that retention removes in between only makes the start too small.
            starts = await asker.beginning_offsets([at])
            ends = await asker.end_offsets([at])
        except KafkaError as error:
            raise LogUnavailable(f"{topic}/{partition}: {error!r}") from error
        return Bounds(starts[at], ends[at])

    async def _offset_asker(self) -> AIOKafkaConsumer:
        """A consumer that reads nothing: a question on a reader's connection would wait behind its long poll."""
        async with self._asking:
            if self._closing is not None:
                raise LogUnavailable("the log is closed")
            if self._asker is None:
                self._asker = await new_consumer(self._connection)
            return self._asker

    async def partitions(self, topic: str) -> int:
        return self._spec(topic, 0).partitions

    async def incarnation(self) -> int:
        return (await read_incarnation(self)).incarnation

    async def close(self) -> None:
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        async with asyncio.TaskGroup() as group:
            for producer in self._producers.values():
                group.create_task(producer.close(CLOSE_DEADLINE_S / 2))
            for readers in self._readers.values():
                group.create_task(readers.close())
            if self._asker is not None:
                group.create_task(stop_consumer(self._asker, CLOSE_DEADLINE_S / 2))
