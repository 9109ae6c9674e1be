"""The contract on a real Kafka, and how topics are made and checked there."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.admin.records_to_delete import RecordsToDelete

from eventlog.helpers import read_all
from eventlog.kafka.connection import KafkaConnection
from eventlog.kafka.creating import create_topics
from eventlog.kafka.log import KafkaLog
from eventlog.kafka.topics import make_topics, topic_config
from eventlog.open import open_kafka
from eventlog.port import NewRecord, TopicSpec
from tests.eventlog.contract import SPECS, LogContract
from tests.parts.kafka import Kafka
from tests.parts.net import eventually


class KafkaStand:
    """Topics of this test alone, on the broker that all tests share."""

    def __init__(self, kafka: Kafka, log: KafkaLog, prefix: str) -> None:
        self.log = log
        self._kafka = kafka
        self._prefix = prefix

    def name(self, topic: str) -> str:
        return topic if topic == "registry" else self._prefix + topic

    async def trim(self, topic: str) -> None:
        """Has the broker delete what its retention would delete after minutes."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self._kafka.bootstrap)
        await admin.start()
        try:
            await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=30)})
        finally:
            await admin.close()


class TestKafka(LogContract):
    @pytest.fixture
    async def stand(self, kafka: Kafka) -> AsyncIterator[KafkaStand]:
        prefix = f"t{uuid.uuid4().hex[:8]}-"
        specs = [spec if spec.name == "registry" else replace(spec, name=prefix + spec.name) for spec in SPECS]
        connection = KafkaConnection(kafka.bootstrap)
        await create_topics(specs, connection)
        async with open_kafka(connection, specs) as log:
            yield KafkaStand(kafka, log, prefix)


@pytest.mark.slow
async def test_compaction_keeps_the_newest_of_every_key_and_reads_cross_the_gaps(kafka: Kafka) -> None:
    """The broker's cleaner wakes every 15 s."""
    spec = TopicSpec(f"t{uuid.uuid4().hex[:8]}-state", 1, compacted=True)
    connection = KafkaConnection(kafka.bootstrap)
    await make_topics([spec], connection, None)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        hasty = topic_config(spec, 1) | {
            "min.compaction.lag.ms": "0",
            "min.cleanable.dirty.ratio": "0.01",
            "segment.ms": "500",
        }
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, spec.name, configs=hasty)])
    finally:
        await admin.close()
    log = KafkaLog(connection, [spec])
    try:
        for number in range(30):
            await log.append(spec.name, 0, [NewRecord(b"%d" % (number % 3), "s", b"%d" % number)])

        async def compacted() -> bool:
            # The newest segment is never compacted; an append after `segment.ms` begins another.
            await log.append(spec.name, 0, [NewRecord(b"filler", "s", b"")])
            await asyncio.sleep(0.5)
            records = [record async for record in read_all(log, spec.name, 0)]
            return [r.value for r in records if r.key != b"filler"] == [b"27", b"28", b"29"]

        await eventually(compacted, "superseded records are gone", within_s=60)
        (record,) = await log.read(spec.name, 0, 3, max_records=1)
        assert (record.offset, record.value) == (27, b"27")
        assert (await log.bounds(spec.name, 0)).start == 0
    finally:
        await log.close()
