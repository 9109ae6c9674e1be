"""Routing: who hears of what, and that a tier-1 alarm is never silent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from alerting.book import Book
from alerting.routing import EVERY_CHANNEL, check
from schemas.alarms import Change
from schemas.changes import AlarmClass, Side
from schemas.registry import Measure, Route, Rule, Tag
from tests.alerting.bench import Desk, change, revision
from tests.laws.settings import traces


def desk_with(*routes: Route) -> Desk:
    book = Book(0, 1)
    book.start_at(0, revision(*routes))
    return Desk(book)


def heard(desk: Desk) -> list[tuple[str, str, str, int]]:
    return [(notice.channel, notice.recipient, str(notice.reason), notice.tier) for notice in desk.notices]


def test_each_matching_route_makes_one_notice_per_recipient_and_none_twice() -> None:
    desk = desk_with(
        Route(id="a", channel="sms", recipients=("wang", "li")),
        Route(id="b", channel="sms", recipients=("li", "zhao"), tiers=(1,)),
        Route(id="c", channel="hook"),
        Route(id="d", channel="hook", tiers=(2, 3)),
    )
    desk.say(change(2, 1))
    assert heard(desk) == [
        ("sms", "wang", "raise", 1),
        ("sms", "li", "raise", 1),
        ("sms", "zhao", "raise", 1),
        ("hook", "", "raise", 1),
    ]
    assert [notice.route for notice in desk.notices] == ["a", "a", "b", "c"]
    assert len({notice.id for notice in desk.notices}) == 4


@pytest.mark.parametrize(
    ("selectors", "takes"),
    [
        ({}, True),
        ({"tiers": (1,)}, False),
        ({"tiers": (2, 3)}, True),
        ({"classes": ("process",)}, True),
        ({"classes": ("instrument",)}, False),
        ({"parks": ("demo",)}, True),
        ({"parks": ("other",)}, False),
        ({"enterprises": ("metal",), "hazard_sources": ("foundry",)}, True),
        ({"enterprises": ("metal",), "hazard_sources": ("tank",)}, False),
        ({"route_classes": ("toxic",)}, False),
    ],
)
def test_all_selectors_must_match(selectors: dict[str, tuple[object, ...]], takes: bool) -> None:
    desk = desk_with(Route(id="r", channel="hook", **selectors))  # type: ignore[arg-type]
    desk.say(change(1, 1))
    assert bool(desk.notices) is takes


def test_a_rule_may_name_a_route_class() -> None:
    desk = desk_with(Route(id="r", channel="hook", route_classes=("toxic",)))
    desk.say(change(1, 1, route="toxic"))
    assert len(desk.notices) == 1


def test_a_system_alarm_without_a_place_concerns_every_place() -> None:
    desk = desk_with(Route(id="r", channel="hook", enterprises=("metal",), tiers=(2,)))
    desk.raw("?", b"")
    assert [notice.alarm.alarm_class for notice in desk.notices] == [AlarmClass.SYSTEM]


def test_other_classes_route_too() -> None:
    desk = desk_with(Route(id="r", channel="hook", classes=("instrument",)), Route(id="t1", channel="x", tiers=(1,)))
    desk.say(change(1, 1, side=Side.FAULT, alarm_class=AlarmClass.INSTRUMENT, tier=3))
    assert heard(desk) == [("hook", "", "raise", 3)]


def test_only_the_changes_asked_for_are_told_and_the_end_is_told_by_the_worst_tier() -> None:
    every = tuple(str(change) for change in Change)
    desk = desk_with(Route(id="r", channel="hook", tiers=(1,), on=every), Route(id="s", channel="sms"))
    desk.say(change(2, 1))
    desk.acknowledge(desk.alarm)
    desk.say(change(1, 2))
    desk.say(change(0, 3))
    assert heard(desk) == [
        ("hook", "", "raise", 1),
        ("sms", "", "raise", 1),
        ("hook", "", "acknowledge", 1),
        ("hook", "", "fall", 1),
        ("hook", "", "return", 1),
    ]


def test_to_be_raised_again_is_to_be_raised() -> None:
    desk = desk_with(Route(id="r", channel="hook", on=("raise",)))
    desk.say(change(2, 1))
    desk.say(change(0, 2))
    desk.say(change(2, 3))
    assert [reason for _, _, reason, _ in heard(desk)] == ["raise", "reraise"]


def test_a_tier_1_alarm_without_a_route_goes_to_every_channel_and_the_fault_stands() -> None:
    desk = desk_with(
        Route(id="a", channel="sms", recipients=("wang",), tiers=(4,)), Route(id="b", channel="hook", tiers=(2,))
    )
    desk.say(change(2, 1))
    assert heard(desk)[:2] == [("sms", "wang", "raise", 1), ("hook", "", "raise", 1)]
    assert desk.alarm.subject == "events/0:unrouted"
    desk.activate(revision(Route(id="a", channel="sms", recipients=("wang",)), number=2))
    assert (desk.said()[-1], desk.alarm.subject) == ("return", "events/0:unrouted")


def test_without_any_route_it_goes_to_whatever_there_is() -> None:
    desk = Desk(Book(0, 1))
    desk.say(change(2, 1))
    assert heard(desk)[0] == (EVERY_CHANNEL, "", "raise", 1)
    desk.say(change(1, 1, subject="T", tier=3))
    assert len(desk.notices) == 1, "a lesser alarm without a route is on the list only"


def test_check_tells_which_alarms_reach_nobody() -> None:
    assert check(revision(Route(id="a", channel="hook"))) == ()
    problems = check(revision(Route(id="a", channel="hook", tiers=(1, 2), enterprises=("metal",))))
    told = [problem.message for problem in problems]
    assert told[0] == "a tier 1 (red) process alarm of chlorine reaches nobody"
    assert "a tier 3 (yellow) process alarm of metal, chlorine reaches nobody" in told
    assert any("system" in message for message in told)
    no_rise = check(revision(Route(id="a", channel="hook", on=("raise",))))
    assert any("tier 1" in problem.message for problem in no_rise)


def test_check_looks_where_the_tags_are() -> None:
    tag = Tag(number=1, name="CO", enterprise="metal", hazard_source="foundry", measure=Measure.GAS, unit="ppm")
    content = revision(Route(id="a", channel="hook", hazard_sources=("foundry",)))
    assert check(content) != ()
    assert check(replace(content, tags=(tag,))) == ()


def test_a_rule_may_not_bear_the_name_of_the_books_own_faults() -> None:
    content = revision(Route(id="a", channel="hook"))
    rules = tuple(Rule(id=id, kind="limits") for id in ("book", "chain", "limits"))
    problems = check(replace(content, rules=rules))
    assert [problem.path for problem in problems] == ["rules[book]", "rules[chain]"]


def test_check_tells_every_wrong_value_at_once() -> None:
    route = Route(id="a", channel="pager", recipients=(), tiers=(0, 5), classes=("fire",), on=("raise", "rise", "boom"))
    paths = [problem.path for problem in check(revision(route), channels=["hook"])]
    assert paths[:6] == [
        "routes[a].on",
        "routes[a].tiers",
        "routes[a].tiers",
        "routes[a].classes",
        "routes[a].recipients",
        "routes[a].channel",
    ]


some = st.booleans()
routes = st.lists(
    st.builds(
        Route,
        id=st.sampled_from("abc"),
        channel=st.sampled_from(["hook", "sms"]),
        recipients=st.sampled_from([("",), ("wang",), ("wang", "li")]),
        tiers=st.sampled_from([(), (1,), (2, 3), (4,)]),
        classes=st.sampled_from([(), ("process",), ("system",)]),
        parks=st.sampled_from([(), ("demo",), ("other",)]),
        hazard_sources=st.sampled_from([(), ("foundry",), ("x",)]),
        on=st.sampled_from([("raise", "rise"), ("return",), ("rise",), ()]),
    ),
    max_size=4,
)


@traces(500)
@given(routes, st.lists(st.integers(0, 2), min_size=1, max_size=6))
def test_no_tier_1_alarm_is_ever_silent(routes: list[Route], levels: list[int]) -> None:
    """Whatever the routes, a rise, raise or re-raise at tier 1 makes a notice in the same record."""
    desk = desk_with(*routes)
    for offset, level in enumerate(levels):
        outputs = desk.say(change(level, offset))
        for transition in outputs.transitions:
            if transition.change in ("raise", "rise", "reraise") and transition.alarm.tier == 1:
                assert [n for n in outputs.notices if n.alarm == transition.alarm]
