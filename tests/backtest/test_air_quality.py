"""The air-quality recording: CO exceeds 10 mg/m3 in five hours, in three spells of 10.2; 10.2, 11.9, 11.5; and 10.1."""

from __future__ import annotations

import pytest

from hazwatch.backtest.compare import compare
from hazwatch.backtest.events import Event, judge
from hazwatch.backtest.measures import load
from hazwatch.backtest.play import play, stories
from hazwatch.backtest.story import Story
from hazwatch.replay.feed import Tally
from schemas.registry import Limits, Revision
from schemas.time import HOUR, from_iso
from tests.replay.recordings import CO, UCI, UCI_SHAPE, city, revision, tag

HOURS = 9357


def stricter(high: float) -> Revision:
    """The CO of the city alone, with another limit."""
    return revision(
        tag(CO, 1, limits=Limits(high=high), period_s=3600.0, stale_s=3 * 3600.0, bad_values=(-200.0,)),
        *city().tags[1:],
    )


@pytest.fixture(scope="module")
def told() -> tuple[Story, Story]:
    old, new = (play(one, [UCI], UCI_SHAPE, Tally()) for one in (city(), stricter(11.0)))
    return stories(old, new)


def limits(story: Story) -> Story:
    spells = tuple(spell for spell in story.spells if spell.condition.rule == "limits")
    calls = tuple(call for call in story.calls if call.condition.rule == "limits")
    return Story(calls, spells, story.span)


def test_the_spells_of_both(told: tuple[Story, Story]) -> None:
    old, new = map(limits, told)
    assert [spell.value for spell in old.spells] == [10.2, 10.2, 10.1]
    assert [spell.value for spell in new.spells] == [11.9]
    assert old.span.length_ns == new.span.length_ns == (HOURS - 1) * HOUR


def test_what_a_higher_limit_misses(told: tuple[Story, Story]) -> None:
    old, new = map(limits, told)
    found = compare(old.spells, new.spells)
    assert [match.shift_s for match in found.matched] == [3600.0]
    assert [episode.worst.value for episode in found.missed] == [10.2, 10.1]
    assert found.new == ()


def test_the_faults_are_the_same(told: tuple[Story, Story]) -> None:
    old, new = (story.spells for story in told)
    found = compare(old, new)
    assert len(found.matched) == len(new)
    assert {episode.worst.condition.rule for episode in found.missed} == {"limits"}


def test_the_load_of_a_year(told: tuple[Story, Story]) -> None:
    measured = load(limits(told[0]))
    assert measured.raised == 3
    assert measured.per_day == pytest.approx(3 / (HOURS - 1) * 24)
    assert (measured.flood, measured.chattering) == ({"park": 0.0}, {})


def test_an_evening_is_found_by_both(told: tuple[Story, Story]) -> None:
    """The hour of 11.9 is the event; OLD's 10.2 came an hour before it."""
    worst = limits(told[1]).spells[0].begin_ns
    event = Event(worst, worst + HOUR, "worst evening")
    assert worst > from_iso("2004-03-10T18:00:00Z")
    old, new = (judge(story, [event], 3 * HOUR) for story in told)
    assert (old.median_lead_s, new.median_lead_s) == (3600.0, 0.0)
    assert (old.false_alarms, new.false_alarms) == (2, 0)
    assert old.false_share is not None
    assert new.false_share is not None
    assert old.false_share > new.false_share
