"""`create_topics`: the explicit step that makes a log on Kafka, or mends one that lost topics."""

from __future__ import annotations

from collections.abc import Sequence

from eventlog.kafka.connection import KafkaConnection
from eventlog.kafka.incarnation import TOPIC, Incarnation, IncarnationMissing, read_incarnation, write_incarnation
from eventlog.kafka.log import KafkaLog
from eventlog.kafka.topics import make_topics, verify_topics
from eventlog.port import LogError, TopicSpec


async def create_topics(
    specs: Sequence[TopicSpec],
    connection: KafkaConnection,
    *,
    replicas: int | None = None,
    next_incarnation: int | None = None,
) -> int:
    """Makes the topics of `specs` that are missing, checks the rest, and returns the log's incarnation.

    A new log gets number 1. If a topic that the log had is missing, its records are lost: it is made empty and the
    number grows by one. `next_incarnation` gives a number that must be greater, as after restoring topics from a
    backup. If `registry` itself is lost while other topics stand, the old number cannot be known, so `next_incarnation`
    must then be given. Safe to repeat.
    """
    if TOPIC not in {spec.name for spec in specs}:
        raise LogError(f"the topics must include {TOPIC}: it holds the log's incarnation")
    made = await make_topics(specs, connection, replicas)
    await verify_topics(specs, connection)
    log = KafkaLog(connection, specs)
    try:
        return await _settle_incarnation(log, specs, made, next_incarnation)
    finally:
        await log.close()


async def _settle_incarnation(log: KafkaLog, specs: Sequence[TopicSpec], made: set[str], wanted: int | None) -> int:
    try:
        last = await read_incarnation(log)
    except IncarnationMissing as error:
        if wanted is None and await _used(log, specs):
            raise LogError(
                f"topic {TOPIC} was lost while others hold records. Say which incarnation comes next: a number greater "
                "than any before, for snapshots and the database remember positions by it"
            ) from error
        last = Incarnation(incarnation=0)
    lost = made & set(last.topics)
    number = last.incarnation + bool(lost or not last.incarnation)
    if wanted is not None:
        if wanted <= last.incarnation:
            raise LogError(f"the next incarnation must be greater than {last.incarnation}, the present one")
        number = wanted
    now = Incarnation(incarnation=number, topics=tuple(sorted({*last.topics, *(spec.name for spec in specs)})))
    if now != last:
        await write_incarnation(log, now)
    return number


async def _used(log: KafkaLog, specs: Sequence[TopicSpec]) -> bool:
    for spec in specs:
        for partition in range(spec.partitions):
            if (await log.bounds(spec.name, partition)).end > 0:
                return True
    return False
