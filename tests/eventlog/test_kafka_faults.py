"""The log on Kafka when the broker is killed, frozen, refuses a batch, or a topic is made anew."""

from __future__ import annotations

import asyncio
import gc
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from eventlog.helpers import read_all
from eventlog.kafka import producing, topics
from eventlog.kafka.connection import KafkaConnection
from eventlog.kafka.log import KafkaLog
from eventlog.kafka.topics import make_topics
from eventlog.port import EventLog, LogError, LogUnavailable, NewRecord, PositionBeyond, Record, TopicSpec
from tests.eventlog.test_kafka_topics import admin_of, drop
from tests.parts.kafka import Kafka
from tests.parts.net import eventually

SPECS = (TopicSpec("plain", 2), TopicSpec("other", 1))
KILLS = 3


def one(value: bytes) -> list[NewRecord]:
    return [NewRecord(b"k", "t", value)]


async def stored(log: EventLog, topic: str = "plain", partition: int = 0) -> list[bytes]:
    return [record.value async for record in read_all(log, topic, partition)]


pytestmark = pytest.mark.part("kafka")


@pytest.fixture(scope="module")
def broker() -> Iterator[Kafka]:
    """A broker that the tests here break and mend, one after the other."""
    with Kafka() as kafka:
        yield kafka


@pytest.fixture
async def log(broker: Kafka, caplog: pytest.LogCaptureFixture) -> AsyncIterator[KafkaLog]:
    connection = KafkaConnection(broker.bootstrap)
    await drop(broker, *(spec.name for spec in SPECS))
    await make_topics(SPECS, connection, None)
    opened = KafkaLog(connection, SPECS, append_deadline_s=1.5, read_deadline_s=1.5)
    try:
        yield opened
    finally:
        broker.resume()
        await opened.close()
    gc.collect()
    said = "".join(record.getMessage() for phase in ("call", "teardown") for record in caplog.get_records(phase))
    assert "never retrieved" not in said, "a log must not fill with complaints of asyncio"


async def insist(log: EventLog, partition: int, value: bytes, acknowledged: list[tuple[int, bytes]]) -> None:
    """Appends until it is acknowledged, as ingest does."""
    while True:
        try:
            (position,) = await log.append("plain", partition, one(value))
        except LogUnavailable:
            await asyncio.sleep(0.05)
        else:
            acknowledged.append((position.offset, value))
            return


def without_copies(values: list[bytes]) -> list[bytes]:
    return list(dict.fromkeys(values))


async def more(acknowledged: list[tuple[int, bytes]]) -> None:
    reached = len(acknowledged) + 300
    await eventually(lambda: len(acknowledged) > reached, "appends flow", within_s=60)


@pytest.mark.slow
async def test_a_killed_broker_loses_nothing_acknowledged_and_the_log_recovers(broker: Kafka, log: KafkaLog) -> None:
    acknowledged: list[tuple[int, bytes]] = []
    seen: list[Record] = []
    stop = asyncio.Event()

    async def write() -> None:
        number = 0
        while not stop.is_set():
            await insist(log, 0, b"%d" % number, acknowledged)
            number += 1

    async def follow() -> None:
        position = 0
        while not writing.done() or position <= acknowledged[-1][0]:
            try:
                records = await log.read("plain", 0, position, wait_s=0.5)
            except LogUnavailable:
                await asyncio.sleep(0.05)
                continue
            seen.extend(records)
            position = records[-1].offset + 1 if records else position

    async with asyncio.TaskGroup() as group:
        writing = group.create_task(write())
        group.create_task(follow())
        for _ in range(KILLS):
            await more(acknowledged)
            await asyncio.to_thread(broker.kill9)
            await asyncio.to_thread(broker.start)
        await more(acknowledged)
        stop.set()
    by_offset = {record.offset: record.value for record in seen}
    assert [record.offset for record in seen] == sorted(by_offset)
    assert {offset: by_offset.get(offset) for offset, _ in acknowledged} == dict(acknowledged)
    assert without_copies([record.value for record in seen]) == [b"%d" % n for n in range(len(acknowledged))]


async def test_a_frozen_broker_is_unavailable_within_the_deadlines_and_then_works_again(
    broker: Kafka, log: KafkaLog
) -> None:
    loop = asyncio.get_running_loop()
    await log.append("plain", 0, one(b"before"))
    assert [r.value for r in await log.read("plain", 0, 0)] == [b"before"]
    await asyncio.to_thread(broker.pause)
    for work in (
        lambda: log.append("plain", 0, one(b"during")),
        lambda: log.append("other", 0, one(b"first use")),
        lambda: log.read("plain", 0, 1, wait_s=0.1),
        lambda: log.read("plain", 0, 0),
        lambda: log.bounds("plain", 1),
    ):
        began = loop.time()
        with pytest.raises(LogUnavailable):
            await work()
        assert loop.time() - began < 5
    await asyncio.to_thread(broker.resume)
    acknowledged: list[tuple[int, bytes]] = []
    await insist(log, 0, b"after", acknowledged)
    await eventually(lambda: stored_or_empty(log), "the log can be read again", within_s=60)
    values = await stored(log)
    assert values[0] == b"before"
    assert values[-1] == b"after"
    assert without_copies(values) in ([b"before", b"during", b"after"], [b"before", b"after"])


