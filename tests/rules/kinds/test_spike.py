"""Spikes: Hampel's test by hand, the fold against a slow reference, and what a healthy plant must not raise."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.robust import median
from schemas.quality import Quality
from schemas.registry import Measure, Tag
from tests.laws.settings import traces as laws
from tests.laws.traces import gas_tag, level_tag
from tests.rules.kinds.instruments import (
    NO_PARAMS,
    SPANS,
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
TAG = level_tag(1)
THREE: Params = {"count": 3, "within_s": 120.0}


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_the_median(numbers: list[float]) -> None:
    scratch = np.array([*numbers, 7.0])
    assert median(scratch, len(numbers)) == statistics.median(numbers)
    assert scratch[-1] == 7.0


class Hampel:
    """The test as the text has it: whether each reading is wild, and on which side."""

    def __init__(self, least: float) -> None:
        self.least = least
        self.window: list[float] = []
        self.placed = 0
        self.sigma, self.windows = 0.0, 0
        self.band = (0.0, 0.0)

    def hole(self) -> None:
        self.window, self.placed = [], 0

    def side(self, x: float) -> int:
        """And `band` is what it was judged by."""
        self.window = [*self.window, x][-11:]
        self.placed += 1
        if len(self.window) < 11:
            return 0
        middle = statistics.median(self.window)
        sigma = 1.4826 * statistics.median(abs(w - middle) for w in self.window)
        if self.placed % 11 == 0:
            self.windows = min(self.windows + 1, 100)
            self.sigma += (sigma - self.sigma) / self.windows
        bar = max(5 * max(sigma, self.sigma), self.least)
        self.band = middle, bar
        return 0 if bar <= 0 or abs(x - middle) <= bar else 1 if x > middle else -1


def slow(tag: Tag, count: int, within_s: float, readings: Sequence[Reading], least: float = 2.0) -> Told:
    """Every run of wild readings as a list of sides; every spike by its time, looked through anew at each reading."""
    test, run, times = Hampel(least), list[int](), list[float]()
    clock, last, left, active, found = 0.0, None, (0.0, 0.0), False, []
    for number, r in in_order(tag, readings):
        if r.quality >= Quality.UNCERTAIN or not math.isfinite(r.value):
            continue
        if last is not None:
            clock += max(r.event - last.event, r.now - last.now, 0)
            if r.event < last.event or max(r.event - last.event, r.now - last.now) > max(10, 3 * tag.period_s):
                test.hole()
                run = []
        last = r
        side = test.side(r.value)
        if run in ([1], [-1], [1, -1], [-1, 1]):  # is it back in the band that the first wild one left?
            middle, bar = left
            side = 0 if abs(r.value - middle) <= bar else 1 if r.value > middle else -1
            if not side:
                times.append(clock)
        elif not run:
            left = test.band
        run = [*run, side] if side else []
        recent = sum(clock - t < within_s for t in times[-8:])
        if recent >= count and not active:
            active = True
            found.append((number, 1))
        elif active and recent <= count // 2 and clock - times[-1] >= 60:
            active = False
            found.append((number, 0))
    return found


NUMBERS = (*(50.0, 50.5, 49.5, 50.2, 49.8) * 8, 90.0, 10.0, 55.0)


@laws(30)
@given(traces(NUMBERS, (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 3.0), 900, 1500))
def test_the_fold_says_what_the_slow_reference_says(readings: list[Reading]) -> None:
    assert told("spike", TAG, THREE, readings) == slow(TAG, 3, 120.0, readings)


def wavering(peaks: dict[int, float], seconds: int = 100) -> list[Reading]:
    return [Reading(t, t, peaks.get(t, 50.0 + 0.5 * (t % 3))) for t in range(seconds)]


TWO: Params = {"count": 2, "within_s": 600.0}


@pytest.mark.parametrize(
    "peaks, raised",
    [
        ({20: 90.0, 40: 90.0}, [(41, 1)]),
        ({20: 90.0, 40: 10.0}, [(41, 1)]),
        ({20: 90.0, 40: 90.0, 41: 10.0}, [(42, 1)]),
        ({20: 90.0, 40: 90.0, 41: 91.0}, []),
        ({20: 90.0, 40: 90.0, 41: 10.0, 42: 90.0}, []),
        ({20: 90.0, 40: 51.9}, []),
        ({20: 90.0}, []),
        ({5: 90.0, 40: 90.0}, []),
        ({20: 90.0, **dict.fromkeys(range(40, 100), 90.0)}, []),
        ({20: 90.0, **{t: 50.0 + 2.0 * (t - 40) for t in range(40, 60)}}, []),
    ],
)
def test_what_is_a_spike(peaks: dict[int, float], raised: Told) -> None:
    """One wild reading, or two on opposite sides; not a rise, a step, a ramp, or what the window cannot judge yet."""
    assert told("spike", TAG, TWO, wavering(peaks)) == raised


def test_the_bar_is_five_sigma_of_the_window() -> None:
    """Readings 50, 50.5 and 51 in turn: the median absolute deviation is 0.5, sigma 0.7413, the bar 3.7065."""
    for height, raised in ((3.70, []), (3.72, [(41, 1)])):
        assert told("spike", TAG, TWO, wavering({20: 50.5 + height, 40: 50.5 + height})) == raised


def test_small_peaks_are_not_worth_telling() -> None:
    """Without noise only the share of the span and the resolution say how high a spike must be."""

    def peaks(height: float) -> list[Reading]:
        return [Reading(t, t, 50.0 + height * (t in (20, 40))) for t in range(60)]

    assert told("spike", TAG, TWO, peaks(2.0)) == []
    assert told("spike", TAG, TWO, peaks(2.1)) == [(41, 1)]
    assert told("spike", level_tag(1, resolution=1.0), TWO, peaks(5.0)) == []
    assert told("spike", level_tag(1, resolution=1.0), TWO, peaks(5.1)) == [(41, 1)]
    assert told("spike", level_tag(1, range_high=None), TWO, peaks(40.0)) == []  # nothing known, nothing judged


def test_one_spike_an_hour_is_no_fault_and_five_are() -> None:
    assert told("spike", TAG, NO_PARAMS, wavering({900 * k: 90.0 for k in range(1, 14)}, 13_000)) == []
    assert told("spike", TAG, NO_PARAMS, wavering({800 * k: 90.0 for k in range(1, 7)}, 5_000)) == [(4001, 1)]


@pytest.mark.parametrize("quality", [Quality.BAD, Quality.STALE, Quality.FUNCTION_CHECK])
def test_what_is_not_good_is_not_judged(quality: Quality) -> None:
    readings = [r._replace(quality=quality) if r.value > 80 else r for r in wavering({20: 90.0, 40: 90.0})]
    assert told("spike", TAG, TWO, readings) == []


def test_late_readings_are_passed_over() -> None:
    readings = wavering({})
    for late in (20, 40, 60):
        readings.insert(late, Reading(late, late - 3.25, 90.0))
    assert told("spike", TAG, TWO, readings) == []


def test_what_lies_across_a_hole_are_no_neighbours() -> None:
    readings = wavering({20: 90.0, 49: 90.0}, 50)
    readings += [Reading(t + 11.0, t + 11.0, 50.0) for t in range(50, 100)]
    assert told("spike", TAG, TWO, readings) == []


def test_spikes_grow_old_under_a_standing_clock() -> None:
    """The time of the log goes on where event time does not."""
    readings = [Reading(t, -2.0, 90.0 + t if t in (20, 40) else 50.0 + 0.01 * t) for t in range(200)]
    assert told("spike", TAG, {"count": 2, "within_s": 120.0}, readings) == [(41, 1), (141, 0)]


@pytest.mark.parametrize("measure", [Measure.STATE, Measure.WIND_DIRECTION])
def test_what_jumps_by_nature_is_not_watched(measure: Measure) -> None:
    readings = wavering({20: 90.0, 40: 90.0})
    assert told("spike", level_tag(1, measure=measure), TWO, readings) == []


def test_a_healthy_week_raises_nothing() -> None:
    assert raised_by("spike", 60, healthy(60, WEEK_S)) == []


@pytest.mark.long
def test_six_hours_of_a_healthy_plant_at_a_second_raise_nothing() -> None:
    assert raised_by("spike", 1, healthy(1, 6 * 3600)) == []


def test_every_place_of_the_plant_that_shows_spikes_is_told() -> None:
    values = healthy(10, 2 * 3600).copy()
    values[50::60] += 0.3 * SPANS
    assert names(raised_by("spike", 10, values)) == every_place("WD-1")


def test_what_check_refuses() -> None:
    assert problems("spike", TAG, NO_PARAMS) == []
    wrong: tuple[Params, ...] = (
        {"count": 1, "within_s": 30.0, "least": -0.1},
        {"count": 9, "within_s": math.inf, "least": math.nan},
    )
    for params in wrong:
        found = problems("spike", TAG, params)
        assert [p.path for p in found] == ["params.count", "params.within_s", "params.least"]
        assert all(p.message and p.cure for p in found)


def test_its_words() -> None:
    said = list(changes("spike", gas_tag(), TWO, wavering({20: 90.0, 40: 90.0})))
    raised = next(c for _, c in said if c.level)
    assert raised.text.zh == "CO-1 一氧化碳：10 分钟内 2 个孤立尖峰，接触不良或干扰"
    assert raised.text.en == "CO-1 carbon monoxide: 2 single spikes within 10 min: loose contact or interference"
    assert (raised.value, raised.limit, raised.unit, raised.level_name, raised.tier) == (2.0, 2.0, "", "spikes", 3)
