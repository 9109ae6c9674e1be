"""What records are made of: the kinds, and the codec of everything that is not a batch of readings.

A batch travels as Arrow IPC (`schemas.batch`). Everything else is JSON: a CloudEvents 1.0
envelope with the payload under `data`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Generic, TypeVar

import msgspec

from schemas.alarms import Answer, Command, Notice, Receipt, Transition
from schemas.changes import ConditionChanges
from schemas.registry import Revision, Struct
from schemas.time import to_iso


class Kind(StrEnum):
    """The kind of a record: the CloudEvents `type`, and a header of the log record."""

    READINGS = "hazwatch.readings.v1"  # readings, backfill: Arrow IPC, the only kind that is not JSON
    TICK = "hazwatch.tick.v1"  # readings, events
    LINK = "hazwatch.link.v1"  # readings
    ACTIVATE = "hazwatch.activate.v1"  # readings, events
    CHANGES = "hazwatch.changes.v1"  # events
    COMMAND = "hazwatch.command.v1"  # events
    RECEIPT = "hazwatch.receipt.v1"  # events
    TRANSITION = "hazwatch.transition.v1"  # alarms
    NOTICE = "hazwatch.notice.v1"  # alarms
    ANSWER = "hazwatch.answer.v1"  # alarms
    REVISION = "hazwatch.revision.v1"  # registry
    ACTIVATED = "hazwatch.activated.v1"  # registry
    INCARNATION = "hazwatch.incarnation.v1"  # registry
    SNAPSHOT = "hazwatch.snapshot.v1"  # state
    DEADLETTER = "hazwatch.deadletter.v1"  # deadletter


class Tick(Struct, frozen=True, kw_only=True):
    """Time passes. Extra ticks change nothing (LAWS T2). `by` names the process."""

    by: str = ""


class Link(Struct, frozen=True, kw_only=True):
    """The heartbeat of one supervised path into one partition, every 5 s (LAWS T5)."""

    name: str
    up: bool
    by: str = ""


class Activate(Struct, frozen=True, kw_only=True):
    """From here on this partition follows revision `revision`; `hash` is that of its content (LAWS R1)."""

    revision: int
    hash: str


class DeadLetter(Struct, frozen=True, kw_only=True):
    """A message that could not be read, kept so that it can be looked at and driven again.

    `reason` is a short code (`malformed`, `too_large`, `unknown_name`, `wrong_unit`, `duplicate_key`, ...); `detail`
    says where and what to do. `payload` is base64 of at most 64 KiB of the message.
    """

    source: str
    topic: str
    reason: str
    detail: str
    payload: bytes
    received_ns: int
    payload_bytes: int
    names: tuple[str, ...] = ()
    redriven_ns: int = 0


T = TypeVar("T")


class Envelope(msgspec.Struct, Generic[T], frozen=True, kw_only=True, omit_defaults=True):
    """The CloudEvents envelope."""

    specversion: str
    id: str = ""
    source: str = ""
    type: str = ""
    time: str = ""
    subject: str = ""
    datacontenttype: str = "application/json"
    data: T


class RecordError(ValueError):
    """A record's value is not what its kind promises."""


_PAYLOADS: dict[Kind, type] = {
    Kind.TICK: Tick,
    Kind.LINK: Link,
    Kind.ACTIVATE: Activate,
    Kind.CHANGES: ConditionChanges,
    Kind.COMMAND: Command,
    Kind.RECEIPT: Receipt,
    Kind.TRANSITION: Transition,
    Kind.NOTICE: Notice,
    Kind.ANSWER: Answer,
    Kind.REVISION: Revision,
    Kind.ACTIVATED: Activate,
    Kind.DEADLETTER: DeadLetter,
}
_KINDS = {payload: kind for kind, payload in _PAYLOADS.items() if kind is not Kind.ACTIVATED}
_encoder = msgspec.json.Encoder()
_decoders = {kind: msgspec.json.Decoder(Envelope[payload]) for kind, payload in _PAYLOADS.items()}  # type: ignore[valid-type]


def kind_of(payload: Struct) -> Kind:
    """The kind under which a payload travels."""
    return _KINDS[type(payload)]


def encode(
    payload: Struct,
    *,
    id: str = "",
    source: str = "hazwatch",
    at_ns: int = 0,
    subject: str = "",
    kind: Kind | None = None,
) -> bytes:
    """The payload in its envelope, as JSON bytes."""
    return _encoder.encode(
        Envelope(
            specversion="1.0",
            id=id,
            source=source,
            type=str(kind or kind_of(payload)),
            time=to_iso(at_ns) if at_ns else "",
            subject=subject,
            data=payload,
        )
    )


def decode(kind: str, value: bytes) -> Struct:
    """The payload of a JSON record. Raises `RecordError` when kind or value are not ours."""
    try:
        decoder = _decoders[Kind(kind)]
    except (KeyError, ValueError):
        raise RecordError(f"kind {kind!r} is not a JSON record of this version") from None
    try:
        envelope = decoder.decode(value)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise RecordError(f"{kind}: {error}") from None
    return envelope.data
