"""Rate of change: the line, its error, the window, and the whole kind against a slow reference."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.engine import Fold
from rules.kinds import Level, Said
from rules.kinds.rate import KIND, LEAST, MOST, SAMPLE, Params, say, window_s
from rules.rulebook import check_rules, compile_rules
from rules.slopes import line
from schemas.batch import batch
from schemas.changes import ConditionChange
from schemas.quality import Quality
from schemas.registry import Measure, Rule, Tag
from schemas.time import SECOND
from tests.laws.settings import PATIENCE_S
from tests.laws.settings import traces as laws
from tests.laws.traces import START, gas_tag, revision
from tests.rules.helpers import Story

pytestmark = pytest.mark.timeout(PATIENCE_S)

UNCERTAIN, BAD, GOOD = int(Quality.UNCERTAIN), int(Quality.BAD), int(Quality.GOOD)


def ring(times_s: Sequence[float], values: Sequence[float], at: int = 0, size: int | None = None) -> np.ndarray:
    """The samples in a ring that begins at place `at`."""
    size = size or len(times_s)
    samples = np.zeros(size, SAMPLE)
    for n, (t, v) in enumerate(zip(times_s, values, strict=True)):
        samples[(at + n) % size] = (START + round(t * SECOND), v)
    return samples


def fitted(times_s: Sequence[float], values: Sequence[float], hole_s: float = 1e6) -> tuple[float, float, float]:
    n = len(times_s)
    slope, error, covered = line(ring(times_s, values), 0, n, 0, n, round(hole_s * SECOND))
    return slope, error, covered / SECOND


# The line


def test_the_slope_of_the_reference_with_a_spike() -> None:
    """Ten values with one spike: least squares gives 0.0721 per second, half as much again as the truth."""
    values = [10, 10.4, 11.1, 11.4, 12.1, 12.4, 25, 13.5, 13.9, 14.6]
    slope, _, covered = fitted(range(0, 100, 10), values)
    assert slope == pytest.approx(0.0721, abs=5e-5) and covered == 90.0


@pytest.mark.parametrize("n, step_s", [(8, 5.0), (13, 5.0), (61, 1.0), (72, 4.2)])
def test_the_error_of_the_slope_is_that_of_equal_steps(n: int, step_s: float) -> None:
    """sigma_r = sigma * sqrt(12 / (n (n^2 - 1))) / dt, sigma being that of the residuals."""
    drawn = random.Random(n)
    times = [step_s * i for i in range(n)]
    values = [20 + 0.3 * t + drawn.gauss(0, 0.5) for t in times]
    slope, error, _ = fitted(times, values)
    line_through = np.polynomial.Polynomial.fit(times, values, 1).convert()
    residuals = values - line_through(np.array(times))
    sigma = math.sqrt(float(np.sum(residuals**2)) / (n - 2))
    assert slope == pytest.approx(line_through.coef[1], rel=1e-9)
    assert error == pytest.approx(sigma * math.sqrt(12 / (n * (n**2 - 1))) / step_s, rel=1e-9)


def test_the_error_of_the_slope_is_how_much_slopes_scatter() -> None:
    """The same by experiment: 4 000 windows of pure noise, sigma 2, 13 samples 5 s apart."""
    drawn = np.random.default_rng(7).normal(0.0, 2.0, (4000, 13))
    slopes = [fitted([5.0 * i for i in range(13)], row)[0] for row in drawn.tolist()]
    told = 2.0 * math.sqrt(12 / (13 * (13**2 - 1))) / 5.0
    assert np.std(slopes) == pytest.approx(told, rel=3 / math.sqrt(2 * 4000))


@pytest.mark.parametrize("where", range(12))
@pytest.mark.parametrize("height", [1e-3, 1e6])
def test_one_spike_never_reaches_twice_its_own_error(where: int, height: float) -> None:
    slope, error, _ = fitted([5.0 * i for i in range(12)], [height if i == where else 0.0 for i in range(12)])
    assert abs(slope) < 2 * error


def test_a_step_reaches_four_errors_with_the_least_samples_already() -> None:
    slope, error, _ = fitted(range(LEAST), [0.0] * (LEAST // 2) + [1.0] * (LEAST // 2))
    assert slope > 4 * error


def test_no_time_no_slope() -> None:
    assert math.isnan(fitted([1.0] * 9, range(9))[0])
    assert math.isnan(fitted([1.0, 2.0], [1.0, 2.0])[1])


def test_holes_cover_nothing() -> None:
    assert fitted([0, 5, 10, 40, 45], [0.0] * 5, hole_s=10)[2] == 15.0


def test_a_ring_may_begin_anywhere() -> None:
    times, values = [3.0 * i for i in range(9)], [1.0, 2, 2, 5, 4, 7, 7, 9, 8]
    plain = line(ring(times, values, 0, 20), 0, 20, 0, 9, SECOND * 100)
    for place in range(20):
        assert line(ring(times, values, place, 20), 0, 20, place, 9, SECOND * 100) == plain


# The whole kind against a slow reference


@dataclass
class Slow:
    """Rising only: a list of readings in steps, one fresh line through all of them at every reading."""

    tag: Tag
    params: Params
    steps: list[tuple[int, list[tuple[int, float]]]] = field(default_factory=list)
    unsure: int = -(10**18)
    high: bool = False

    def __post_init__(self) -> None:
        window = window_s(self.tag, self.params)
        room = min(MOST, math.ceil(window / self.tag.period_s) + 8)
        self.window = round(window * SECOND)
        self.spacing = self.window // (room - 2) + 1

    def samples(self) -> list[tuple[int, float]]:
        means = [
            (s + sum(t - s for t, _ in rs) // len(rs), math.fsum(v for _, v in rs) / len(rs)) for s, rs in self.steps
        ]
        return [(t, v) for t, v in means if means[-1][0] - t <= self.window]

    def read(self, at: int, value: float, quality: int) -> bool | None:
        """Whether the alarm stands after this reading; None where the two sides of a decision are too close."""
        if quality >= 128 or not math.isfinite(value) or not -1.25 <= value <= 103.125:
            return self.high
        if quality >= 64 or value > 100.0:
            self.unsure = at
        if self.steps and at - self.steps[-1][0] < self.spacing:
            self.steps[-1][1].append((at, value))
        else:
            self.steps.append((at, [(at, value)]))
        kept = self.samples()
        times = [(t - kept[0][0]) / SECOND for t, _ in kept]
        covered = sum(b - a for (a, _), (b, _) in pairwise(kept) if b - a <= self.hole())
        if len(kept) < 8 or covered < self.params.coverage * self.window:
            return self.high
        mean_t, mean_v = math.fsum(times) / len(kept), math.fsum(v for _, v in kept) / len(kept)
        tt = math.fsum((t - mean_t) ** 2 for t in times)
        slope = math.fsum((t - mean_t) * (v - mean_v) for t, (_, v) in zip(times, kept, strict=True)) / tt
        ee = math.fsum((v - mean_v - slope * (t - mean_t)) ** 2 for t, (_, v) in zip(times, kept, strict=True))
        error = math.sqrt(ee / (len(kept) - 2) / tt)
        rate, limit = slope * 60, float(self.params.rise_per_min or 0)
        close = max(1.0, abs(rate)) * 1e-9
        if min(abs(rate - limit), abs(rate - 0.8 * limit)) < close or (
            rate > limit and abs(rate - 4 * error * 60) < close
        ):
            return None
        if rate >= limit and rate >= 4 * error * 60:
            self.high = True
        elif rate < 0.8 * limit and quality < 64 and value <= 100.0 and at >= self.unsure + self.window:
            self.high = False
        return self.high

    def hole(self) -> int:
        return max(10 * SECOND, 3 * self.spacing)


TAG = gas_tag(measure=Measure.TEMPERATURE, unit="degC", cas="", period_s=1.0)
WINDOWS = (20.0, 60.0, 300.0)
GAPS = (SECOND,) * 6 + (SECOND // 2, SECOND // 10, 3 * SECOND, 9 * SECOND, 1, 31 * SECOND)


def steps_of(drawn: bytes, seed: int) -> Iterator[tuple[int, float, int]]:
    """Readings: quiet noise, ramps and steps in turns, with holes, bad and uncertain ones, and numbers out of range."""
    noise = random.Random(seed)
    at, level, slope = 0, 20.0, 0.0
    for one, two, three in zip(drawn[::3], drawn[1::3], drawn[2::3], strict=False):
        slope = (0.0, 0.0, 0.05, 0.1, 0.2, -0.1, -0.3, 2.0)[one % 8]
        level = {7: 90.0, 8: 20.0, 9: 101.0}.get(one // 8, level)
        spread = (0.0, 0.1, 0.5, 5.0)[two % 4]
        for _ in range(1 + three % 32):
            gap = GAPS[noise.randrange(len(GAPS))] if two % 3 == 0 else SECOND
            at += gap
            level = min(100.0, max(0.0, level + slope * gap / SECOND))
            odd = noise.random()
            quality = (BAD if odd < 0.3 else UNCERTAIN if odd < 0.6 else GOOD) if two % 16 == 0 else GOOD
            value = math.nan if odd > 0.98 else 1e6 if odd > 0.97 else level + noise.gauss(0, spread)
            yield at, value, quality


def raised(fold: Fold, rows: Sequence[tuple[int, float, int]]) -> list[bool]:
    """After each reading, whether the rule's alarm stands; a record of each reading."""
    found, high = [], False
    for at, value, quality in rows:
        now = START + at
        for change in fold.apply_readings(fold.next_offset, now, batch([1], [now], [value], [quality])):
            high = change.level > 0 if change.rule == "rate" else high
        found.append(high)
    return found


