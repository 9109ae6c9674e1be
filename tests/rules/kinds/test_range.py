"""Numbers outside of the range: the bands of a loop current by the oracle, and the fold against a slow reference."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.kinds.range import BANDS, band, is_loop
from schemas.quality import Quality
from schemas.registry import Measure, Tag
from tests.laws.settings import traces as laws
from tests.laws.traces import gas_tag, level_tag
from tests.rules.kinds.instruments import (
    NO_PARAMS,
    PLACES,
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
LOOP = level_tag(1, measure=Measure.CURRENT, unit="mA", range_low=4.0, range_high=20.0)
GAS_LOOP = gas_tag(unit="mA", range_low=None, range_high=None)
LEVEL = level_tag(1)


@pytest.mark.parametrize(
    "current, name",
    [
        (3.55, "failure_low"), (3.6, "failure_low"), (3.7, "under"), (3.8, "saturated_low"), (3.9, "saturated_low"),
        (4.0, "valid"), (20.0, "valid"), (20.4, "saturated_high"), (20.5, "saturated_high"), (20.8, "over"),
        (21.0, "failure_high"), (22.0, "failure_high"), (-1.0, "failure_low"),
    ],
)  # fmt: skip
def test_the_bands_of_a_loop_current(current: float, name: str) -> None:
    assert BANDS[band(current)] == name


def outside(tag: Tag, value: float) -> int:
    """How far out a number is, in words of the text: 2 failure, 1 outside, 0 neither, -1 inside."""
    gas = tag.measure is Measure.GAS
    if is_loop(tag):
        if value <= 3.6 or value >= 21:
            return 2
        return 1 if value < 3.8 or (value > 20.5 and not gas) else 0 if value > 20.5 else -1
    assert tag.range_low == 0.0 and tag.range_high == 100.0
    return 1 if value < -2 or (value > 102 and not gas) else 0 if value > 102 else -1


def slow(tag: Tag, delay_s: float, readings: list[Reading]) -> Told:
    """Every level by itself: since when it is beyond, and whether it stands."""
    since: dict[int, tuple[float, float] | None] = {1: None, 2: None}
    standing = {1: False, 2: False}
    stated, caused, found = None, -math.inf, []
    live = {number for number, _ in in_order(tag, readings)}
    for number, r in enumerate(readings):
        for level, begun in since.items():  # what falls due before this record is said at it
            if begun is not None and r.now - begun[1] >= delay_s:
                standing[level], since[level] = True, None
        if (top := max((k for k in (1, 2) if standing[k]), default=0)) > (stated or 0):
            found.append((number, top))
            stated = top
        if r.quality >= Quality.BAD or r.quality in (Quality.STALE, Quality.FUNCTION_CHECK):
            continue
        if not math.isfinite(r.value):
            continue
        far = outside(tag, r.value)
        if far > 0:
            caused = r.now
        good = number in live and r.quality < Quality.UNCERTAIN and far < 0
        for level in (1, 2):
            if far >= level and not standing[level]:
                since[level] = since[level] or (r.event, r.now)
            begun = since[level]
            if begun is not None and (number in live or far >= level):
                if r.event - begun[0] >= delay_s or r.now - begun[1] >= delay_s:
                    standing[level], since[level] = True, None
                elif good:
                    since[level] = None
            if standing[level] and good and r.now - caused >= 60:
                standing[level] = False
        top = max((k for k in (1, 2) if standing[k]), default=0)
        if stated is None and top == 0 and (not good or any(since.values())):
            continue
        if top != stated:
            found.append((number, top))
            stated = top
    return found[1:] if found and found[0][1] == 0 else found


NUMBERS = (3.5, 3.6, 3.61, 3.7, 3.8, 20.5, 20.6, 21.0, -2.0, -2.1, -5.0, 102.0, 103.0, 110.0, *(10.0,) * 6)
CALM = (*NUMBERS[::3], *(10.0,) * 12)


@laws(40)
@given(
    st.sampled_from([(LOOP, 4.0), (GAS_LOOP, 4.0), (LEVEL, 3.0), (gas_tag(), 3.0)]),
    st.sampled_from([NUMBERS, CALM]).flatmap(lambda v: traces(v, (1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 2.0, 8.0), 450, 1200)),
)
def test_the_fold_says_what_the_slow_reference_says(of: tuple[Tag, float], readings: list[Reading]) -> None:
    tag, delay_s = of
    assert told("range", tag, {"on_delay_s": delay_s}, readings) == slow(tag, delay_s, readings)


def steady(value: float, seconds: int = 100, quality: int = Quality.GOOD, start: int = 0) -> list[Reading]:
    return [Reading(t, t, value, quality) for t in range(start, start + seconds)]


@pytest.mark.parametrize(
    "tag, value, raised",
    [
        (gas_tag(), -2.0, []),
        (gas_tag(), -2.01, [(60, 1)]),
        (gas_tag(), 150.0, []),
        (LEVEL, -2.01, [(60, 1)]),
        (LEVEL, 102.0, []),
        (LEVEL, 102.01, [(60, 1)]),
        (LOOP, 3.55, [(4, 2)]),
        (LOOP, 3.7, [(4, 1)]),
        (LOOP, 3.8, []),
        (LOOP, 20.8, [(4, 1)]),
        (LOOP, 22.0, [(4, 2)]),
        (GAS_LOOP, 20.8, []),
        (GAS_LOOP, 22.0, [(4, 2)]),
        (level_tag(1, unit="mA", range_high=100.0), 3.0, []),
        (level_tag(1, range_low=None), -50.0, []),
    ],
)
def test_what_is_outside(tag: Tag, value: float, raised: Told) -> None:
    assert told("range", tag, NO_PARAMS, steady(value)) == raised


@pytest.mark.parametrize("quality", [Quality.BAD, Quality.STALE, Quality.FUNCTION_CHECK])
def test_what_says_nothing_of_the_instrument_is_not_judged(quality: Quality) -> None:
    assert told("range", gas_tag(), NO_PARAMS, steady(-10.0, quality=quality)) == []


def test_uncertain_readings_raise_and_do_not_clear() -> None:
    readings = steady(-10.0, 70, Quality.UNDER_RANGE) + steady(5.0, 100, Quality.UNCERTAIN, 70) + steady(5.0, 1, 0, 170)
    assert told("range", gas_tag(), NO_PARAMS, readings) == [(60, 1), (170, 0)]


def test_over_range_on_a_gas_point_ends_nothing() -> None:
    readings = steady(-10.0, 70) + steady(150.0, 100, start=70) + steady(5.0, 1, start=170)
    assert told("range", gas_tag(), NO_PARAMS, readings) == [(60, 1), (170, 0)]


def test_a_shorter_excursion_is_no_fault() -> None:
    assert told("range", gas_tag(), NO_PARAMS, steady(-10.0, 59) + steady(5.0, 90, start=59)) == []


def test_a_healthy_week_raises_nothing() -> None:
    assert raised_by("range", 60, healthy(60, WEEK_S)) == []


def test_every_place_of_the_plant_that_falls_below_its_range_is_told() -> None:
    values = healthy(10, 3600).copy()
    values[200:210] = [place.range_low - 0.05 * (place.range_high - place.range_low) for place in PLACES]
    raised = raised_by("range", 10, values)
    assert names(raised) == every_place()
    assert {c.level_name for c in raised if c.subject == "I-1"} == {"failure"}


def test_what_check_refuses() -> None:
    assert problems("range", LEVEL, NO_PARAMS) == []
    wrong: tuple[Params, ...] = ({"outside": -0.1, "on_delay_s": -1.0}, {"outside": math.nan, "on_delay_s": math.inf})
    for params in wrong:
        found = problems("range", LEVEL, params)
        assert [p.path for p in found] == ["params.outside", "params.on_delay_s"]
        assert all(p.message and p.cure for p in found)


def test_its_words() -> None:
    def said(tag: Tag, value: float) -> tuple[str, str]:
        change = next(c for _, c in changes("range", tag, NO_PARAMS, steady(value)) if c.level)
        return change.text.zh, change.text.en

    assert said(gas_tag(), -10.0) == (
        "CO-1 一氧化碳：-10 ppm 低于量程超过 60 秒，零点漂移、干扰或故障",
        "CO-1 carbon monoxide: -10 ppm below the range for more than 60 s: drifted zero, interference or fault",
    )
    assert said(LEVEL, 110.0)[1] == "L-1 level: 110 % out of range for more than 60 s: faulty instrument or wrong range"
    assert said(LOOP, 3.7)[0] == "L-1 电流：电流 3.7 mA 超过 4 秒不在有效范围 3.8 至 20.5 mA 内"
    assert said(LOOP, 22.0)[1] == "L-1 current: current 22 mA, the instrument signals a failure"
    ended = [c for _, c in changes("range", gas_tag(), NO_PARAMS, steady(-10.0, 70) + steady(5.0, 70, start=70))][-1]
    assert (ended.level, ended.text.zh) == (0, "CO-1 一氧化碳：数值回到量程内")


def test_the_limit_that_is_told_is_the_number_that_was_crossed() -> None:
    change = next(c for _, c in changes("range", gas_tag(), NO_PARAMS, steady(-10.0)) if c.level)
    assert (change.limit, change.value, change.level_name, change.tier) == (-2.0, -10.0, "outside", 3)
