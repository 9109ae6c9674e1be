"""Deadlines and checks that all adapters share."""

from __future__ import annotations

from collections.abc import Sequence

from eventlog.port import Bounds, LogError, NewRecord, PositionBeyond, PositionGone, RecordTooLarge, TopicSpec

APPEND_DEADLINE_S = 10.0
CLOSE_DEADLINE_S = 4.0
MAX_KIND_BYTES = 255


def record_size(record: NewRecord) -> int:
    """The size that `max_record_bytes` bounds: key, kind and value."""
    return len(record.key) + len(record.kind.encode()) + len(record.value)


def check_records(spec: TopicSpec, records: Sequence[NewRecord]) -> None:
    """Raises `RecordTooLarge` if one of `records` is larger than the topic accepts, `TypeError` if it is not bytes."""
    for index, record in enumerate(records):
        if type(record.key) is not bytes or type(record.value) is not bytes:
            raise TypeError(f"topic {spec.name}: key and value of record {index + 1} must be bytes")
        if len(record.kind.encode()) > MAX_KIND_BYTES:
            raise RecordTooLarge(
                f"topic {spec.name}: a kind has at most {MAX_KIND_BYTES} bytes, not {record.kind[:40]!r}..."
            )
        size = record_size(record)
        if size > spec.max_record_bytes:
            raise RecordTooLarge(
                f"topic {spec.name}: record {index + 1} of {len(records)} has {size} bytes, at most "
                f"{spec.max_record_bytes} are accepted; nothing was written"
            )


def check_position(topic: str, partition: int, start: int, bounds: Bounds) -> None:
    """Raises `PositionGone` or `PositionBeyond` when `start` cannot be read."""
    if start < bounds.start:
        raise PositionGone(topic, partition, start, bounds)
    if start > bounds.end:
        raise PositionBeyond(
            f"{topic}/{partition}: offset {start} lies past the log's end {bounds.end}; "
            "the log was recreated or restored from an older backup: start from its records, not from the old position"
        )


def again(error: LogError) -> LogError:
    """A fresh copy to raise: an error that is raised twice grows its traceback each time."""
    copy = type(error)(*error.args)
    copy.__cause__ = error.__cause__
    return copy
