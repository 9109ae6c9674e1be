"""Snapshots of the book, in a file and in `state`: what is refused, and what survives a writer that dies half-way."""

from __future__ import annotations

import zlib
from hashlib import sha256

import msgspec
import pytest

from alerting.book import Book
from alerting.snapshot import SnapshotRefused, encode
from alerting.state import StateWriter, highest_complete
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


def test_the_highest_complete_snapshot_is_taken_though_its_writer_died_half_way() -> None:
    desk = Desk()
    writer = StateWriter(0, "rank-0", part_bytes=100)
    topic: list[tuple[bytes, bytes]] = []
    complete = b""
    for n in range(6):
        desk.say(change(n % 3, n))
        complete = desk.book.snapshot()
        topic += writer.records(complete, Book.header(complete))
        desk.say(change(1, 100 + n, subject=f"CO-{n}"))
        half = desk.book.snapshot()
        topic += writer.records(half, Book.header(half))[:-1]
        assert highest_complete(topic, 0, 1) == complete
    assert highest_complete(topic, 1, 1) is None
    assert highest_complete(topic, 0, 2) is None
    assert highest_complete([(key, b"?" + value) for key, value in topic], 0, 1) is None


def test_a_zombie_of_an_older_position_does_not_win() -> None:
    desk = Desk()
    old = desk.book.snapshot()
    desk.say(change(1, 1))
    new = desk.book.snapshot()
    topic = [
        *StateWriter(0, "rank-1").records(new, Book.header(new)),
        *StateWriter(0, "rank-0").records(old, Book.header(old)),
    ]
    assert highest_complete(topic, 0, 1) == new


def test_a_replayed_book_goes_on_as_one() -> None:
    book = Book(0, 1, recorded=True)
    book.apply(0, START, Kind.TICK, encode_record(Tick(by="x")))
    again = Book.restore(book.snapshot())
    again.apply(1, START + 3600 * 10**9, Kind.TICK, encode_record(Tick(by="x")))
    assert again.now_ns == START + 3600 * 10**9
    assert msgspec.json.encode(again.freeze())