async def stored_or_empty(log: EventLog) -> list[bytes]:
    try:
        return await stored(log)
    except LogUnavailable:
        return []


async def test_a_producer_that_is_stuck_is_replaced(
    broker: Kafka, log: KafkaLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producing, "STUCK_S", 2.0)
    await log.append("plain", 0, one(b"before"))
    first = log._producers["plain"]._producer
    await asyncio.to_thread(broker.pause)

    async def replaced() -> bool:
        with pytest.raises(LogUnavailable):
            await log.append("plain", 0, one(b"during"))
        return log._producers["plain"]._producer is not first

    await eventually(replaced, "the stuck producer is replaced", within_s=30)
    await asyncio.to_thread(broker.resume)
    acknowledged: list[tuple[int, bytes]] = []
    await insist(log, 0, b"after", acknowledged)
    values = await stored(log)
    assert without_copies(values) in ([b"before", b"during", b"after"], [b"before", b"after"])
    assert dict(enumerate(values))[acknowledged[0][0]] == b"after"


async def test_close_ends_in_time_and_leaves_nothing_behind_whatever_the_broker_does(
    broker: Kafka, log: KafkaLog
) -> None:
    loop = asyncio.get_running_loop()
    before = asyncio.all_tasks()
    for topic in ("plain", "other"):
        await log.append(topic, 0, one(b"a"))
        await log.read(topic, 0, 0)
    waiting = asyncio.create_task(log.read("plain", 1, 0, wait_s=60))
    await asyncio.sleep(0.1)
    await asyncio.to_thread(broker.pause)
    appending = asyncio.create_task(log.append("plain", 0, one(b"pending")))
    await asyncio.sleep(0.1)
    began = loop.time()
    await log.close()
    assert loop.time() - began < 5
    for task in (waiting, appending):
        with pytest.raises(LogUnavailable):
            await task
    await eventually(lambda: asyncio.all_tasks() <= before, "all tasks of the log have ended", within_s=5)


async def test_a_refused_batch_does_not_stop_the_partition(broker: Kafka, log: KafkaLog) -> None:
    """The broker's limit shrinks behind our back, so it refuses a batch: the producer must be replaced."""
    await log.append("plain", 0, one(b"before"))
    await set_limit(broker, "10000")

    async def refused() -> bool:
        try:
            await log.append("plain", 0, one(b"x" * 20_000))
        except LogUnavailable as error:
            return "MessageSizeTooLarge" in str(error)
        return False

    await eventually(refused, "the broker refuses the batch")
    for number in range(5):
        await log.append("plain", 0, one(b"after %d" % number))
    assert [value for value in await stored(log) if len(value) < 100] == [
        b"before",
        *(b"after %d" % n for n in range(5)),
    ]


async def set_limit(kafka: Kafka, limit: str) -> None:
    config = {"max.message.bytes": limit, "message.timestamp.type": "LogAppendTime"}
    async with admin_of(kafka) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, "plain", configs=config)])


@pytest.mark.slow
async def test_topics_are_made_on_a_broker_that_was_silent_for_longer_than_its_session(broker: Kafka) -> None:
    """The controller has fenced such a broker and refuses to place anything on it until it hears from it again."""
    names: set[str] = set()
    async with admin_of(broker) as admin:
        for _ in range(4):
            names.add(name := uuid.uuid4().hex)
            await asyncio.to_thread(broker.pause)
            making = asyncio.create_task(topics._create(admin, [NewTopic(name, 1, 1)]))
            await asyncio.sleep(4)
            await asyncio.to_thread(broker.resume)
            await making
        assert names <= set(await admin.list_topics())


async def test_more_replicas_than_brokers_are_refused_soon(broker: Kafka) -> None:
    began = asyncio.get_running_loop().time()
    with pytest.raises(LogError, match=r"many: .*3"):
        await make_topics([TopicSpec("many", 1)], KafkaConnection(broker.bootstrap), 3)
    assert asyncio.get_running_loop().time() - began < topics.UNFENCED_S / 2


async def test_a_topic_made_anew_is_noticed_by_a_waiting_reader(broker: Kafka, log: KafkaLog) -> None:
    for number in range(5):
        await log.append("plain", 0, one(b"%d" % number))
    await log.read("plain", 0, 0)
    reading = asyncio.create_task(follow_until_error(log, 5))
    await drop(broker, "plain")
    await make_topics(SPECS[:1], KafkaConnection(broker.bootstrap), None)
    async with asyncio.timeout(60):
        error = await reading
    assert isinstance(error, PositionBeyond)


async def follow_until_error(log: EventLog, start: int) -> Exception:
    """Reads on as a fold does, which retries while the log cannot be reached."""
    while True:
        try:
            assert await log.read("plain", 0, start, wait_s=0.3) == []
        except LogUnavailable:
            await asyncio.sleep(0.05)
        except PositionBeyond as error:
            return error
