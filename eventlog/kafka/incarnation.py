"""The incarnation of a log on Kafka: records in topic `registry`, among others there.

Kafka gives a topic that was deleted and made again no new identity that a client can see. So whoever makes topics
writes down what the log consists of: the first record with number 1; a topic that was there and is missing now means a
new number.
"""

from __future__ import annotations

import msgspec

from eventlog.helpers import read_all
from eventlog.port import EventLog, LogError, NewRecord
from schemas.records import Envelope, Kind

TOPIC = "registry"
KEY = b"incarnation"


class Incarnation(msgspec.Struct, frozen=True, kw_only=True):
    """Payload of an incarnation record: its number, and the topics that the log has had since."""

    incarnation: int
    topics: tuple[str, ...] = ()


_decoder = msgspec.json.Decoder(Envelope[Incarnation])


class IncarnationMissing(LogError):
    """Topic `registry` holds no incarnation record: the topics were not made by `hazwatch topics create`."""


async def read_incarnation(log: EventLog) -> Incarnation:
    """The highest incarnation in `registry`.

    Raises `IncarnationMissing`, and `LogError` for a record that is damaged.
    """
    best: Incarnation | None = None
    async for record in read_all(log, TOPIC, 0):
        if record.kind != Kind.INCARNATION:
            continue
        try:
            found = _decoder.decode(record.value).data
        except msgspec.MsgspecError as error:
            raise LogError(f"{TOPIC}/0: the incarnation at offset {record.offset} cannot be read: {error}") from error
        if best is None or found.incarnation >= best.incarnation:
            best = found
    if best is None:
        raise IncarnationMissing(f"topic {TOPIC} holds no incarnation: make the topics with `hazwatch topics create`")
    return best


async def write_incarnation(log: EventLog, incarnation: Incarnation) -> None:
    value = msgspec.json.encode(
        Envelope(
            specversion="1.0",
            id=f"incarnation-{incarnation.incarnation}",
            source="hazwatch",
            type=str(Kind.INCARNATION),
            data=incarnation,
        )
    )
    await log.append(TOPIC, 0, [NewRecord(KEY, Kind.INCARNATION, value)])
