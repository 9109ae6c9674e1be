"""The contract on a real Kafka, and how topics are made and checked there."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from eventlog.kafka.connection import KafkaConnection
from eventlog.kafka.creating import create_topics
from eventlog.kafka.log import KafkaLog
from eventlog.open import open_kafka
from tests.eventlog.contract import SPECS, LogContract
from tests.parts.kafka import Kafka


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