@laws(460)
@given(st.binary(min_size=20, max_size=90), st.integers(0, 2**20), st.sampled_from(WINDOWS))
def test_the_kind_says_what_the_slow_reference_says(drawn: bytes, seed: int, window: float) -> None:
    params = Params(rise_per_min=4.321, window_s=window, off_delay_s=0.0)
    slow = Slow(TAG, params)
    rows = [r for n, r in enumerate(steps_of(drawn, seed)) if n < 600]
    for got, (at, value, quality) in zip(raised(fold_of(params), rows), rows, strict=True):
        wanted = slow.read(at, value, quality)
        if wanted is None:
            return
        assert got == wanted, f"at {at / SECOND} s"


def fold_of(params: Params, *tags: Tag) -> Fold:
    rule = Rule(id="rate", kind="rate", params=msgspec.to_builtins(params))
    return Fold(compile_rules(msgspec.structs.replace(revision(*(tags or (TAG,))), rules=(rule,)), 0, 1), 0, 1)


# Stories


def story(*tags: Tag, **params: float | bool) -> Story:
    rule = Rule(id="rate", kind="rate", params=dict(params))
    return Story(of=msgspec.structs.replace(revision(*(tags or (TAG,))), rules=(rule,)))


def rates(changes: Sequence[ConditionChange]) -> list[tuple[str, int]]:
    return [(str(c.side), c.level) for c in changes if c.rule == "rate" and c.basis != "restatement"]


