"""Alarms against labelled events. The recording has 10 000 s, the event lasts from 5 000 to 6 000; warnings count from
1 000 s before, so 8 000 s are quiet."""

from __future__ import annotations

import pytest

from hazwatch.backtest.events import Event, Judgement, inside, judge, judge_rules
from hazwatch.backtest.story import Spell
from schemas.changes import AlarmClass
from schemas.time import SECOND
from tests.backtest.stories import START, span, spell, story

LONG = 10_000.0
LEAD = 1000 * SECOND


def event(start: float, end: float, label: str = "trip") -> Event:
    return Event(START + round(start * SECOND), START + round(end * SECOND), label)


TRIP = event(5000, 6000)


def judged(*spells: Spell) -> Judgement:
    return judge(story(LONG, *spells), [TRIP], LEAD)


@pytest.mark.parametrize(
    ("begin", "end", "lead"),
    [
        (4600, 5500, 400.0),  # before, and still there
        (4100, 4200, 900.0),  # before, and gone
        (5030, 5040, -30.0),  # during the event
        (3000, 5500, 1000.0),  # long before: no more than the window
        (3000, 4000, 1000.0),  # it touches the window
        (6000, 7000, -1000.0),  # in its last moment
    ],
)
def test_an_event_is_found(begin: float, end: float, lead: float) -> None:
    found = judged(spell(begin, end))
    assert (found.found, found.missed, found.median_lead_s) == (1, 0, lead)
    assert found.events[0].alarm == "A limits high"


@pytest.mark.parametrize(("begin", "end"), [(3000, 3999), (6001, 7000)])
def test_an_event_is_missed(begin: float, end: float) -> None:
    found = judged(spell(begin, end))
    assert (found.found, found.missed, found.median_lead_s, found.false_alarms) == (0, 1, None, 1)
    assert found.events[0].lead_s is None


def test_the_first_of_several_alarms_counts() -> None:
    assert judged(spell(4900, 5500), spell(4300, 4350, "B")).median_lead_s == 700.0


def test_quiet_time_and_what_is_false_in_it() -> None:
    """400 s before the window, 200 s behind it; two alarms at once are one time."""
    found = judged(spell(3600, 6200), spell(3700, 3800, "B"))
    assert found.quiet_s == 8000.0
    assert found.false_share == pytest.approx(600 / 8000)
    assert found.false_alarms == 1


def test_windows_that_overlap_are_quiet_once() -> None:
    events = [event(1000, 2000), event(2500, 3000)]
    found = judge(story(LONG), events, LEAD)
    assert found.quiet_s == 7000.0


def test_no_quiet_time_has_no_share() -> None:
    found = judge(story(100, spell(1, 2)), [event(-5, 500)], LEAD)
    assert (found.quiet_s, found.false_share, found.found) == (0.0, None, 1)


def test_faults_of_instruments_warn_of_nothing_but_are_judged_as_rules() -> None:
    told = story(LONG, spell(4500, 5500, rule="quality", kind="quality", alarm_class=AlarmClass.INSTRUMENT))
    assert judge(told, [TRIP], LEAD).found == 0
    assert judge_rules(told, [TRIP], LEAD)["quality"].found == 1


def test_each_rule_is_judged_alone() -> None:
    told = story(LONG, spell(4500, 5500, rule="early", kind="forecast"), spell(5100, 5500))
    rules = judge_rules(told, [TRIP], LEAD)
    assert {name: one.median_lead_s for name, one in rules.items()} == {"early": 500.0, "limits": -100.0}


def test_events_outside_the_recording_are_set_aside() -> None:
    events = [event(-20, -10, "before"), event(-20, 0, "edge"), TRIP, event(10_000, 10_001), event(10_001, 10_002)]
    assert inside(events, span(LONG)) == events[1:4]
