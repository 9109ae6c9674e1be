"""Appending to one topic: an idempotent producer that is replaced whenever it may have gone wrong.

A topic has a producer of its own, so that a snapshot of 16 MB or a flood of readings never stands before an event, and
so that a refusal in one topic cannot stop another. aiokafka numbers its batches before it sends them and never takes a
number back, so after any error of a delivery every later one fails too (measured: 100 of 100): the producer is then
replaced. On a mere timeout it stays, since what it still holds keeps its order; only when nothing has been acknowledged
for `STUCK_S` is it replaced as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError
from aiokafka.structs import RecordMetadata

from eventlog.kafka.connection import KafkaConnection, stop_producer
from eventlog.port import LogUnavailable, NewRecord, Position, TopicSpec

KIND_HEADER = "hz-kind"
BATCH_BYTES = 256 << 10
OVERHEAD_BYTES = 4 << 10
"""More than Kafka's framing of a batch with one record adds to its key, kind and value."""
STUCK_S = 30.0
RETIRE_S = 1.0


def broker_limit(spec: TopicSpec) -> int:
    """`max.message.bytes` of a topic: no batch that we send may be larger, see the module's head."""
    return max(spec.max_record_bytes, BATCH_BYTES) + OVERHEAD_BYTES


class TopicProducer:
    """Appends to the partitions of one topic. Gives no deadline of its own; cancelling is safe."""

    def __init__(self, connection: KafkaConnection, spec: TopicSpec) -> None:
        self._connection = connection
        self._spec = spec
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._order = [asyncio.Lock() for _ in range(spec.partitions)]
        self._retired: set[asyncio.Task[None]] = set()
        self._waiting_since: float | None = None
        self._closed = False

    async def append(self, partition: int, records: Sequence[NewRecord]) -> list[Position]:
        """Sends records that were checked for size. Raises `LogUnavailable`."""
        producer = await self._started()
        if self._waiting_since is None:
            self._waiting_since = asyncio.get_running_loop().time()
        deliveries: list[asyncio.Future[RecordMetadata]] = []
        try:
            async with self._order[partition]:
                for record in records:
                    deliveries.append(await self._send(producer, partition, record))
            answers = [await delivery for delivery in deliveries]
        except KafkaError as error:
            if not isinstance(error, KafkaTimeoutError):
                self._retire(producer)
            raise LogUnavailable(f"topic {self._spec.name}: {error!r}") from error
        finally:
            for delivery in deliveries:
                # Nobody will look at those behind the first error.
                delivery.cancel()
        self._waiting_since = None
        return [self._position(partition, answer) for answer in answers]

    async def _send(
        self, producer: AIOKafkaProducer, partition: int, record: NewRecord
    ) -> asyncio.Future[RecordMetadata]:
        delivery: asyncio.Future[RecordMetadata] = await producer.send(
            self._spec.name,
            key=record.key,
            value=record.value,
            partition=partition,
            headers=[(KIND_HEADER, record.kind.encode())],
        )
        return delivery

    def _position(self, partition: int, answer: RecordMetadata) -> Position:
        if answer.offset < 0:
            raise LogUnavailable(
                f"topic {self._spec.name}: the broker had this already and did not say where; it may stand there twice"
            )
        return Position(partition, answer.offset, answer.timestamp * 1_000_000)

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._closed:
                raise LogUnavailable("the log is closed")
            self._retire_if_stuck()
            if self._producer is None:
                self._producer = await self._start()
            return self._producer

    async def _start(self) -> AIOKafkaProducer:
        options = await asyncio.to_thread(self._connection.options)
        producer = AIOKafkaProducer(
            **options,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
            max_request_size=self._spec.max_record_bytes + OVERHEAD_BYTES,
        )
        try:
            await producer.start()
        except KafkaError as error:
            self._stop_aside(producer)
            raise LogUnavailable(f"Kafka at {self._connection.bootstrap} cannot be reached: {error}") from error
        except BaseException:
            self._stop_aside(producer)
            raise
        return producer

    def _retire_if_stuck(self) -> None:
        if self._producer is None or self._waiting_since is None:
            return
        if asyncio.get_running_loop().time() - self._waiting_since > STUCK_S:
            self._retire(self._producer)

    def _retire(self, producer: AIOKafkaProducer) -> None:
        """Puts a producer out of use; the next append starts another."""
        if self._producer is producer:
            self._producer = None
            self._waiting_since = None
            self._stop_aside(producer)

    def _stop_aside(self, producer: AIOKafkaProducer) -> None:
        task = asyncio.create_task(stop_producer(producer, RETIRE_S))
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)

    async def close(self, within_s: float) -> None:
        """Delivers what is under way if the broker lets it, within the time given."""
        self._closed = True
        if (producer := self._producer) is not None:
            self._producer = None
            await stop_producer(producer, within_s)
        if self._retired:
            await asyncio.wait(self._retired, timeout=within_s)
