"""The state of a fold as bytes: a cache of what refolding the log would give, never the truth (LAWS C2).

`HAZFOLD1`, the length of the head and a checksum of all that follows (4 bytes each, little-endian), a msgpack `Head`,
and the state: the arrays of the fold behind one another, as they lie in memory. A snapshot is refused with a reason
rather than used in doubt; the fold then starts from an older one, or from the start of the log.

A fold stands still while it is frozen, and the state is tens of megabytes where tags are read often. So it is copied
once, into memory that is kept from one snapshot to the next: fresh memory costs seven times as much.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Raw

from rules.faults import Fault
from rules.links import Links
from schemas.nowclock import NowClock, NowState
from schemas.registry import Struct

if TYPE_CHECKING:
    from rules.engine import Fold

MAGIC = b"HAZFOLD1"
FORMAT = 3
_SIZES = struct.Struct("<II")
_CRC_AT = len(MAGIC) + 4
_HEAD_AT = len(MAGIC) + _SIZES.size
_ALIGNED = 64
"""The arrays begin at a multiple of this, so that they can be used where they lie."""
_PAGE = 4096
_SPARE = 64 << 10
"""The head grows and shrinks a little; the memory is made anew only when it grows by more than this."""

Bytes = npt.NDArray[np.uint8]


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


class Body(Struct, frozen=True, kw_only=True):
    """What a fold knows beside its arrays."""

    replay: bool
    rows_folded: int
    restated_ns: int
    clock: NowState
    links: dict[str, tuple[bool, int]] | None
    faults: tuple[Fault, ...]
    tags: str
    rules: tuple[RuleState, ...]


class Head(Struct, frozen=True, kw_only=True):
    header: Header
    body: Raw


class Frozen(NamedTuple):
    """A snapshot that lacks its checksum. It lies in the fold's own memory: encode it before the next freeze."""

    memory: Bytes
    length: int


_encoder = msgspec.msgpack.Encoder()
_heads = msgspec.msgpack.Decoder(Head)
_bodies = msgspec.msgpack.Decoder(Body)


def checksum(value: bytes) -> int:
    """CRC-32 of a record's value."""
    return crc32(value)


def frozen(fold: Fold, memory: Bytes) -> Frozen:
    """The state of `fold` as it is now, in `memory` if that is large enough."""
    head = _head(fold)
    arrays = _arrays(fold)
    length = _state_at(len(head)) + _nbytes(arrays)
    if length > len(memory):
        memory = np.empty(length + _SPARE, np.uint8)
    start = (MAGIC + _SIZES.pack(len(head), 0) + head).ljust(_state_at(len(head)), b"\0")
    memory[: len(start)] = np.frombuffer(start, np.uint8)
    at = len(start)
    for array in arrays:
        memory[at : at + array.nbytes] = array.reshape(-1).view(np.uint8)
        at += array.nbytes
    return Frozen(memory, length)


def _head(fold: Fold) -> bytes:
    """What a snapshot begins with: all but the arrays."""
    standing = fold.standing
    body = Body(
        replay=fold.replay,
        rows_folded=fold.rows_folded,
        restated_ns=fold.restated_ns,
        clock=fold.clock.state(),
        links=None if fold.links is None else fold.links.last,
        faults=tuple(standing.faults.known.values()),
        tags=standing.admission.layout,
        rules=tuple(RuleState(id=e.id, layout=e.layout) for e in standing.evaluators),
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
    return _encoder.encode(Head(header=header, body=Raw(_encoder.encode(body))))


def encode(taken: Frozen) -> memoryview:
    """The snapshot, good until its fold is frozen again. It touches nothing else of the fold, so a thread may do it."""
    data = memoryview(taken.memory)[: taken.length]  # type: ignore[arg-type]
    data[_CRC_AT:_HEAD_AT] = crc32(data[_HEAD_AT:]).to_bytes(4, "little")
    return data


def size(fold: Fold) -> int:
    """Bytes of memory that a snapshot of `fold` takes, with some to spare for a head that grows."""
    return _state_at(len(_head(fold))) + _nbytes(_arrays(fold)) + _SPARE


def room(size: int) -> Bytes:
    """So much memory for snapshots, used once already: the kernel gives memory only when it is first written."""
    memory = np.empty(size, np.uint8)
    memory[::_PAGE] = 0
    return memory


def _state_at(head_size: int) -> int:
    """Where the arrays begin."""
    return -(-(_HEAD_AT + head_size) // _ALIGNED) * _ALIGNED


def _nbytes(arrays: list[npt.NDArray[Any]]) -> int:
    return sum(array.nbytes for array in arrays)


def _arrays(fold: Fold) -> list[npt.NDArray[Any]]:
    """All that a fold keeps in arrays, in the order in which a snapshot has it."""
    standing = fold.standing
    rules = (array for e in standing.evaluators for array in e.arrays)
    return [standing.admission.state, standing.admission.memory, *rules]


class Opened(NamedTuple):
    """A snapshot that was read and found whole; `state` lies in the memory of what was opened."""

    header: Header
    body: Raw
    state: memoryview


def opened(data: bytes | bytearray) -> Opened:
    """Look at a snapshot, all of it. Raises `SnapshotRefused` when it is none, damaged or of another format."""
    if not data.startswith(MAGIC) or len(data) < _HEAD_AT:
        raise SnapshotRefused(Refusal.NOT_A_SNAPSHOT, "these bytes are no snapshot of a rules fold")
    size, crc = _SIZES.unpack_from(data, len(MAGIC))
    content = memoryview(data)[_HEAD_AT:]
    if crc32(content) != crc:
        raise SnapshotRefused(Refusal.DAMAGED, "the snapshot is damaged: its checksum differs")
    try:
        found = _heads.decode(content[:size])
    except msgspec.MsgspecError as error:
        raise SnapshotRefused(Refusal.DAMAGED, f"the snapshot is damaged: {error}") from None
    if found.header.format != FORMAT:
        text = f"the snapshot has format {found.header.format}, this version reads {FORMAT}"
        raise SnapshotRefused(Refusal.FORMAT, text)
    return Opened(found.header, found.body, memoryview(data)[_state_at(size) :])


def put_back(fold: Fold, found: Opened) -> None:
    """Give a new fold what was found; if that was opened in a bytearray, it becomes the fold's own memory, which saves
    a copy.

    Raises `SnapshotRefused` when its rulebook is not the snapshot's.
    """
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
    if mine != [body.tags, *(r.layout for r in body.rules)] or len(found.state) != _nbytes(_arrays(fold)):
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
    taken = iter(_taken(_arrays(fold), found.state))
    fold.standing.admission.take(taken)
    for evaluator in evaluators:
        evaluator.take(taken)


def _taken(arrays: list[npt.NDArray[Any]], state: memoryview) -> Iterator[npt.NDArray[Any]]:
    """What a snapshot has for arrays whose layout was compared: where it lies if it may be written to, else copied."""
    at = 0
    for array in arrays:
        found = np.frombuffer(state, array.dtype, array.size, at).reshape(array.shape)
        yield found.copy() if state.readonly else found
        at += array.nbytes
