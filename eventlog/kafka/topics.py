"""The topics of the system in a Kafka cluster: made explicitly, and checked before anything runs on them.

Every metadata request of aiokafka that names a topic allows the broker to create it, with one partition and the
sender's own timestamps. So a cluster that creates topics by itself is refused, and topics are only ever named once they
are known to exist.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import InvalidReplicationFactorError, KafkaError, TopicAlreadyExistsError, for_code

from eventlog.kafka.connection import KafkaConnection, stop_admin
from eventlog.kafka.producing import broker_limit
from eventlog.port import LogError, LogUnavailable, TopicMissing, TopicSpec

COMPACTION_LAG_MS = 60_000
STOP_S = 1.0
ADMIN_DEADLINE_S = 30.0
UNFENCED_S = 15.0
SETTLED_S = 3.0
"""When a broker that was silent is listed again, if it is at all."""
_AUTO_CREATE = "auto.create.topics.enable"


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as the cluster has it."""

    partitions: int
    replicas: int
    config: Mapping[str, str]


def topic_config(spec: TopicSpec, replicas: int) -> dict[str, str]:
    """Kafka's settings for a topic. Retention works on whole segments, so those are kept small against it."""
    config = {
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": str(broker_limit(spec)),
        "min.insync.replicas": str(max(1, replicas - 1)),
        "unclean.leader.election.enable": "false",
        "cleanup.policy": "compact" if spec.compacted else "delete",
        "retention.ms": str(spec.retention_ms),
        "retention.bytes": str(spec.retention_bytes),
    }
    if spec.compacted:
        config |= {"min.compaction.lag.ms": str(COMPACTION_LAG_MS), "segment.ms": "600000"}
    if spec.retention_ms >= 0:
        config["segment.ms"] = str(min(86_400_000, max(60_000, spec.retention_ms // 8)))
    if spec.retention_bytes >= 0:
        config["segment.bytes"] = str(min(1 << 30, max(32 << 20, spec.retention_bytes // 16)))
    return config


@asynccontextmanager
async def _admin(connection: KafkaConnection) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**await asyncio.to_thread(connection.options))
    try:
        async with asyncio.timeout(ADMIN_DEADLINE_S):
            await admin.start()
            yield admin
    except KafkaError as error:
        raise LogUnavailable(f"Kafka at {connection.bootstrap}: {error!r}") from error
    except TimeoutError as error:
        raise LogUnavailable(f"Kafka at {connection.bootstrap} did not answer within {ADMIN_DEADLINE_S:g} s") from error
    finally:
        await stop_admin(admin, STOP_S)


async def _find(admin: AIOKafkaAdminClient) -> dict[str, Found]:
    """All topics of the cluster with their settings; asking for all creates none."""
    topics = {topic["topic"]: topic["partitions"] for topic in await admin.describe_topics()}
    configs = await _configs(admin, [ConfigResource(ConfigResourceType.TOPIC, name) for name in topics])
    return {
        name: Found(len(parts), max((len(part["replicas"]) for part in parts), default=0), configs.get(name, {}))
        for name, parts in topics.items()
    }


async def _configs(admin: AIOKafkaAdminClient, resources: list[ConfigResource]) -> dict[str, dict[str, str]]:
    """Settings by name of topic or number of broker."""
    found: dict[str, dict[str, str]] = {}
    if not resources:
        return found
    for response in await admin.describe_configs(resources):
        for code, message, _, name, entries in response.resources:
            if code:
                raise LogError(f"the settings of {name} cannot be read: {message or for_code(code).__name__}")
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found


async def verify_topics(specs: Sequence[TopicSpec], connection: KafkaConnection) -> None:
    """Raises `TopicMissing` naming everything that is not as `specs` want it, `LogUnavailable` without a cluster."""
    async with _admin(connection) as admin:
        found = await _find(admin)
        brokers = [broker["node_id"] for broker in (await admin.describe_cluster())["brokers"]]
        settings = await _configs(admin, [ConfigResource(ConfigResourceType.BROKER, str(number)) for number in brokers])
    problems = [problem for spec in specs for problem in _problems(spec, found.get(spec.name))]
    problems += [
        f"broker {number} creates topics by itself: set {_AUTO_CREATE}=false"
        for number, config in sorted(settings.items())
        if config.get(_AUTO_CREATE) == "true"
    ]
    if problems:
        raise TopicMissing(f"Kafka at {connection.bootstrap}: " + "; ".join(problems))


def _problems(spec: TopicSpec, found: Found | None) -> Iterator[str]:
    name = spec.name
    if found is None:
        yield f"topic {name} is missing: make it with `hazwatch topics create`"
        return
    if found.partitions != spec.partitions:
        yield (
            f"topic {name} has {found.partitions} partitions but {spec.partitions} are configured: "
            "the number cannot change, configure the old one"
        )
    config = found.config
    if config.get("message.timestamp.type") != "LogAppendTime":
        yield f"topic {name} has the sender's timestamps: set message.timestamp.type=LogAppendTime"
    if int(config.get("max.message.bytes", 0)) < broker_limit(spec):
        yield f"topic {name} takes too small messages: set max.message.bytes={broker_limit(spec)} or more"
    if ("compact" in config.get("cleanup.policy", "")) != spec.compacted:
        yield f"topic {name}: set cleanup.policy={'compact' if spec.compacted else 'delete'}"
    if found.replicas >= 3 and int(config.get("min.insync.replicas", 1)) < 2:
        yield f"topic {name} acknowledges what only one broker has: set min.insync.replicas={found.replicas - 1}"


async def make_topics(specs: Sequence[TopicSpec], connection: KafkaConnection, replicas: int | None) -> set[str]:
    """Makes the topics that are missing and returns their names.

    `replicas` None: three, or one on each broker if fewer.
    """
    async with _admin(connection) as admin:
        there = set(await admin.list_topics())
        missing = [spec for spec in specs if spec.name not in there]
        if missing:
            count = replicas or min(3, await _brokers(admin))
            topics = [
                NewTopic(spec.name, spec.partitions, count, topic_configs=topic_config(spec, count)) for spec in missing
            ]
            await _create(admin, topics)
            await _until_led(admin, missing)
    return {spec.name for spec in missing}


async def _brokers(admin: AIOKafkaAdminClient) -> int:
    """How many brokers the cluster lists, waiting for the first."""
    while True:
        if listed := len((await admin.describe_cluster())["brokers"]):
            return listed
        await asyncio.sleep(0.2)


async def _create(admin: AIOKafkaAdminClient, topics: list[NewTopic]) -> None:
    """Makes `topics`, waiting for brokers that are fenced: one that was just started, or was silent for a while,
    takes no replicas until the controller has heard from it again. The cluster may list it already, or not yet."""
    now = asyncio.get_running_loop().time
    began = now()
    while topics:
        response = await admin.create_topics(topics)
        refused = {
            topic: (code, f"topic {topic}: {message or for_code(code).__name__}")
            for topic, code, message in response.topic_errors
            if code not in (0, TopicAlreadyExistsError.errno)
        }
        topics = [topic for topic in topics if topic.name in refused]
        if not topics:
            return
        hopeless = any(code != InvalidReplicationFactorError.errno for code, _ in refused.values())
        if now() - began > SETTLED_S:
            hopeless |= max(topic.replication_factor for topic in topics) > await _brokers(admin)
        if hopeless or now() - began > UNFENCED_S:
            raise LogError("Kafka refused to make some topics: " + "; ".join(text for _, text in refused.values()))
        await asyncio.sleep(0.2)


async def _until_led(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> None:
    """Waits until every partition has a leader, so that the first append does not have to."""
    names = {spec.name: spec.partitions for spec in specs}
    while True:
        topics: list[dict[str, Any]] = await admin.describe_topics()
        led = {t["topic"]: sum(p["leader"] >= 0 for p in t["partitions"]) for t in topics if t["topic"] in names}
        if led == names:
            return
        await asyncio.sleep(0.05)
