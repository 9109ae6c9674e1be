"""Snapshots: what is refused, and why (LAWS C2). That they are complete is a law (tests/laws/test_rules_fold.py)."""

from __future__ import annotations

from zlib import crc32

import msgspec
import pytest

from hazwatch.bench.rules.plant import divided, mix
from rules.engine import Fold
from rules.rulebook import compile_rules
from rules.snapshot import FORMAT, MAGIC, Refusal, SnapshotRefused, opened
from rules.snapshot import encode as encode_fold
from schemas.batch import batch, encode
from schemas.records import Kind
from schemas.registry import Limits
from tests.laws.traces import START, gas_tag, level_tag, revision
from tests.rules.helpers import Story

RECORD = encode(batch([1], [START], [60.0]))


def taken() -> tuple[Fold, bytes]:
    fold = Story(incarnation=3).fold
    fold.start_at(41)
    fold.apply(41, START, Kind.READINGS, RECORD)
    return fold, fold.snapshot()


def refused(data: bytes, fold: Fold) -> Refusal:
    with pytest.raises(SnapshotRefused) as error:
        Fold.restore(data, fold.rulebook)
    assert str(error.value)
    return error.value.why


def test_a_header_tells_what_the_driver_must_know() -> None:
    _, data = taken()
    header = opened(data).header
    assert (header.incarnation, header.partition, header.revision) == (3, 0, 1)
    assert (header.next_offset, header.last_offset) == (42, 41)
    assert header.last_checksum == Fold.checksum(RECORD)


def test_damage_anywhere_is_refused() -> None:
    fold, data = taken()
    assert refused(b"", fold) is Refusal.NOT_A_SNAPSHOT
    assert refused(b"something else entirely", fold) is Refusal.NOT_A_SNAPSHOT
    for at in range(len(MAGIC), len(data), 3):
        broken = bytearray(data)
        broken[at] ^= 0x40
        assert refused(bytes(broken), fold) in (Refusal.DAMAGED, Refusal.FORMAT)
    assert refused(data[:-1], fold) is Refusal.DAMAGED


def test_another_format_is_refused() -> None:
    fold, data = taken()
    begin = len(MAGIC) + 8
    size = int.from_bytes(data[len(MAGIC) : len(MAGIC) + 4], "little")
    found = msgspec.msgpack.decode(data[begin : begin + size])
    found["header"]["format"] = FORMAT + 1
    head = msgspec.msgpack.encode(found)
    content = head + data[begin + size :]
    sizes = len(head).to_bytes(4, "little") + crc32(content).to_bytes(4, "little")
    assert refused(MAGIC + sizes + content, fold) is Refusal.FORMAT


def test_a_snapshot_stays_as_it_is_while_the_fold_goes_on() -> None:
    fold, data = taken()
    frozen = fold.freeze()
    fold.apply(42, START, Kind.READINGS, RECORD)
    assert bytes(encode_fold(frozen)) == data
    assert fold.snapshot() != data


def test_memory_may_be_reserved_while_a_snapshot_is_written() -> None:
    fold, data = taken()
    frozen = fold.freeze()
    fold.reserve()()
    fold.apply(42, START, Kind.READINGS, RECORD)
    later = fold.snapshot()
    assert bytes(encode_fold(frozen)) == data
    assert fold.snapshot() == later


def test_what_is_reserved_is_enough_for_a_park_of_many_rules() -> None:
    parts = divided(mix(200))
    names = [msgspec.structs.replace(rule, id=f"{rule.id}-{n}") for n in range(5) for rule in parts.rules]
    fold = Fold(compile_rules(msgspec.structs.replace(parts, rules=tuple(names)), 0, 1), 0, 1)
    fold.reserve()()
    reserved = fold._frozen
    fold.apply(0, START, Kind.READINGS, RECORD)
    assert fold.freeze().memory is reserved


def test_another_revision_partition_or_content_is_refused() -> None:
    _, data = taken()
    later = Story(of=revision(gas_tag(), number=2)).fold
    assert refused(data, later) is Refusal.REVISION
    wider = Fold(compile_rules(revision(gas_tag()), 0, 1), 0, 1)
    object.__setattr__(wider.rulebook, "partitions", 2)
    assert refused(data, wider) is Refusal.PARTITION
    other = Story(of=revision(gas_tag(), level_tag())).fold
    assert refused(data, other) is Refusal.LAYOUT
    one_sided = Story(of=revision(gas_tag(limits=Limits(low=1.0)))).fold
    assert refused(data, one_sided) is Refusal.LAYOUT


def test_the_header_is_compared_with_the_log() -> None:
    _, data = taken()
    header = opened(data).header
    header.check(3, 42, RECORD)
    header.check(3, 900, None)
    for arguments, why in (
        ((4, 42, RECORD), Refusal.INCARNATION),
        ((3, 41, RECORD), Refusal.BEYOND_THE_LOG),
        ((3, 42, RECORD + b" "), Refusal.ANOTHER_LOG),
    ):
        with pytest.raises(SnapshotRefused) as error:
            header.check(*arguments)
        assert error.value.why is why


def test_a_fold_that_has_seen_nothing_can_be_kept_too() -> None:
    fold = Story().fold
    again = Fold.restore(fold.snapshot(), fold.rulebook)
    assert again.apply(0, START, Kind.READINGS, RECORD) == fold.apply(0, START, Kind.READINGS, RECORD)
