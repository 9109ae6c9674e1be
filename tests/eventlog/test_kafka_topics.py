"""Making topics on Kafka, refusing topics that are not as they must be, and the log's incarnation."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from eventlog.kafka.connection import KafkaConnection
from eventlog.kafka.creating import create_topics
from eventlog.kafka.producing import broker_limit
from eventlog.kafka.topics import make_topics, verify_topics
from eventlog.open import open_kafka
from eventlog.port import LogError, LogUnavailable, NewRecord, TopicMissing, TopicSpec, topic_specs
from tests.parts.kafka import Kafka
from tests.parts.net import eventually, free_port


@asynccontextmanager
async def admin_of(kafka: Kafka) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def drop(kafka: Kafka, *topics: str) -> None:
    async with admin_of(kafka) as admin:
        await admin.delete_topics(list(topics))

        async def gone() -> bool:
            return not set(topics) & set(await admin.list_topics())

        await eventually(gone, "the topics are deleted")


async def test_topics_get_the_settings_that_the_log_relies_on(kafka: Kafka) -> None:
    prefix = uuid.uuid4().hex[:8]
    specs = [
        TopicSpec(f"{prefix}-r", 4, retention_ms=7 * 86_400_000, retention_bytes=32 << 30),
        TopicSpec(f"{prefix}-s", 1, compacted=True, max_record_bytes=16 << 20),
        TopicSpec(f"{prefix}-e", 1, retention_ms=600_000, retention_bytes=1 << 20),
    ]
    connection = KafkaConnection(kafka.bootstrap)
    assert await make_topics(specs, connection, None) == {spec.name for spec in specs}
    assert await make_topics(specs, connection, None) == set()
    await verify_topics(specs, connection)
    async with admin_of(kafka) as admin:
        wanted = [ConfigResource(ConfigResourceType.TOPIC, spec.name) for spec in specs]
        (response,) = await admin.describe_configs(wanted)
    found = {name: {entry[0]: entry[1] for entry in entries} for _, _, _, name, entries in response.resources}
    for spec in specs:
        config = found[spec.name]
        assert config["message.timestamp.type"] == "LogAppendTime"
        assert config["cleanup.policy"] == ("compact" if spec.compacted else "delete")
        assert int(config["max.message.bytes"]) > spec.max_record_bytes
        assert config["retention.ms"] == str(spec.retention_ms)
        assert config["min.insync.replicas"] == "1"
        assert config["unclean.leader.election.enable"] == "false"
    assert found[f"{prefix}-r"]["segment.ms"] == "75600000"
    assert found[f"{prefix}-r"]["segment.bytes"] == str(1 << 30)
    assert found[f"{prefix}-e"]["segment.bytes"] == str(32 << 20)


async def test_all_that_is_wrong_is_named_at_once(kafka: Kafka) -> None:
    prefix = uuid.uuid4().hex[:8]
    specs = [
        TopicSpec(f"{prefix}-{name}", 2, compacted=name == "policy")
        for name in ("few", "time", "size", "policy", "gone")
    ]
    good = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": str(broker_limit(specs[0]))}
    async with admin_of(kafka) as admin:
        await admin.create_topics(
            [
                NewTopic(f"{prefix}-few", 3, 1, topic_configs=good),
                NewTopic(f"{prefix}-time", 2, 1, topic_configs=good | {"message.timestamp.type": "CreateTime"}),
                NewTopic(f"{prefix}-size", 2, 1, topic_configs=good | {"max.message.bytes": "1000"}),
                NewTopic(f"{prefix}-policy", 2, 1, topic_configs=good),
            ]
        )
    with pytest.raises(TopicMissing) as refused:
        async with open_kafka(KafkaConnection(kafka.bootstrap), specs):
            pass
    text = str(refused.value)
    assert kafka.bootstrap in text
    for problem in (
        f"topic {prefix}-few has 3 partitions but 2 are configured",
        f"topic {prefix}-time has the sender's timestamps: set message.timestamp.type=LogAppendTime",
        f"topic {prefix}-size takes too small messages: set max.message.bytes={broker_limit(specs[2])}",
        f"topic {prefix}-policy: set cleanup.policy=compact",
        f"topic {prefix}-gone is missing",
    ):
        assert problem in text
    async with admin_of(kafka) as admin:
        assert f"{prefix}-gone" not in await admin.list_topics()


async def test_the_incarnation_grows_when_records_were_lost(kafka_alone: Kafka) -> None:
    connection = KafkaConnection(kafka_alone.bootstrap)
    specs = list(topic_specs(2))
    for _ in range(2):
        assert await create_topics(specs, connection) == 1
    async with open_kafka(connection, specs) as log:
        assert await log.incarnation() == 1
        await log.append("registry", 0, [NewRecord(b"1", "hazwatch.revision.v1", b"{}")])
        await log.append("events", 0, [NewRecord(b"park", "t", b"x")])
        assert await log.incarnation() == 1

    # A topic that an upgrade adds was never lost.
    specs.append(TopicSpec("brandnew", 1))
    assert await create_topics(specs, connection) == 1

    await drop(kafka_alone, "events")
    assert await create_topics(specs, connection) == 2
    assert await create_topics(specs, connection) == 2
    with pytest.raises(LogError, match="must be greater than 2"):
        await create_topics(specs, connection, next_incarnation=2)
    assert await create_topics(specs, connection, next_incarnation=9) == 9
    async with open_kafka(connection, specs) as log:
        assert await log.incarnation() == 9
        await log.append("events", 0, [NewRecord(b"park", "t", b"x")])

    await drop(kafka_alone, "registry")
    with pytest.raises(TopicMissing, match="registry is missing"):
        async with open_kafka(connection, specs):
            pass
    for _ in range(2):
        with pytest.raises(LogError, match="Say which incarnation comes next"):
            await create_topics(specs, connection)
    assert await create_topics(specs, connection, next_incarnation=10) == 10


async def test_a_broker_that_creates_topics_by_itself_is_refused(kafka_alone: Kafka) -> None:
    connection = KafkaConnection(kafka_alone.bootstrap)
    spec = TopicSpec("registry", 1)
    await make_topics([spec], connection, None)
    await verify_topics([spec], connection)
    properties = kafka_alone.home / "server.properties"
    text = properties.read_text()
    assert "auto.create.topics.enable=false" in text
    properties.write_text(text.replace("auto.create.topics.enable=false", "auto.create.topics.enable=true"))
    await asyncio.to_thread(kafka_alone.restart)
    with pytest.raises(TopicMissing, match=r"broker 1 creates topics by itself: set auto.create.topics.enable=false"):
        await verify_topics([spec, TopicSpec("not-there", 1)], connection)
    async with admin_of(kafka_alone) as admin:
        assert await admin.list_topics() == ["registry"]


async def test_without_a_broker_opening_is_unavailable_at_once() -> None:
    connection = KafkaConnection(f"127.0.0.1:{free_port()}")
    began = asyncio.get_running_loop().time()
    with pytest.raises(LogUnavailable, match=connection.bootstrap):
        async with open_kafka(connection, topic_specs()):
            pass
    assert asyncio.get_running_loop().time() - began < 10


def test_the_password_is_masked() -> None:
    connection = KafkaConnection("broker:9092", username="hazwatch", password="geheim")
    assert "geheim" not in repr(connection)
    assert connection.options()["security_protocol"] == "SASL_PLAINTEXT"
    assert connection.options()["sasl_plain_password"] == "geheim"


def test_tls_checks_the_brokers_certificate() -> None:
    options = KafkaConnection("broker:9093", tls=True).options()
    assert options["security_protocol"] == "SSL"
    assert options["ssl_context"].check_hostname