def ramp(told: Story, start: int, end: int, per_s: float, base: float = 20.0, **kw: Quality) -> list[ConditionChange]:
    said: list[ConditionChange] = []
    for second in range(start, end):
        said += told.read(second, base + per_s * (second - start), **kw)
    return said


def test_a_rise_and_a_fall_are_two_sides_and_tell_the_rate() -> None:
    told = story(rise_per_min=3.0, fall_per_min=3.0, window_s=20.0)
    up, low = (c for c in ramp(told, 0, 25, 0.1) if c.rule == "rate")
    assert (low.side, low.level, up.side, up.level) == ("low", 0, "high", 1)
    assert up.value == pytest.approx(6.0) and up.unit == "degC/min" and up.limit == 3.0 and up.level_name == "rise"
    down = [c for c in ramp(told, 30, 60, -0.1, 23.0) if c.side == "low" and c.level]
    assert down and down[0].limit == -3.0 and down[0].value is not None and down[0].value <= -3.0


def test_too_little_data_says_nothing_not_even_normal() -> None:
    told = story(rise_per_min=3.0, window_s=20.0)
    assert rates(ramp(told, 0, 9, 5.0)) == []
    told = story(rise_per_min=3.0, window_s=60.0)
    for second in range(0, 300, 9):
        told.read(second, 0.3 * second)
    assert rates(told.said) == []


