"""Snapshots of the book, in a file and in `state`: what is refused, and what survives a writer that dies half-way."""

from __future__ import annotations

import zlib
from hashlib import sha256

import msgspec
import pytest

from alerting.book import Book
from alerting.snapshot import SnapshotRefused, encode
from alerting.state import furthest_first, state_key
from schemas.alarms import ReceiptKind
from schemas.records import Kind, Tick
from schemas.records import encode as encode_record
from tests.alerting.bench import START, Desk, change


def busy_desk() -> Desk:
    """A book with something of everything in it."""
    desk = Desk()
    desk.say(change(1, 1), change(2, 2, subject="CO-2"))
    desk.acknowledge(desk.alarm)
    desk.receipt(desk.notices[0].id, ReceiptKind.TRYING)
    desk.receipt(desk.notices[1].id, ReceiptKind.ACCEPTED)
    desk.receipt("n-never-seen", ReceiptKind.ACCEPTED)
    desk.raw(Kind.CHANGES, b"{")
    desk.wait(95)
    return desk


def test_it_comes_back_the_same_and_says_where_it_stands() -> None:
    desk = busy_desk()
    data = desk.book.snapshot()
    again = Book.restore(data)
    assert again.snapshot() == data
    assert sorted(a.id for a in again.alarms()) == sorted(a.id for a in desk.book.alarms())
    header = Book.header(data)
    offset, _, _, value = desk.records[-1]
    assert (header.next_offset, header.last_offset) == (offset + 1, offset)
    assert header.last_checksum == Book.checksum(value)
    assert (header.incarnation, header.partition, header.revision) == (1, 0, 1)


def test_every_flipped_bit_is_refused() -> None:
    data = busy_desk().book.snapshot()
    for at in range(0, len(data), 7):
        broken = data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]
        with pytest.raises(SnapshotRefused):
            Book.restore(broken)
    for end in (0, 10, len(data) - 1):
        with pytest.raises(SnapshotRefused):
            Book.restore(data[:end])


def test_a_newer_version_and_a_strange_content_are_refused_in_words() -> None:
    data = Desk().book.snapshot()
    with pytest.raises(SnapshotRefused, match="version 2, this program reads version 1"):
        Book.restore(data.replace(b"hazwatch.book/1 ", b"hazwatch.book/2 ", 1))
    body = zlib.compress(b'{"header": {}}')
    with pytest.raises(SnapshotRefused, match="cannot be read"):
        Book.restore(b"hazwatch.book/1 " + sha256(body).hexdigest().encode() + b"\n" + body)


def test_a_frozen_book_stays_as_it_is_while_the_book_goes_on() -> None:
    desk = busy_desk()
    frozen, data = desk.book.freeze(), desk.book.snapshot()
    desk.say(change(2, 9), change(0, 10, subject="CO-2"))
    desk.wait(100)
    assert encode(frozen) == data
    assert desk.book.snapshot() != data


def test_the_furthest_snapshot_in_state_comes_first_and_broken_ones_not_at_all() -> None:
    desk = Desk()
    taken = []
    for n in range(3):
        desk.say(change(n % 3, n))
        taken.append(desk.book.snapshot())
    topic = [
        (state_key(0, "rank-1"), taken[0]),
        (state_key(0, "rank-0"), taken[2]),
        (state_key(0, "zombie"), taken[1]),
        (state_key(0, "rank-1"), taken[1]),
        (state_key(0, "broken"), taken[2][:-1]),
        (state_key(10, "rank-0"), taken[2]),
    ]
    assert furthest_first(topic, 0) == [taken[2], taken[1], taken[1]]
    assert furthest_first(topic, 10) == [taken[2]]
    assert furthest_first(topic, 1) == []


def test_a_replayed_book_goes_on_as_one() -> None:
    book = Book(0, 1, recorded=True)
    book.apply(0, START, Kind.TICK, encode_record(Tick(by="x")))
    again = Book.restore(book.snapshot())
    again.apply(1, START + 3600 * 10**9, Kind.TICK, encode_record(Tick(by="x")))
    assert again.now_ns == START + 3600 * 10**9
    assert msgspec.json.encode(again.freeze())
