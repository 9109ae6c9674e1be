"""The state of a fold as bytes: a cache of what refolding the log would give, never the truth (LAWS C2).

`HAZFOLD1`, then a msgpack `Snapshot`: the header, the body, and a checksum over both. A snapshot is refused with a
reason rather than used in doubt; the fold then starts from an older one, or from the start of the log.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any
from zlib import crc32

import msgspec
import numpy as np
import numpy.typing as npt

from rules.faults import Fault
from rules.links import Links
from schemas.nowclock import NowClock, NowState
from schemas.registry import Struct

if TYPE_CHECKING:
    from rules.engine import Fold

MAGIC = b"HAZFOLD1"
FORMAT = 1


class Refusal(StrEnum):
    """Why a snapshot cannot be used."""

    NOT_A_SNAPSHOT = "not_a_snapshot"
    FORMAT = "format"
    DAMAGED = "damaged"
    INCARNATION = "incarnation"
    PARTITION = "partition"
    BEYOND_THE_LOG = "beyond_the_log"
    ANOTHER_LOG = "another_log"
    REVISION = "revision"
    LAYOUT = "layout"


class SnapshotRefused(ValueError):
    """A snapshot that cannot be used; `why` is the reason, the text says more."""

    def __init__(self, why: Refusal, text: str) -> None:
        super().__init__(text)
        self.why = why


class Header(Struct, frozen=True, kw_only=True):
    """What a snapshot says of itself. `last_checksum` is that of the value of the record at `last_offset`."""

    format: int
    incarnation: int
    partition: int
    partitions: int
    revision: int
    next_offset: int
    last_offset: int
    last_checksum: int

    def check(self, incarnation: int, log_end: int, last_value: bytes | None) -> None:
        """Compare with the log (LAWS C2). `last_value` is the value of the record at `last_offset`, None when
        retention has passed it. Raises `SnapshotRefused`."""
        if self.incarnation != incarnation:
            text = f"the snapshot is of incarnation {self.incarnation}, the log is incarnation {incarnation}"
            raise SnapshotRefused(Refusal.INCARNATION, text)
        if self.next_offset > log_end:
            text = f"the snapshot goes on at offset {self.next_offset}, but the log ends at {log_end}"
            raise SnapshotRefused(Refusal.BEYOND_THE_LOG, text)
        if last_value is not None and checksum(last_value) != self.last_checksum:
            text = f"the record at offset {self.last_offset} is not the one that the snapshot has seen"
            raise SnapshotRefused(Refusal.ANOTHER_LOG, text)


class RuleState(Struct, frozen=True, kw_only=True):
    id: str
    layout: str
    conditions: bytes
    gates: bytes
    memory: bytes


class Body(Struct, frozen=True, kw_only=True):
    """Everything that a fold knows, as copies that stay as they are while the fold goes on."""

    replay: bool
    rows_folded: int
    restated_ns: int
    clock: NowState
    links: dict[str, tuple[bool, int]] | None
    faults: tuple[Fault, ...]
    tags: str
    tag_state: bytes
    tag_memory: bytes
    rules: tuple[RuleState, ...]


class Frozen(Struct, frozen=True, kw_only=True):
    """A snapshot before it is put into bytes."""

    header: Header
    body: Body


class Snapshot(Struct, frozen=True, kw_only=True):
    header: Header
    crc: int
    body: bytes


_encoder = msgspec.msgpack.Encoder()
_snapshots = msgspec.msgpack.Decoder(Snapshot)
_bodies = msgspec.msgpack.Decoder(Body)


def checksum(value: bytes) -> int:
    """CRC-32 of a record's value."""
    return crc32(value)