def test_a_hole_in_the_data_ends_nothing() -> None:
    told = story(rise_per_min=3.0, window_s=20.0, off_delay_s=0.0)
    assert rates(ramp(told, 0, 20, 0.5))[-1] == ("high", 1)
    assert rates(ramp(told, 60, 68, 0.0)) == []
    assert rates(ramp(told, 68, 80, 0.0)) == [("high", 0)]


def test_bad_data_neither_raises_nor_clears() -> None:
    told = story(rise_per_min=3.0, window_s=20.0, off_delay_s=0.0)
    assert rates(ramp(told, 0, 30, 0.5, quality=Quality.BAD)) == []
    assert rates(ramp(told, 30, 60, 0.5))[-1] == ("high", 1)
    assert rates(ramp(told, 60, 120, 0.0, quality=Quality.BAD)) == []
    for second in range(120, 150):
        assert rates(told.read(second, None)) == []


def test_uncertain_data_raises_and_ends_nothing_while_it_is_in_the_window() -> None:
    told = story(rise_per_min=3.0, window_s=20.0, off_delay_s=0.0)
    assert rates(ramp(told, 0, 20, 0.5, quality=Quality.UNCERTAIN)) == [("high", 1)]
    assert rates(ramp(told, 20, 60, 0.0, quality=Quality.UNCERTAIN)) == []
    assert rates(ramp(told, 60, 79, 0.0)) == []
    assert rates(ramp(told, 79, 81, 0.0)) == [("high", 0)]


def test_late_readings_are_not_used() -> None:
    told = story(rise_per_min=3.0, window_s=20.0, off_delay_s=0.0)
    ramp(told, 0, 30, 0.0)
    for n in range(5):
        assert rates(told.read(30, 90.0 + n, event=29 - n)) == []
    assert rates(ramp(told, 30, 50, 0.0)) == []


def test_a_clock_that_goes_back_begins_a_new_window() -> None:
    told = story(rise_per_min=3.0, window_s=20.0, off_delay_s=0.0)
    ramp(told, 0, 30, 0.0)
    for n in range(40):
        told.read(60 + n, 20.0 + 0.5 * n, event=-3600 + n)
    assert rates(told.said)[-1] == ("high", 1)


def test_a_standing_clock_says_nothing() -> None:
    told = story(rise_per_min=3.0, window_s=20.0)
    for n in range(60):
        told.read(n, 20.0 + n, event=-2)
    assert rates(told.said) == []


def test_a_reading_that_is_wide_of_the_mark_hides_nothing_for_long() -> None:
    """Without a range anything is a number; the running sums lose their digits, and are not trusted then."""
    tag = msgspec.structs.replace(TAG, range_low=None, range_high=None)
    told = story(tag, rise_per_min=3.0, window_s=20.0, off_delay_s=0.0)
    ramp(told, 0, 30, 0.0)
    told.read(30, 1e250)
    ramp(told, 31, 52, 0.0)
    assert rates(ramp(told, 52, 75, 0.2)) == [("high", 1)]


def test_ten_readings_a_second_are_averaged() -> None:
    tag = msgspec.structs.replace(TAG, period_s=0.1)
    told = story(tag, rise_per_min=3.0, window_s=60.0)
    for n in range(900):
        told.read(n / 10, 20.0 + 0.01 * n + (n % 2))
    (up,) = (c for c in told.said if c.rule == "rate" and c.basis != "restatement")
    assert up.level == 1 and up.value == pytest.approx(6.0, rel=0.1)


# Checks and words


def problems(tag: Tag = TAG, **params: float | bool | None) -> list[str]:
    return [str(p) for p in KIND.check(tag, Params(**params))]  # type: ignore[arg-type]


