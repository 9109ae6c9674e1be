"""The way in over Kafka: the same service on the other log, and a broker of it that freezes."""

from __future__ import annotations

import asyncio

from eventlog.kafka.connection import KafkaConnection
from eventlog.kafka.creating import create_topics
from eventlog.open import open_kafka
from eventlog.port import topic_specs
from ingest.config import MqttConfig
from ingest.directory import Directory
from ingest.service import Ingest
from tests.ingest.registry import revision
from tests.ingest.running import NAMES, PARTITIONS, Clock, Metrics, publisher, values
from tests.ingest.test_faults import ONE, publish_numbers, sent
from tests.parts.kafka import Kafka
from tests.parts.mosquitto import Mosquitto
from tests.parts.net import eventually


async def test_a_kafka_that_freezes_loses_nothing(mosquitto: Mosquitto, kafka_alone: Kafka) -> None:
    specs = topic_specs(readings_partitions=PARTITIONS)
    connection = KafkaConnection(kafka_alone.bootstrap)
    await create_topics(specs, connection)
    async with open_kafka(connection, specs, append_deadline_s=3.0) as log:
        who = Directory.of(revision(*NAMES), [ONE], PARTITIONS)
        ingest = Ingest(MqttConfig(port=mosquitto.port), who, log, Clock(), Metrics())
        run = asyncio.create_task(ingest.run())
        try:
            await eventually(lambda: ingest.connected, "ingest is connected")
            async with publisher(mosquitto.port) as gateway:

                async def stored(count: int) -> bool:
                    return set(await values(log)) == set(sent(count))

                await asyncio.to_thread(publish_numbers, gateway, 0, 500)
                await eventually(lambda: stored(500), "the readings are in Kafka", within_s=30)
                kafka_alone.pause()
                await asyncio.to_thread(publish_numbers, gateway, 500, 600)
                await eventually(lambda: not ingest.log_reachable, "the outage is noticed", within_s=30)
                kafka_alone.resume()
                await eventually(lambda: stored(600), "nothing is lost", within_s=60)
            await ingest.stop()
            async with asyncio.timeout(15):
                await run
        finally:
            run.cancel()
            await asyncio.wait({run})
