"""The log port: what every room may ask of the durable log, whichever adapter stands behind it.

A log has *topics*; a topic has a fixed number of *partitions*; a partition is an ordered sequence of records. Offsets
grow by at least one from record to record and may have gaps. Every record carries the *append time* that the log
itself stamped (Kafka `LogAppendTime`; the embedded log stamps the same way).

Promises of both adapters, proved by `tests/eventlog/contract.py`:

- `append` returns when the records are durable (Kafka: acks=all; embedded: fsynced). Records of one call for one
  partition are stored in order, next to each other in order, though a copy of an earlier attempt may stand before them.
  An exception does not mean "not written".
- `read` never skips: a position that retention has passed raises `PositionGone`, a position past the end waits.
- Nothing here is cancelled half-way: a cancelled `append` may or may not have been written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record to append. `kind` says how `value` is coded (see `schemas.records`); it travels as a header.

    Key, kind and value together have at most `max_record_bytes` of the topic; a kind has at most 255 bytes.
    """

    key: bytes
    kind: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """A record as the log holds it."""

    topic: str
    partition: int
    offset: int
    append_ns: int
    key: bytes
    kind: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Position:
    """Where an appended record stands."""

    partition: int
    offset: int
    append_ns: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """`start` is the offset of the oldest record kept, `end` the offset that the next record will get."""

    start: int
    end: int


class LogError(Exception):
    """The log could not do what was asked. Raised itself, it means damage or misuse: trying again does not help."""


class LogUnavailable(LogError):
    """The log cannot be reached, or did not answer in time. What was being appended may have been written."""


class PositionGone(LogError):
    """The position asked for is older than the oldest record kept: retention has passed it."""

    def __init__(self, topic: str, partition: int, asked: int, bounds: Bounds) -> None:
        super().__init__(
            f"{topic}/{partition}: offset {asked} is no longer kept, the log starts at {bounds.start}; "
            "start from a newer snapshot, or raise the retention of the topic"
        )
        self.asked = asked
        self.bounds = bounds


class PositionBeyond(LogError):
    """The position asked for lies past the log's end: the topic was recreated or restored from an older backup."""


class TopicMissing(LogError):
    """A topic does not exist, or has another number of partitions than was recorded."""


class RecordTooLarge(LogError):
    """A record is larger than the topic accepts; nothing of this call was written."""


class EventLog(Protocol):
    """The log as a room sees it.

    All methods may raise `LogUnavailable`, and `TopicMissing` for a name they do not know.
    """

    async def append(self, topic: str, partition: int, records: Sequence[NewRecord]) -> list[Position]:
        """Append records to one partition, in order; returns when they are durable.

        Waits while much is under way, and gives up after the adapter's deadline (10 s). Raises `RecordTooLarge`.
        """
        ...

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
        """Records from offset `start` on, in order, at least one if there is one; waits up to `wait_s` for the first.

        `max_bytes` bounds keys and values. Read on from the last offset plus one: that costs least. Raises
        `PositionGone` or `PositionBeyond` (`start` greater than the end), and `LogError` when records are damaged.
        """
        ...

    async def bounds(self, topic: str, partition: int) -> Bounds:
        """The oldest kept and the next offset."""
        ...

    async def partitions(self, topic: str) -> int:
        """How many partitions `topic` has. Raises `TopicMissing`."""
        ...

    async def incarnation(self) -> int:
        """The incarnation number of this log: grows when the log is recreated or restored from a backup."""
        ...

    async def close(self) -> None:
        """Release everything, within 5 s, whatever the state of the log. Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """How a topic is made. `retention_ms`/`retention_bytes` of -1 mean for ever / no bound.

    `retention_bytes` counts per partition. A compacted topic keeps the newest record of every key, older ones for at
    least a minute, and has no retention.
    """

    name: str
    partitions: int
    compacted: bool = False
    retention_ms: int = -1
    retention_bytes: int = -1
    max_record_bytes: int = 1 << 20


DAY_MS = 86_400_000


def topic_specs(readings_partitions: int = 4, events_partitions: int = 1) -> tuple[TopicSpec, ...]:
    """The topics of the system. `readings` is keyed by cell, `events` by park (one order per control room)."""
    return (
        TopicSpec(
            "readings", readings_partitions, retention_ms=7 * DAY_MS, retention_bytes=(32 << 30) // readings_partitions
        ),
        TopicSpec("events", events_partitions, retention_ms=90 * DAY_MS, retention_bytes=8 << 30),
        TopicSpec("alarms", events_partitions, retention_ms=90 * DAY_MS, retention_bytes=8 << 30),
        TopicSpec("state", 1, compacted=True, max_record_bytes=16 << 20),
        TopicSpec("registry", 1, max_record_bytes=16 << 20),
        TopicSpec("backfill", readings_partitions, retention_ms=7 * DAY_MS, retention_bytes=8 << 30),
        TopicSpec("deadletter", 1, retention_ms=30 * DAY_MS, retention_bytes=1 << 30),
    )
