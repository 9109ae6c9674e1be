"""Statuses of gateways without a broker: what their payloads say, whose link they are of, and what follows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.acks import Message, Ticket
from ingest.config import MqttConfig, SourceConfig, problems
from ingest.decoding import Rejected
from ingest.directory import Directory
from ingest.formats import FORMATS
from ingest.intake import Intake
from ingest.statuses import STRANGERS, State, Statuses, stated_by
from schemas.partitioning import partition_of
from tests.ingest.registry import revision, tag

GATEWAYS = SourceConfig(
    name="gateways",
    topic="park/+/+/up",
    format="flat",
    link="{2}/{3}",
    status_topic="park/{2}/{3}/status",
)
TAGS = (
    tag(1, "co-1", link="metal/gw1", cell="a"),
    tag(2, "co-2", link="metal/gw1", cell="b"),
    tag(3, "co-3", link="metal/gw2", cell="a"),
)


def said(payload: str | bytes, **fields: Any) -> State | None:
    """The state that a payload states, None when it is refused."""
    raw = payload.encode() if isinstance(payload, str) else payload
    answer = stated_by(raw, replace(GATEWAYS, **fields))
    return None if isinstance(answer, Rejected) else answer


@pytest.mark.parametrize(
    "payload",
    ["online", "Online", " ONLINE\n", "1", "true", "up", '"online"', '{"online": true}', '{"state": "online"}',
     '{"connected": 1}', '{"since": 5, "status": "Online"}', '{"online": 1.0}'],
)  # fmt: skip
def test_words_for_up(payload: str) -> None:
    assert said(payload) is State.UP


@pytest.mark.parametrize(
    "payload",
    ["offline", "Offline", "0", "false", "down", '"offline"', '{"online": false}', '{"state": "offline"}',
     '{"connected": 0}', '{"online": 0.0}', '{"online": false, "state": "online"}'],
)  # fmt: skip
def test_words_for_down(payload: str) -> None:
    assert said(payload) is State.DOWN


@pytest.mark.parametrize(
    "payload",
    ["maintenance", "2", "null", "{}", "[]", "[0]", '{"online": null}', '{"online": {"state": "online"}}', b"\xff",
     "0" * 5000, "1" * 5000, '{"online": 1e300}', '{"online": ' + "9" * 5000 + "}", "[" * 5000, "off line",
     '{"online": true, "online": false}', '{"battery": 1}', "1.5", "NaN"],
)  # fmt: skip
def test_what_says_neither_is_refused(payload: str | bytes) -> None:
    assert said(payload) is None


def test_nothing_takes_a_status_back() -> None:
    assert said("") is State.UNKNOWN and said(" ") is State.UNKNOWN


def test_words_and_keys_of_a_site() -> None:
    own: dict[str, Any] = {"status_up": ("2",), "status_down": ("DEAD",), "status_keys": ("gw",)}
    assert said("2", **own) is State.UP and said('{"gw": 2}', **own) is State.UP
    assert said("dead", **own) is State.DOWN and said("offline", **own) is None
    refused = stated_by(b"offline", replace(GATEWAYS, **own))
    assert isinstance(refused, Rejected) and "DEAD (status_down)" in refused.detail


@given(st.binary(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["online", "state", "x"]), inner),
    max_leaves=5,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_any_payload_is_a_state_or_refused(payload: bytes) -> None:
    assert isinstance(stated_by(payload, GATEWAYS), State | Rejected)


class World:
    """An intake that is sent messages; `down` are the links that its heartbeats would call down."""

    def __init__(self, *sources: SourceConfig) -> None:
        self.directory = Directory.of(revision(tags=TAGS), sources or (GATEWAYS,), 8)
        self.intake = Intake(self.directory)

    def send(self, topic: str, payload: str, retain: bool = False) -> Ticket:
        ticket = Ticket(Message(1, 1, 1, retain, topic, payload.encode()))
        self.intake.take_in(ticket, 0, 0)
        return ticket

    @property
    def down(self) -> set[str]:
        return {link for link, _ in self.directory.heartbeats() if self.intake.statuses.is_down(link)}


def test_every_gateway_is_a_link_with_heartbeats_where_its_tags_are() -> None:
    a, b = partition_of("a", 8), partition_of("b", 8)
    assert World().directory.heartbeats() == sorted({("metal/gw1", a), ("metal/gw1", b), ("metal/gw2", a)})
    fenced = World(replace(GATEWAYS, enterprise="chlorine"))
    assert fenced.directory.heartbeats() == []


def test_a_status_is_of_one_link_and_leaves_nothing_to_append() -> None:
    world = World()
    assert world.down == set(), "unknown counts as up"
    ticket = world.send("park/metal/gw1/status", "offline")
    assert ticket.open_parts == 0 and not world.intake.letters and not world.intake.batcher.rows
    assert world.down == {"metal/gw1"}
    world.send("park/metal/gw2/status", "offline", retain=True)
    assert world.down == {"metal/gw1", "metal/gw2"}, "a retained status is one like any other"
    world.send("park/metal/gw1/status", "online")
    assert world.down == {"metal/gw2"}
    world.send("park/metal/gw2/status", "", retain=True)
    assert world.down == set(), "taken back"


def test_a_status_that_cannot_be_read_is_a_dead_letter_and_changes_nothing() -> None:
    world = World()
    world.send("park/metal/gw1/status", "offline")
    assert world.send("park/metal/gw1/status", "maintenance").open_parts == 1
    assert world.down == {"metal/gw1"}
    assert [(one.letter.source, one.letter.reason) for one in world.intake.letters] == [("gateways", "malformed")]
    world.send("park/metal/gw1/status", "1" * 70_000)
    assert [one.letter.reason for one in world.intake.letters] == ["malformed", "too_large"]


def test_a_live_reading_is_proof_of_life_until_the_next_status() -> None:
    world = World(GATEWAYS, replace(GATEWAYS, name="old", topic="park/+/+/backfill", history=True))
    world.send("park/metal/gw1/status", "offline")
    world.send("park/metal/gw2/up", '{"co-3": 1}')
    assert world.down == {"metal/gw1"}, "another gateway's reading proves nothing"
    world.send("park/metal/gw1/up", '{"co-1": 1}', retain=True)
    assert world.down == {"metal/gw1"}, "nor does a retained one"
    world.send("park/metal/gw1/backfill", '[{"tag": "co-1", "value": 1, "time": 1767225600000}]')
    assert world.down == {"metal/gw1"}, "nor does history"
    world.send("park/metal/gw1/up", "no reading")
    assert world.down == {"metal/gw1"}, "nor does what cannot be read"
    world.send("park/metal/gw1/up", '{"co-1": 1}')
    assert world.down == set()
    world.send("park/metal/gw1/status", "offline")
    assert world.down == {"metal/gw1"}
    assert [(n.link, n.up, n.by) for n in world.intake.statuses.news] == [
        ("metal/gw1", False, "its status"),
        ("metal/gw1", True, "a reading"),
        ("metal/gw1", False, "its status"),
    ]


def test_a_gateway_that_gets_its_tags_later_is_known_to_be_down() -> None:
    world = World()
    world.send("park/metal/gw9/status", "offline", retain=True)
    later = Directory.of(revision(tags=(tag(1, "co-1", link="metal/gw9"),), number=2), [GATEWAYS], 8)
    world.intake.directory = world.directory = later
    assert world.down == {"metal/gw9"}


def test_invented_gateways_do_not_grow_the_memory_and_hide_no_real_one() -> None:
    statuses = Statuses()
    for i in range(STRANGERS + 1000):
        statuses.stated(f"x{i}", State.DOWN, has_tags=False)
    statuses.stated("gw1", State.DOWN, has_tags=True)
    assert statuses.is_down("gw1") and len(statuses._down) == STRANGERS + 1
    assert len(statuses.news) <= 100


def told(*sources: SourceConfig) -> str:
    return "\n".join(problems(MqttConfig(), list(sources), list(FORMATS)))


def test_a_good_configuration_has_no_problems() -> None:
    history = replace(GATEWAYS, name="old", topic="park/+/+/backfill", history=True)
    one = SourceConfig(name="one", topic="hut/up", format="flat", link="hut", status_topic="hut/lwt")
    assert told(GATEWAYS, history, one) == ""
    assert Directory.of(revision(tags=TAGS), [GATEWAYS, history], 8).problems() == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status_topic": "park/+/+/status"}, "write {n}"),
        ({"status_topic": "park/{2}/{9}/status"}, "{9} stands for nothing"),
        ({"link": "{2}/{key}"}, "{key} stands for nothing"),
        ({"link": "ingest"}, "{2}, {3} is in one only"),
        ({"link": "{3}"}, "{2} is in one only"),
        ({"status_topic": "park/metal/{3}/status"}, "{2} is in one only"),
        ({"status_topic": "park/{2}-{3}/status"}, "one {n} on each level"),
        ({"status_topic": "park/{2}/{3}/up"}, "'gateways' takes these topics for readings"),
        ({"status_topic": "$SYS/{2}/{3}"}, "the broker's own topics"),
        ({"status_down": ("Online", "off")}, "online is in status_up and in status_down"),
        ({"status_down": ()}, "no gateway could ever be down"),
        ({"platform_ack": "park/{2}/{3}/status"}, "publishes its platform_ack there"),
    ],
)
def test_problems_are_told(fields: dict[str, Any], words: str) -> None:
    found = told(replace(GATEWAYS, **fields))
    assert words in found and "source[0] 'gateways'" in found, found


def test_two_gateways_on_one_link_are_told() -> None:
    one = SourceConfig(name="one", topic="hut1/up", format="flat", status_topic="hut1/lwt")
    other = SourceConfig(name="two", topic="hut2/up", format="flat", status_topic="hut2/lwt")
    assert "'two' has the same link and another status" in told(one, other)
    assert told(one, replace(other, status_topic="hut1/lwt")) == ""


def test_a_tag_whose_link_no_source_feeds_is_told() -> None:
    tags = (*TAGS, tag(4, "co-4", link="metal/gw1/x"), tag(5, "co-5", link="metal/gw1/x"), tag(6, "co-6"))
    found = Directory.of(revision(tags=tags), [GATEWAYS], 8).problems()
    assert [text.split(";")[0] for text in found] == [
        "tags[co-4].link: no source feeds 'metal/gw1/x' (and 1 more)",
        "tags[co-6].link: no source feeds 'ingest'",
    ]
    assert Directory.of(revision(tags=tags), [], 8).problems() == [], "without any source there is nothing to say yet"
    unused = Directory.of(revision(tags=(tag(6, "co-6"),)), [GATEWAYS], 8).problems()
    assert any("no tag has the link '{2}/{3}'" in text for text in unused)


def test_a_tag_that_comes_over_another_link_than_its_own_is_found() -> None:
    world = World(GATEWAYS, replace(GATEWAYS, name="old", topic="park/+/+/backfill", history=True))
    world.send("park/metal/gw1/up", '{"co-1": 1, "co-2": 1}')
    assert world.directory.misplaced == {}
    world.send("park/metal/gw1/backfill", '[{"tag": "co-3", "value": 1, "time": 1767225600000}]')
    assert world.directory.misplaced == {}, "history says nothing about silence"
    world.send("park/metal/gw1/up", '{"co-1": 1, "co-3": 1}')
    world.send("park/metal/gw9/up", '{"co-3": 1}')
    assert world.directory.misplaced == {"co-3": ("metal/gw1", "metal/gw2")}
