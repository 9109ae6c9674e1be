"""Excursions against a slow oracle, the numbers of the rule, and what bad, late and missing data do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.kinds import Said
from rules.kinds.excursion import KIND, Params, check, plan, say
from schemas.changes import ConditionChange
from schemas.quality import Quality
from schemas.registry import Revision, Tag
from tests.laws.settings import PATIENCE_S, traces
from tests.rules.helpers import Story
from tests.rules.kinds import exposures
from tests.rules.kinds.exposures import (
    HOLD,
    SHIFTS,
    SPOILT,
    Reading,
    drawn,
    is_good,
    is_usable,
    point,
    read,
    replayed,
    shift_of,
)
from tests.rules.kinds.groups import Ladder

pytestmark = pytest.mark.timeout(PATIENCE_S)

MINUTE = 60_000
PLAIN = {"limit": 10.0, "on_delay_s": 0.0, "off_delay_s": 0.0, "warn_delay_s": 0.0}
"""Excursions above 30, never above 50."""


def under(one: Tag, **params: float | str | list[str]) -> Revision:
    return exposures.under("excursion", one, **params)


def said_of(said: Sequence[ConditionChange], side: str = "high") -> list[int]:
    return exposures.said_of(said, "excursion", side)


# The oracle


class SlowExcursions:
    """All readings of one point, added up anew at each of them."""

    def __init__(self, shifts: Sequence[str], offset_h: float) -> None:
        self.zone = shifts, offset_h
        self.shift = shift_of(0, *self.zone)
        self.readings: list[Reading] = []
        self.since: int | None = None  # what the excursion under way counts from
        self.ended: int | None = None
        self.count, self.soon = 0, False

    def read(self, reading: Reading) -> tuple[bool, bool, float]:
        """(is the rule broken, is an excursion under way, its minutes)."""
        at, number, _ = reading
        if at >= self.shift[1]:
            self.shift = shift_of(at, *self.zone)
        begins, _ = self.shift
        if self.readings and self.readings[-1][0] < begins:
            self.count, self.ended, self.soon = int(self.since is not None), None, False
            self.since = None if self.since is None else begins
        self.readings.append(reading)
        present = min(max(number, 0.0), 200.0)
        if self.since is None and present > 30:
            self.since, self.count = at, self.count + 1
            self.soon = self.ended is not None and at - self.ended < 60 * MINUTE
        elif self.since is not None and present <= 27 and is_good(reading, 200.0):
            self.since, self.ended = None, at
        if self.since is None:
            return False, False, math.nan
        lasted = sum(
            max(0, min(after, then + HOLD) - max(then, self.since))
            for (then, *_), (after, *_) in pairwise(self.readings)
        )
        return self.soon or self.count > 4 or lasted > 15 * MINUTE, True, lasted / MINUTE


STEPS_S = (10, 60, 60, 119, 120, 200, 600, 1800, 3700, 20_000)
VALUES: tuple[tuple[float, int], ...] = (
    *((float(v), 0) for v in (0, 0, 5, 26, 28, 29, 31, 32, 40, 46, 49, 51, 150, -1, -7, 260, math.inf, -math.inf)),
    *SPOILT,
)


@traces(250)
@given(st.binary(min_size=800, max_size=1000), st.sampled_from(SHIFTS))
def test_excursions_equal_the_oracle(data: bytes, zone: tuple[list[str], float]) -> None:
    shifts, offset_h = zone
    fold = replayed(under(point(), **PLAIN, shifts=shifts, utc_offset_h=offset_h))
    slow, high, low = SlowExcursions(shifts, offset_h), Ladder(), Ladder()
    for reading in drawn(data, VALUES, STEPS_S):
        changes = read(fold, reading)
        at, number, _ = reading
        if not is_usable(reading):
            assert not said_of(changes) and not said_of(changes, "low")
            continue
        broken, under_way, lasted = slow.read(reading)
        present, good = min(max(number, 0.0), 200.0), is_good(reading, 200.0)
        level = high.judged([broken, present > 50], [not under_way, present <= 45], good)
        assert said_of(changes) == ([] if level is None else [level])
        left = 0.0 if broken else 15 - lasted if under_way else math.inf
        soon = low.judged([left <= 5, False], [not under_way, True], good)
        assert said_of(changes, "low") == ([] if soon is None else [soon])
        told = exposures.figures(fold, "excursion")
        assert exposures.figures(fold, "excursion", 1) == pytest.approx(told, nan_ok=True)
        assert told[:3] == pytest.approx([lasted, left, slow.count], nan_ok=True)
        apart = math.nan if under_way or slow.ended is None else (at - slow.ended) / MINUTE
        assert told[3] == pytest.approx(apart, nan_ok=True)


# The numbers of the rule


def minutes(story: Story, begin: int, end: int, number: float) -> None:
    for minute in range(begin, end):
        story.read(60 * minute, number)


def test_fifteen_minutes_are_allowed_and_not_one_more() -> None:
    story = Story(of=under(point(), **PLAIN, warn_min=0.0))
    minutes(story, 0, 5, 1.0)
    minutes(story, 5, 21, 31.0)
    assert said_of(story.said) == [0]
    minutes(story, 21, 22, 31.0)
    assert said_of(story.said) == [0, 1]
    minutes(story, 22, 23, 27.0)
    assert said_of(story.said) == [0, 1, 0]


def test_four_are_allowed_and_a_fifth_is_not_until_the_next_shift() -> None:
    """A shift of 16 h; an hour from the end of one to the next."""
    story = Story(of=under(point(), **PLAIN, shifts=["08:00", "00:00"], warn_min=0.0))
    for number in range(6):
        minutes(story, 70 * number, 70 * number + 5, 31.0)
        minutes(story, 70 * number + 5, 70 * number + 70, 1.0)
        assert said_of(story.said) == ([0] if number < 4 else [0, 1, 0] if number == 4 else [0, 1, 0, 1, 0])
    minutes(story, 420, 961, 1.0)
    minutes(story, 961, 970, 31.0)
    assert said_of(story.said) == [0, 1, 0, 1, 0]


@pytest.mark.parametrize(("pause", "raised"), [(59, True), (60, False)])
def test_they_are_an_hour_apart(pause: int, raised: bool) -> None:
    story = Story(of=under(point(), **PLAIN, warn_min=0.0))
    minutes(story, 0, 5, 31.0)
    minutes(story, 5, 5 + pause, 1.0)
    minutes(story, 5 + pause, 8 + pause, 31.0)
    assert (1 in said_of(story.said)) is raised


def test_five_times_the_limit_itself_is_not_above_it() -> None:
    story = Story(of=under(point(), **PLAIN, warn_min=0.0))
    minutes(story, 0, 2, 50.0)
    assert said_of(story.said) == [0]
    minutes(story, 2, 3, 50.5)
    assert said_of(story.said) == [0, 2]
    minutes(story, 3, 4, 1.0)
    assert said_of(story.said) == [0, 2, 0]


def test_a_change_carries_the_minutes_and_the_count() -> None:
    story = Story(of=under(point(), **PLAIN))
    minutes(story, 0, 1, 1.0)
    minutes(story, 1, 18, 31.0)
    soon, broken = [c for c in story.said if c.rule == "excursion" and c.level and c.basis == "reading"]
    assert (soon.side, soon.value, soon.unit) == ("low", 5.0, "min")
    assert soon.figures == {"lasted": 10.0, "left": 5.0, "count": 1.0}
    assert (broken.side, broken.value, broken.limit, broken.unit) == ("high", 31.0, 30.0, "mg/m3")
    assert broken.figures == {"lasted": 16.0, "left": 0.0, "count": 1.0}
    assert (soon.tier, broken.level_name) == (3, "excursion")


# Bad, late, missing


def test_bad_data_neither_raises_nor_clears() -> None:
    story = Story(of=under(point(), **PLAIN, warn_min=0.0))
    minutes(story, 0, 17, 31.0)
    assert said_of(story.said) == [0, 1]
    for minute in range(17, 60):
        story.read(60 * minute, 0.0 if minute < 40 else 100.0, quality=Quality.BAD)
    assert said_of(story.said) == [0, 1]


def test_uncertain_data_begins_an_excursion_and_ends_none() -> None:
    story = Story(of=under(point(), **PLAIN, warn_min=0.0))
    minutes(story, 0, 1, 1.0)
    for minute in range(1, 20):
        story.read(60 * minute, 31.0, quality=Quality.UNCERTAIN)
    assert said_of(story.said) == [0, 1]
    for minute in range(20, 40):
        story.read(60 * minute, 0.0, quality=Quality.STALE)
    assert said_of(story.said) == [0, 1]
    minutes(story, 40, 41, 0.0)
    assert said_of(story.said) == [0, 1, 0]


def test_late_readings_are_not_used() -> None:
    story = Story(of=under(point(), **PLAIN))
    minutes(story, 0, 10, 1.0)
    before = exposures.evaluator(story.fold, "excursion").memory.tobytes()
    story.read(541, 60.0, event=520)
    assert exposures.evaluator(story.fold, "excursion").memory.tobytes() == before


@pytest.mark.parametrize("event", [100, -63_000_000])
def test_a_standing_or_broken_clock_still_uses_the_minutes_up(event: int) -> None:
    story = Story(of=under(point(period_s=1.0, lateness_s=10.0), **PLAIN, warn_min=0.0))
    for second in range(100, 1100):
        story.read(second, 31.0, event=event)
    assert said_of(story.said)[-1] == 1


# Limits, words


def test_the_table_gives_the_limit_of_gases_without_a_short_term_one() -> None:
    (high, _) = plan([point(cas="75-21-8", unit="ppm")], Params())
    assert high.values["excursion"] == pytest.approx(6 * 24.055 / 44.053, rel=1e-3)
    assert list(plan([point()], Params())) == []
    (high,) = plan([point()], Params(limit=20.0, warn_min=0.0))
    assert [level and level.limit for level in high.levels] == [60.0, 100.0]


@pytest.mark.parametrize(
    ("changed", "params", "words"),
    [
        ({}, {}, "has a short-term limit (PC-STEL)"),
        ({"cas": "7782-50-5"}, {}, "no 8-hour limit (PC-TWA) of 7782-50-5"),
        ({}, {"limit": -1.0}, "-1 is no limit"),
        ({}, {"limit": 40.0}, "the limit 200 mg/m3 is not below the end of the range 200"),
        ({"period_s": 300.0}, {"limit": 10.0}, "too seldom"),
        ({}, {"limit": 10.0, "shifts": ["8 am"]}, "no time of day"),
        ({}, {"limit": 10.0, "clear_share": 0.1}, "0.1 is not possible"),
        ({}, {"limit": 10.0, "warn_min": 16.0}, "16 is not possible"),
        ({}, {"limit": 10.0, "off_delay_s": math.nan}, "nan is not possible"),
    ],
)
def test_what_cannot_work_is_told(changed: dict[str, object], params: dict[str, object], words: str) -> None:
    problems = list(check(point(**changed), msgspec.convert(params, Params)))  # type: ignore[arg-type]
    assert [words in str(p) for p in problems] == [True], [str(p) for p in problems]
    assert all(p.cure for p in problems)


def test_the_words() -> None:
    high, left = plan([point(name="EO-1", cas="75-21-8")], Params())
    broken, peak = high.levels
    figures = {"lasted": 16.4, "left": 0.0, "count": 2.0}
    up = say(Said(high, broken, 7.0, 0, 0.0, figures))
    assert up.en == (
        "EO-1 ethylene oxide: 7 mg/m3, above 6 mg/m3, 3 times the 8-hour limit, for 16 min (no. 2 of this shift): "
        "too long, too often or too soon"
    )
    assert up.zh == "EO-1 环氧乙烷：浓度 7 mg/m3，高于 3 倍限值 6 mg/m3 已 16 分钟（本班第 2 次），超出峰接触要求"
    assert say(Said(high, peak, 11.0, 0, 0.0, figures)).en.endswith(
        "above the peak limit 10 mg/m3, 5 times the 8-hour limit"
    )
    assert say(Said(high, peak, 9.5, 0, 0.0, figures)).en.endswith("still in alarm")
    assert say(Said(high, broken, 5.0, 0, 0.0)).en.endswith("still in alarm")
    assert say(Said(high, None, 1.0, 0, 0.0)).en.endswith("the excursion has ended")
    soon = say(Said(left, left.levels[0], 4.9, 0, 0.0))
    assert soon.en == "EO-1 ethylene oxide: above 6 mg/m3, 3 times the 8-hour limit: 4 min left of this excursion"
    assert soon.zh == "EO-1 环氧乙烷：高于 3 倍限值 6 mg/m3，本次超出还可持续约 4 分钟"
    assert "no time left" in say(Said(left, left.levels[0], 0.0, 0, 0.0)).en
    assert "no excursion" in say(Said(left, None, math.inf, 0, 0.0)).en
    assert KIND.unit(left) == "min" and KIND.unit(high) == "mg/m3"


def test_a_number_without_end_is_one_above_the_range() -> None:
    fold = replayed(under(point(), **PLAIN))
    read(fold, (0, 5.0, 0))
    assert said_of(read(fold, (60_000, math.inf, 0))) == [2]
    assert said_of(read(fold, (120_000, -math.inf, 0))) == [], "and one below all numbers is none"
