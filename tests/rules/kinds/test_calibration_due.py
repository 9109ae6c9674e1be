"""Calibrations that end: against calendar days worked out by the standard library, and in stories of silent tags."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.changes import AlarmClass, ConditionChange
from schemas.registry import Tag
from schemas.time import SECOND, end_of_day
from tests.laws.settings import traces as laws
from tests.laws.traces import START, gas_tag
from tests.rules.helpers import Story, seen
from tests.rules.kinds.instruments import new_fold, problems, under

KIND = "calibration_due"
CHINA = timezone(timedelta(hours=8))
DAY_S = 86_400


def due(day: date | None) -> Tag:
    return gas_tag(calibration_due=day)


def a_story(day: date | None, **params: float) -> Story:
    return Story(of=under(KIND, params, due(day)))


def told(story: Story) -> list[ConditionChange]:
    return [c for c in story.said if c.rule == KIND and c.basis != "restatement"]


@given(st.dates(date(2000, 1, 1), date(2100, 12, 31)))
def test_a_day_ends_at_midnight_in_china(day: date) -> None:
    following = datetime.combine(day + timedelta(days=1), datetime.min.time(), CHINA)
    assert end_of_day(day) == int(following.timestamp()) * SECOND


@laws(280)
@given(st.dates(date(2025, 12, 1), date(2026, 4, 1)), st.integers(0, 60), st.binary(min_size=200, max_size=800))
def test_the_fold_says_what_a_calendar_says(day: date, notice: int, waits: bytes) -> None:
    """Readings seconds to days apart, most of them some hours, over about three months."""
    story, second = a_story(day, notice_days=notice), 0
    wanted: list[int] = []
    for wait in waits:
        second += 6 * DAY_S if wait == 255 else 1 + 90 * wait
        story.read(second, 20.0 + len(wanted) / 1024)
        moment = datetime.fromtimestamp(START // SECOND + second, UTC).astimezone(CHINA)
        begins = datetime.combine(day + timedelta(days=1), datetime.min.time(), CHINA) - timedelta(days=notice)
        level = 2 if moment.date() > day else 1 if moment >= begins else 0
        wanted.append(level)
    got = [c.level for c in told(story)]
    assert got == [a for n, a in enumerate(wanted) if n == 0 or a != wanted[n - 1]]


def test_both_levels_in_their_turn_and_in_words() -> None:
    story = a_story(date(2026, 2, 1))
    for day in range(40):
        story.read(day * DAY_S, 20.0 + day / 8)
    normal, soon, over = told(story)
    assert (normal.level, soon.level, over.level) == (0, 1, 2)
    assert (soon.level_name, soon.tier, soon.alarm_class, soon.unit) == ("due_soon", 3, AlarmClass.INSTRUMENT, "d")
    assert soon.text.zh == "CO-1 一氧化碳：检定有效期至 2026-02-01，还剩 29 天，安排检定"
    assert soon.text.en == "CO-1 carbon monoxide: its calibration ends with 2026-02-01, in 29 days; have it calibrated"
    assert over.level_name == "overdue" and over.value == pytest.approx(-1 / 3)
    assert over.text.en.startswith("CO-1 carbon monoxide: its calibration ended on 2026-02-01, 0 days ago")


def test_a_silent_instrument_is_told_at_heartbeats() -> None:
    story = a_story(date(2026, 1, 1), notice_days=0.0)
    story.read(0, 20.0)
    for second in range(15 * 3600, 17 * 3600, 5):
        story.beat(second)
    (over,) = (c for c in told(story) if c.level)
    assert (over.level, over.basis) == (2, "link")
    assert (over.event_ns - START) // SECOND == 16 * 3600, "midnight in China"


def test_a_new_date_ends_it_and_an_outage_does_not_delay_it() -> None:
    story = a_story(date(2026, 1, 1), notice_days=0.0)
    story.read(0, 20.0)
    story.read(100 * DAY_S, 21.0)
    assert told(story)[-1].level == 2, "`now` has moved by 10 s"
    again = msgspec.structs.replace(under(KIND, {}, due(date(2027, 1, 1))), number=2)
    story.activate(100 * DAY_S + 1, again)
    for second in range(2, 80):
        story.read(100 * DAY_S + second, 20.0 + second / 128)
    ended = told(story)[-1]
    assert ended.level == 0 and ended.text.zh == "CO-1 一氧化碳：检定在有效期内"


def test_a_recording_is_judged_by_its_own_day() -> None:
    story = Story(of=under(KIND, {}, due(date(2026, 6, 1))), replay=True)
    story.read(0, 20.0)
    story.read(3600, 21.0)
    assert seen(story.said, KIND) == []


def test_a_tag_without_a_date_is_not_watched() -> None:
    (rule,) = (r for r in new_fold(KIND, due(None), {}).rulebook.rules if r.rule.id == KIND)
    assert rule.watched == ()


def test_what_check_refuses() -> None:
    assert problems(KIND, due(None), {}) == []
    for days in (-1.0, 400.0, float("nan")):
        (wrong,) = problems(KIND, due(None), {"notice_days": days})
        assert wrong.path == "params.notice_days" and wrong.cure