def test_sound_parameters_have_no_problems() -> None:
    assert problems(rise_per_min=2.0) == [] and problems(fall_per_min=2.0, percent_of_range=True) == []
    assert problems(msgspec.structs.replace(TAG, period_s=300.0), rise_per_min=2.0) == []


@pytest.mark.parametrize(
    ("params", "part"),
    [
        ({}, "params: no rate is set; set rise_per_min, fall_per_min or both"),
        ({"rise_per_min": -1.0}, "params.rise_per_min: -1 is no rate"),
        ({"fall_per_min": math.inf}, "params.fall_per_min: inf is no rate"),
        (
            {"rise_per_min": 1.0, "window_s": 5.0},
            "params.window_s: CO-1 reads every 1 s; 5 s do not hold the 8 samples",
        ),
        ({"rise_per_min": 1.0, "window_s": math.nan}, "params.window_s: nan s is no window"),
        ({"rise_per_min": 1.0, "noise": -1.0}, "params.noise"),
        ({"rise_per_min": 1.0, "coverage": 1.5}, "params.coverage"),
        ({"rise_per_min": 1.0, "release": 1.0}, "params.release"),
        ({"rise_per_min": 1.0, "off_delay_s": -3.0}, "params.off_delay_s: -3 is out of bounds; 0 to 86400"),
    ],
)
def test_what_cannot_work_is_told(params: dict[str, float], part: str) -> None:
    assert any(part in p for p in problems(**params))


def test_tags_without_a_rate_are_told() -> None:
    assert (
        "narrow the rule's tags" in problems(msgspec.structs.replace(TAG, measure=Measure.STATE), rise_per_min=1.0)[0]
    )
    bare = msgspec.structs.replace(TAG, range_high=None)
    assert "has no range" in problems(bare, rise_per_min=1.0, percent_of_range=True)[0]
    coarse = msgspec.structs.replace(TAG, resolution=1.0)
    (told,) = problems(coarse, rise_per_min=0.3)
    assert "params.rise_per_min: CO-1: one step of its resolution looks like 0.3 degC/min" in told


def test_all_problems_come_at_once_through_the_rulebook() -> None:
    rule = Rule(id="r", kind="rate", params={"window_s": 1.0, "noise": -1.0})
    told = [str(p) for p in check_rules(msgspec.structs.replace(revision(TAG), rules=(rule,)))]
    assert len(told) == 3 and all("rules[r].params" in t for t in told)


@pytest.mark.parametrize(
    ("level", "value", "en", "zh"),
    [
        (1, 6.25, "T-1 temperature rising 6.25 degC/min, at rate-of-rise limit 5 degC/min", "上升 6.25 degC/min，达到"),
        (1, 4.5, "T-1 temperature rising 4.5 degC/min, rate-of-rise limit 5 degC/min still in alarm", "仍未解除"),
        (1, -1.0, "T-1 temperature falling 1 degC/min, rate-of-rise limit 5 degC/min still in alarm", "下降 1"),
        (0, 0.5, "T-1 temperature rising 0.5 degC/min, rate back to normal", "速率已恢复正常"),
        (0, math.nan, "T-1 temperature rate not known, rate back to normal", "变化速率未知"),
    ],
)
def test_words(level: int, value: float, en: str, zh: str) -> None:
    tag = msgspec.structs.replace(TAG, name="T-1")
    (planned,) = KIND.plan([tag], Params(rise_per_min=5.0))
    found: Level | None = planned.levels[0] if level else None
    said = say(Said(planned, found, value, 0, 0.0))
    assert said.en == en and zh in said.zh


def test_a_fall_is_told_as_a_fall() -> None:
    (planned,) = KIND.plan([msgspec.structs.replace(TAG, name="T-1")], Params(fall_per_min=5.0))
    said = say(Said(planned, planned.levels[0], -6.0, 0, 0.0))
    assert said.en == "T-1 temperature falling 6 degC/min, at rate-of-fall limit 5 degC/min"
    assert said.zh == "T-1 温度 下降 6 degC/min，达到下降速率限值 5 degC/min"


def test_it_keeps_within_its_memory() -> None:
    assert KIND.memory_dtype.itemsize <= 200 and SAMPLE.itemsize == 16
