"""From a message to rows and letters, without a broker: what is counted, and that nothing invented grows the memory."""

from __future__ import annotations

import tracemalloc

from ingest.acks import Message, Ticket
from ingest.config import SourceConfig
from ingest.directory import Directory
from ingest.intake import Intake
from tests.ingest.registry import revision

FLAT = SourceConfig(name="flat", topic="flat/#", format="flat", ignore=("battery",))


def intake() -> Intake:
    return Intake(Directory.of(revision("co-1", "co-2"), [FLAT], 4))


def take(one: Intake, payload: str, topic: str = "flat/a") -> Ticket:
    ticket = Ticket(Message(1, 1, 1, False, topic, payload.encode()))
    one.take_in(ticket, 0, 0)
    return ticket


def test_parts_and_readings_are_counted() -> None:
    one = intake()
    ticket = take(one, '{"co-1": 1, "battery": 90, "co-9": 5, "model": "x"}')
    assert ticket.readings == 1
    assert ticket.open_parts == 3, "one part for the reading, one letter for each of two reasons"
    assert {letter.letter.reason: letter.letter.names for letter in one.letters} == {
        "malformed": ("model",),
        "unknown_name": ("co-9",),
    }
    assert one.rejected == {("flat", "malformed"): 1, ("flat", "unknown_name"): 1}


def test_ignored_keys_are_no_trouble() -> None:
    one = intake()
    assert take(one, '{"co-1": 1, "battery": 90}').open_parts == 1
    assert take(one, '{"battery": 90}').open_parts == 0
    assert one.letters == [] and not one.troubles
    take(one, "{}")
    assert [letter.letter.reason for letter in one.letters] == ["malformed"]


def test_a_topic_of_no_source_is_passed_over() -> None:
    one = intake()
    ticket = Ticket(Message(1, 1, 1, False, "other", b"1"))
    assert one.take_in(ticket, 0, 0) is None and ticket.open_parts == 0
    assert one.take_in(Ticket(Message(1, 1, 1, False, None, b"1")), 0, 0) is None


def test_invented_names_and_topics_do_not_grow_the_memory() -> None:
    """Ten thousand messages of random names, each on a topic of its own, when as many have been before."""
    one = intake()

    def flood(start: int, stop: int) -> None:
        for i in range(start, stop):
            take(one, f'{{"x{i}": 5, "y{i}": null}}', f"flat/{i}")
            one.letters.clear()

    flood(0, 10_000)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    flood(10_000, 20_000)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 6 * 2**20
    assert len(one.troubles["flat"].last_values) == 100
