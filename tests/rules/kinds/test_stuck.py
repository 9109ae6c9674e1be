"""Stuck values: against a slow reference that keeps the whole run, on a healthy week, and in words."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given

from rules.kinds.stuck import at_rest
from schemas.quality import Quality
from schemas.registry import Measure, Tag
from schemas.time import MINUTE
from tests.laws.settings import traces as laws
from tests.laws.traces import START, gas_tag, level_tag
from tests.rules.kinds.instruments import (
    Params,
    Reading,
    Told,
    changes,
    every_place,
    healthy,
    in_order,
    names,
    problems,
    raised_by,
    told,
    traces,
)

WEEK_S = 7 * 86_400
TAG = gas_tag(resolution=0.5)
SHORT: Params = {"stuck_s": 20.0}


def slow(tag: Tag, stuck_s: float, readings: list[Reading]) -> Told:
    """The same by lists: the run is every reading in it, and its spread is looked up anew each time."""
    run: list[Reading] = []
    active, caused, found = False, -math.inf, []
    for number, r in in_order(tag, readings):
        if r.quality >= Quality.UNCERTAIN or not math.isfinite(r.value):
            continue
        resting = abs(r.value) <= 2.0 or r.value >= 100.0
        hole = max(stuck_s / 10, 3 * tag.period_s)
        broken = bool(run) and (not 0 <= r.event - run[-1].event <= hole or r.now - run[-1].now > hole)
        wide = bool(run) and max(x.value for x in [*run, r]) - min(x.value for x in [*run, r]) > 0.25
        left = resting or (bool(run) and not broken and wide)
        run = [] if resting else [r] if broken or wide else [*run, r]
        stuck = len(run) > 1 and (r.event - run[0].event >= stuck_s or r.now - run[0].now >= stuck_s)
        if stuck:
            caused = r.now
        if stuck and not active:
            found.append((number, 1))
        ended = active and left and r.now - caused >= 60
        if ended:
            found.append((number, 0))
        active = (active or stuck) and not ended
    return found


NUMBERS = (25.0,) * 40 + (25.25, 24.8, 25.1, 25.3, 30.0, 0.0, 2.0, 2.1, 100.0)


@laws(60)
@given(traces(NUMBERS, (1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 2.0, 3.0), 600, 1500))
def test_the_fold_says_what_the_slow_reference_says(readings: list[Reading]) -> None:
    assert told("stuck", TAG, SHORT, readings) == slow(TAG, 20.0, readings)


def flat(value: float, seconds: int = 40, quality: int = Quality.GOOD) -> list[Reading]:
    return [Reading(t, t, value, quality) for t in range(seconds)]


def test_the_reference_meets_every_way_to_start_and_to_end() -> None:
    moving = [Reading(40 + t, 40 + t, 25.0 + (t + 1) % 2) for t in range(70)]
    assert told("stuck", TAG, SHORT, flat(25.0) + moving) == [(20, 1), (99, 0)] == slow(TAG, 20.0, flat(25.0) + moving)


def test_half_an_hour_is_long_by_default() -> None:
    readings = flat(25.0, 1900)
    assert told("stuck", TAG, {}, readings) == [(1800, 1)]


@pytest.mark.parametrize("spread, raised", [(0.25, [(20, 1)]), (0.26, [])])
def test_half_a_step_of_the_instrument_is_no_movement(spread: float, raised: Told) -> None:
    readings = [Reading(t, t, 25.0 + spread * (t % 2)) for t in range(40)]
    assert told("stuck", TAG, SHORT, readings) == raised


def test_without_a_resolution_only_equal_numbers_are_stuck() -> None:
    tag = gas_tag()
    assert told("stuck", tag, SHORT, flat(25.0)) == [(20, 1)]
    assert told("stuck", tag, SHORT, [Reading(t, t, 25.0 + 1e-6 * (t % 2)) for t in range(40)]) == []
    assert told("stuck", tag, {**SHORT, "resolution": 1e-3}, [Reading(t, t, 25.0 + 1e-6 * (t % 2)) for t in range(40)])


@pytest.mark.parametrize("quality", [Quality.BAD, Quality.STALE, Quality.FUNCTION_CHECK])
def test_what_is_not_good_is_not_judged(quality: Quality) -> None:
    assert told("stuck", TAG, SHORT, flat(25.0, quality=quality)) == []


def test_bad_readings_in_a_run_end_nothing() -> None:
    readings = [Reading(t, t, math.nan if t % 3 == 1 else 25.0, 131 if t % 3 == 1 else 0) for t in range(40)]
    assert told("stuck", TAG, SHORT, readings) == [(20, 1)]


def test_a_late_reading_neither_breaks_a_run_nor_makes_one() -> None:
    readings = flat(25.0)
    readings.insert(10, Reading(9.5, 6.5, 90.0))
    assert told("stuck", TAG, SHORT, readings) == [(21, 1)]


def test_a_standing_clock_is_seen_by_the_time_of_the_log() -> None:
    tag = gas_tag()
    readings = [Reading(t, -2.0, 25.0) for t in range(40)]
    assert told("stuck", tag, SHORT, readings) == [(20, 1)]


def test_history_that_comes_at_once_is_seen_by_its_own_time() -> None:
    readings = [Reading(0.0, 0.0, 25.0), *(Reading(100.0, 60.0 + t, 25.0) for t in range(30))]
    assert told("stuck", TAG, SHORT, readings) == [(21, 1)]


@pytest.mark.parametrize(
    "tag, value, raised",
    [
        (gas_tag(), 0.0, False),
        (gas_tag(), 2.0, False),
        (gas_tag(), -1.5, False),
        (gas_tag(), 2.5, True),
        (gas_tag(), 100.0, False),
        (gas_tag(cas="7782-44-7", range_high=30.0), 20.9, False),
        (gas_tag(cas="7782-44-7", range_high=30.0), 19.0, True),
        (gas_tag(cas="7782-44-7", range_high=30.0), 0.0, True),
        (level_tag(1), 0.0, True),
        (level_tag(1), 100.0, True),
        (level_tag(1, measure=Measure.FLOW), 0.0, False),
        (level_tag(1, measure=Measure.FLOW, range_low=-100.0), 0.0, False),
        (level_tag(1, measure=Measure.CURRENT, range_low=4.0, range_high=20.0), 4.1, False),
        (level_tag(1, measure=Measure.CURRENT, range_low=None, range_high=None), 0.0, False),
        (level_tag(1, measure=Measure.CURRENT, range_low=None, range_high=None), 4.0, True),
        (level_tag(1, measure=Measure.STATE), 1.0, False),
    ],
)
def test_what_is_flat_by_nature_is_no_fault(tag: Tag, value: float, raised: bool) -> None:
    assert told("stuck", tag, SHORT, flat(value)) == ([(20, 1)] if raised else [])


def test_the_value_at_rest() -> None:
    tag = level_tag(measure=Measure.FLOW, range_low=-20.0, range_high=-5.0)
    assert at_rest(tag) == -5.0
    assert math.isnan(at_rest(msgspec.structs.replace(tag, measure=Measure.TEMPERATURE)))


def test_a_healthy_week_raises_nothing() -> None:
    assert raised_by("stuck", 60, healthy(60, WEEK_S)) == []


def test_six_hours_of_a_healthy_plant_at_a_second_raise_nothing() -> None:
    assert raised_by("stuck", 1, healthy(1, 6 * 3600)) == []


def test_every_place_of_the_plant_that_freezes_is_told_unless_it_is_at_rest() -> None:
    values = healthy(60, 3 * 3600).copy()
    values[100:] = values[100]
    raised = raised_by("stuck", 60, values)
    assert names(raised) == every_place("CO-1", "CH4-1", "CL2-1", "O2-1")
    assert all(125 * MINUTE <= c.event_ns - START <= 130 * MINUTE for c in raised)


def test_what_check_refuses() -> None:
    tag = gas_tag(period_s=10.0)
    assert problems("stuck", tag, {}) == []
    wrong = problems("stuck", tag, {"stuck_s": 60.0, "resolution": -1.0, "rest": 0.6})
    assert [p.path for p in wrong] == ["params.stuck_s", "params.resolution", "params.rest"]
    assert all(p.message and p.cure for p in wrong)
    for number in (math.nan, math.inf):
        assert [p.path for p in problems("stuck", tag, {"stuck_s": number, "resolution": number, "rest": number})] == [
            p.path for p in wrong
        ]


def test_its_words() -> None:
    moving = [Reading(1810 + t, 1810 + t, 25.0 + (t + 1) % 2) for t in range(70)]
    first, raised, ended = (c for _, c in changes("stuck", TAG, {}, flat(25.0, 1810) + moving))
    assert first.level == 0
    assert raised.text.zh == "CO-1 一氧化碳：25 ppm 超过 30 分钟没有变化，仪表可能卡死"
    assert raised.text.en == "CO-1 carbon monoxide: 25 ppm unchanged for more than 30 min, the instrument may be stuck"
    assert (raised.level_name, raised.tier, raised.unit, raised.value) == ("stuck", 3, "ppm", 25.0)
    assert ended.text.en == "CO-1 carbon monoxide: the value moves again"