def frozen(fold: Fold) -> Frozen:
    """The state of `fold` as it is now."""
    standing = fold.standing
    body = Body(
        replay=fold.replay,
        rows_folded=fold.rows_folded,
        restated_ns=fold.restated_ns,
        clock=fold.clock.state(),
        links=None if fold.links is None else dict(fold.links.last),
        faults=tuple(standing.faults.known.values()),
        tags=standing.admission.layout,
        tag_state=standing.admission.state.tobytes(),
        tag_memory=standing.admission.memory.tobytes(),
        rules=tuple(
            RuleState(
                id=e.id,
                layout=e.layout,
                conditions=e.conditions.tobytes(),
                gates=e.gates.tobytes(),
                memory=e.memory.tobytes(),
            )
            for e in standing.evaluators
        ),
    )
    header = Header(
        format=FORMAT,
        incarnation=fold.incarnation,
        partition=fold.partition,
        partitions=fold.rulebook.partitions,
        revision=fold.rulebook.revision,
        next_offset=fold.next_offset,
        last_offset=fold.last_offset,
        last_checksum=fold.last_checksum,
    )
    return Frozen(header=header, body=body)


def encode(taken: Frozen) -> bytes:
    """The snapshot in bytes. It touches no fold, so a thread may do it."""
    body = _encoder.encode(taken.body)
    return MAGIC + _encoder.encode(Snapshot(header=taken.header, crc=_crc(taken.header, body), body=body))


def _crc(header: Header, body: bytes) -> int:
    return crc32(body, crc32(_encoder.encode(header)))


def _parsed(data: bytes) -> Snapshot:
    if not data.startswith(MAGIC):
        raise SnapshotRefused(Refusal.NOT_A_SNAPSHOT, "these bytes are no snapshot of a rules fold")
    try:
        found = _snapshots.decode(memoryview(data)[len(MAGIC) :])
    except msgspec.MsgspecError as error:
        raise SnapshotRefused(Refusal.DAMAGED, f"the snapshot is damaged: {error}") from None
    if found.header.format != FORMAT:
        text = f"the snapshot has format {found.header.format}, this version reads {FORMAT}"
        raise SnapshotRefused(Refusal.FORMAT, text)
    if _crc(found.header, found.body) != found.crc:
        raise SnapshotRefused(Refusal.DAMAGED, "the snapshot is damaged: its checksum differs")
    return found


def header(data: bytes) -> Header:
    """What a snapshot says of itself. Raises `SnapshotRefused` when it is none, damaged or of another format."""
    return _parsed(data).header


def put_back(fold: Fold, data: bytes) -> None:
    """Give a new fold the state in `data`. Raises `SnapshotRefused` when its rulebook is not the snapshot's."""
    found = _parsed(data)
    head, book = found.header, fold.rulebook
    if (head.partition, head.partitions) != (book.partition, book.partitions):
        wanted = f"{book.partition} of {book.partitions}"
        text = f"the snapshot is of partition {head.partition} of {head.partitions}, not {wanted}"
        raise SnapshotRefused(Refusal.PARTITION, text)
    if head.revision != book.revision:
        raise SnapshotRefused(Refusal.REVISION, f"the snapshot follows revision {head.revision}, not {book.revision}")
    try:
        body = _bodies.decode(found.body)
    except msgspec.MsgspecError as error:
        raise SnapshotRefused(Refusal.LAYOUT, f"the snapshot was written by another version: {error}") from None
    evaluators = fold.standing.evaluators
    mine = [fold.standing.admission.layout, *(e.layout for e in evaluators)]
    if mine != [body.tags, *(r.layout for r in body.rules)]:
        text = "the snapshot was written by another version, or its revision's content has changed"
        raise SnapshotRefused(Refusal.LAYOUT, text)
    fold.replay = body.replay
    fold.rows_folded = body.rows_folded
    fold.restated_ns = body.restated_ns
    fold.next_offset, fold.last_offset, fold.last_checksum = head.next_offset, head.last_offset, head.last_checksum
    fold.clock = NowClock.of(body.clock)
    if body.links is not None:
        fold.links = Links((), 0, False)
        fold.links.last = dict(body.links)
    fold.standing.faults.put_back(body.faults)
    _fill(fold.standing.admission.state, body.tag_state)
    _fill(fold.standing.admission.memory, body.tag_memory)
    for evaluator, state in zip(evaluators, body.rules, strict=True):
        _fill(evaluator.conditions, state.conditions)
        _fill(evaluator.gates, state.gates)
        _fill(evaluator.memory, state.memory)
        evaluator.due[0] = 0  # recomputed at the next record


def _fill(array: npt.NDArray[Any], data: bytes) -> None:
    array[...] = np.frombuffer(data, array.dtype).reshape(array.shape)
