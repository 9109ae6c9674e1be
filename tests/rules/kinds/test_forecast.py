"""The forecast against a slow reference, the published numbers, and bad, late and odd readings."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from operator import truediv
from statistics import NormalDist, fmean, median
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.admission import DOUBTFUL, LATE, LIVE
from rules.kinds import Said
from rules.kinds.forecast import KIND, Params
from rules.rulebook import check_rules
from rules.theilsen import line
from schemas.registry import Limits, Measure, Rule, Tag
from tests.laws.settings import traces as laws
from tests.laws.traces import revision
from tests.rules.helpers import Story
from tests.rules.kinds.early import BAD, GOOD, NUMBERS, UNCERTAIN, Kernel, Reading, good, in_seconds, second_of

TAG = Tag(
    number=1, name="P-1", enterprise="works", measure=Measure.PRESSURE, unit="MPa", range_low=0.0, range_high=10.0,
    limits=Limits(low=2.0, high=8.0, high_high=9.0),
)  # fmt: skip


def running_mean(values: Sequence[Any], divide: Callable[[Any, int], Any] = truediv) -> Any:
    """Rounded as one value after the other rounds it: ties must stay ties."""
    mean = values[0]
    for count, value in enumerate(values[1:], 2):
        mean += divide(value - mean, count)
    return mean


def clinging(residuals: list[float], most: float) -> float:
    """How far residuals hang together: their clipped correlation with the next, without its bias."""
    n, bound = len(residuals), 3 * 1.4826 * median(abs(e) for e in residuals)
    if bound <= 1e-9 * most:
        return 0.0
    clipped = [max(-bound, min(bound, e)) for e in residuals]
    centred = [e - fmean(clipped) for e in clipped]
    r = sum(a * b for a, b in pairwise(centred)) / sum(e * e for e in centred)
    return min(0.95, max(0.0, (n * r + 2) / (n - 4)))


class SlowForecast:
    """One side in plain Python: every step with all of its readings, every judgement from the text of the docstring."""

    def __init__(self, sign: float, limit: float, params: Params) -> None:
        self.sign, self.limit, self.params = sign, sign * limit, params
        self.steps: list[tuple[int, list[int], list[float]]] = []
        self.level, self.stated = 0, False
        self.verdict, self.minutes = "", math.nan
        self.early, self.late = math.nan, math.nan

    def read(self, reading: Reading) -> tuple[int, float, float, float] | None:
        """(level, value, early, late) when this reading changes the level."""
        at, value, quality, flags = reading
        if not flags & LIVE:
            return None
        usable = quality < UNCERTAIN and -0.125 <= value <= 10.0
        if usable and self._keep(second_of(at), self.sign * value):
            self._judge()
        if usable and self.verdict == "beyond":
            level = 1
        elif usable and self.verdict == "clear":
            level = 0
        else:
            level = self.level
        if level == self.level and (self.stated or not usable):
            return None
        self.level, self.stated = level, True
        return level, self.minutes, self.early, self.late

    def _keep(self, ns: int, x: float) -> bool:
        step = round(self.params.window_s * 1e9) // 30
        if self.steps and ns < self.steps[-1][0] - step:
            self.steps = []
        if self.steps and ns < self.steps[-1][0] + step:
            opened, times, values = self.steps[-1]
            times.append(max(ns, opened))
            values.append(x)
            return False
        self.steps.append((ns, [ns], [x]))
        return True

    def _judge(self) -> None:
        self.verdict, self.minutes = "", math.nan
        self.early, self.late = math.nan, math.nan
        now = self.steps[-1][0]
        kept = [(in_seconds(running_mean(t, int.__floordiv__) - now), running_mean(v)) for _, t, v in self.steps[-32:]]
        kept = [(t, v) for t, v in kept if -t <= self.params.window_s]
        n = len(kept)
        if n < 8:
            return
        t, y = np.array(kept).T
        early, later = np.triu_indices(n, 1)
        slopes = np.sort((y[later] - y[early]) / (t[later] - t[early]))
        slope = float(slopes[(len(slopes) - 1) // 2] + slopes[len(slopes) // 2]) / 2
        level = median(y.tolist()) - slope * median(t.tolist())
        r = clinging([v - level - slope * x for x, v in kept], max(abs(v) for _, v in kept))
        variance = n * (n - 1) * (2 * n + 5) / 18 * (1 + r) / (1 - r)
        reach = NormalDist().inv_cdf((1 + self.params.confidence) / 2) * math.sqrt(variance)
        low = slopes[max(0, round((len(slopes) - reach) / 2) - 1)]
        high = slopes[min(len(slopes) - 1, round((len(slopes) + reach) / 2))]
        if level >= self.limit:
            self.minutes = 0.0
            return
        left = (self.limit - level) / slope if slope > 0 else math.inf
        if left < self.params.horizon_s and low > 0:
            self.verdict = "beyond"
        elif left > 1.5 * self.params.horizon_s:
            self.verdict = "clear"
        if self.verdict == "beyond" or (self.verdict == "" and self.level):
            self.minutes = left / 60
            self.early = left * slope / high / 60
            self.late = left * slope / low / 60 if low > 0 else math.nan


def wandering(seed: int, count: int) -> list[Reading]:
    """A pressure that rises, falls and rests by turns, with noise, spikes, holes and readings of every kind."""
    source = random.Random(seed)
    noise, period = source.choice((0.0, 0.01, 0.3)), source.choice((1.0, 7.0, 30.0))
    found: list[Reading] = []
    at, value, slope = 0.0, source.uniform(2.2, 7.8), 0.0
    for _ in range(count):
        if source.random() < 0.03:
            slope = source.choice((0.0, 0.0, 1.0, -1.0)) * source.choice((3e-4, 2e-3, 1e-2))
        at += period + (source.choice((period, 20.0, 700.0, -8.0, -100.0)) if source.random() < 0.02 else 0.0)
        value = min(9.5, max(0.5, value + slope * period))
        shown = round(value + source.gauss(0.0, noise), source.choice((1, 6)))
        draw = source.random()
        quality = BAD if draw < 0.02 else UNCERTAIN if draw < 0.04 else GOOD
        if draw > 0.97:
            shown = source.choice((math.nan, math.inf, 11.0, 9.9, 0.1))
        found.append((max(0.0, at), shown, quality, source.choice((LATE, LIVE | DOUBTFUL)) if draw > 0.99 else LIVE))
    return found


@laws(250)
@given(
    st.integers(0, 2**32),
    st.sampled_from((300.0, 600.0)),
    st.sampled_from((300.0, 900.0)),
    st.sampled_from((0.8, 0.99)),
)
def test_it_says_what_the_slow_reference_says(seed: int, window: float, horizon: float, confidence: float) -> None:
    """10^5 readings in the full form."""
    given_params = {"window_s": window, "horizon_s": horizon, "confidence": confidence}
    readings = wandering(seed, 400)
    got = Kernel("forecast", TAG, given_params).told(readings)
    for side, sign, limit in (("high", 1.0, 8.0), ("low", -1.0, 2.0)):
        reference = SlowForecast(sign, limit, Params(**given_params))
        wanted = [(row, *said) for row, reading in enumerate(readings) if (said := reference.read(reading))]
        mine = [(row, level, value, *figures) for row, of, level, value, figures in got if of == side]
        assert [w[:2] for w in wanted] == [g[:2] for g in mine]
        np.testing.assert_allclose([g[2:] for g in mine], [w[2:] for w in wanted], rtol=1e-6, atol=1e-9)


def test_the_published_line() -> None:
    wanted = NUMBERS["theil_sen"]
    t, y = np.array(wanted["t"], float), np.array(wanted["y"], float)
    slope, low, high, t_mid, y_mid = line(t, y, len(t), NormalDist().inv_cdf(0.975))
    level = y_mid + slope * (t[-1] - t_mid)
    assert slope == pytest.approx(wanted["slope"], abs=5e-5)
    assert (low, high) == (pytest.approx(wanted["low"], abs=5e-5), pytest.approx(wanted["high"], abs=5e-5))
    assert (wanted["limit"] - level) / slope == pytest.approx(wanted["seconds"], abs=0.05)
    assert (wanted["limit"] - level) / high == pytest.approx(wanted["fast_edge_s"], abs=0.05)


def test_the_published_forecast() -> None:
    """The ten samples are readings of a tag; the wild one is in range, as it would be."""
    wanted = NUMBERS["theil_sen"]
    tag = msgspec.structs.replace(TAG, range_high=100.0, limits=Limits(high=24.0), period_s=10.0)
    said = Kernel("forecast", tag, {"window_s": 300.0, "confidence": 0.95, "horizon_s": 191.0}).told(
        [good(t, y) for t, y in zip(wanted["t"], wanted["y"], strict=True)]
    )
    assert said[0][:3] == (0, "high", 0)
    assert all(map(math.isnan, said[0][4]))
    *change, minutes, (early, late) = said[-1]
    assert change == [9, "high", 1]
    assert minutes * 60 == pytest.approx(190)
    assert early * 60 == pytest.approx(172.7, abs=0.05)
    assert late * 60 == pytest.approx(9.5 / 0.046667, rel=1e-4)


def test_a_change_carries_the_band() -> None:
    wanted = NUMBERS["theil_sen"]
    tag = msgspec.structs.replace(TAG, range_high=100.0, limits=Limits(high=24.0), period_s=10.0)
    params: dict[str, Any] = {"window_s": 300.0, "confidence": 0.95, "horizon_s": 191.0}
    told = Story(of=msgspec.structs.replace(revision(tag), rules=(Rule(id="f", kind="forecast", params=params),)))
    for t, y in zip(wanted["t"], wanted["y"], strict=True):
        told.read(t, y)
    told.pass_time(91, 125)
    said = [c for c in told.said if c.rule == "f" and c.level]
    assert [c.basis for c in said] == ["reading", "restatement"]
    for change in said:
        assert change.figures == {
            "early": pytest.approx(172.7 / 60, abs=1e-3),
            "late": pytest.approx(203.57 / 60, abs=1e-3),
        }
        assert change.text.en == ("P-1 pressure: at its present rate it reaches the high limit 24 MPa in about 3 min")


def test_slow_noise_does_not_pass_for_a_trend() -> None:
    """Noise that hangs together over two steps, 3 sigma below the limit, for a day: warnings without the wider band
    come every half hour."""
    source, x, readings = np.random.default_rng(4), 0.0, []
    for n in range(17_280):
        x = 0.88 * x + math.sqrt(1 - 0.88**2) * float(source.normal())
        readings.append(good(5.0 * n, 7.4 + 0.2 * x))
    assert sum(level for _, _, level, _ in Kernel("forecast", TAG, {}).feed(readings, batch=12)) <= 6


def rising(count: int, begin: float = 0.0, value: float = 4.0, per_s: float = 0.01) -> list[Reading]:
    return [good(begin + 10.0 * n, value + per_s * 10.0 * n) for n in range(count)]


SHORT = {"window_s": 300.0, "horizon_s": 600.0}


def test_an_onset_is_said_once_and_restated_with_its_estimate() -> None:
    kernel = Kernel("forecast", TAG, SHORT)
    assert [said[:3] for said in kernel.feed(rising(30))] == [(0, "high", 0), (0, "low", 0), (7, "high", 1)]
    assert kernel.evaluator.value(0) == pytest.approx((8.0 - 6.9) / 0.01 / 60)


def test_bad_uncertain_and_late_readings_neither_raise_nor_clear() -> None:
    for quality, flags in ((BAD, LIVE), (UNCERTAIN, LIVE), (GOOD, LATE)):
        other = [(at, value, quality, flags) for at, value, *_ in rising(30)]
        assert [said[2] for said in Kernel("forecast", TAG, SHORT).feed([good(-1.0, 4.0), *other])] == [0, 0]
        kernel = Kernel("forecast", TAG, SHORT)
        kernel.feed(rising(10))
        still = [(200.0 + 10.0 * n, 4.0, quality, flags) for n in range(60)]
        assert kernel.feed([*still, (900.0, math.nan, GOOD, LIVE)]) == []


def test_after_a_hole_it_waits_for_enough_data_before_it_ends() -> None:
    kernel = Kernel("forecast", TAG, SHORT)
    kernel.feed(rising(10))
    said = kernel.feed([good(5000.0 + 10.0 * n, 4.0) for n in range(20)])
    assert [(row, level) for row, _, level, _ in said] == [(7, 0)]


def test_past_the_limit_it_stands_until_the_value_is_back() -> None:
    kernel = Kernel("forecast", TAG, SHORT)
    kernel.feed(rising(45))
    assert kernel.feed([good(450.0 + 10.0 * n, 8.5) for n in range(60)]) == []
    assert kernel.evaluator.value(0) == 0.0
    assert [said[1:3] for said in kernel.feed([good(1050.0 + 10.0 * n, 5.0) for n in range(60)])] == [("high", 0)]


def test_a_rule_may_look_at_the_second_limit() -> None:
    assert [p.levels[0] and p.levels[0].limit for p in KIND.plan([TAG], Params())] == [8.0, 2.0]
    assert [p.levels[0] and p.levels[0].limit for p in KIND.plan([TAG], Params(level=2))] == [9.0]
    only_second = msgspec.structs.replace(TAG, limits=Limits(low_low=1.0))
    assert [p.levels[0] and p.levels[0].limit for p in KIND.plan([only_second], Params())] == [1.0]


def test_every_bad_parameter_is_named_with_its_cure() -> None:
    def paths(tag: Tag = TAG, **params: float) -> Sequence[str]:
        of = msgspec.structs.replace(revision(tag), rules=(Rule(id="f", kind="forecast", params=params),))
        found = check_rules(of)
        assert all(p.cure for p in found)
        return [p.path for p in found]

    assert paths() == []
    assert paths(horizon_s=-1, window_s=math.inf, confidence=1.0, level=3) == [
        f"rules[f].params.{field}" for field in ("window_s", "horizon_s", "confidence", "level")
    ]
    assert paths(msgspec.structs.replace(TAG, period_s=61.0)) == ["rules[f].params.window_s"]
    assert paths(horizon_s=6001.0) == ["rules[f].params.horizon_s"]


def test_its_words() -> None:
    (planned, _) = KIND.plan([TAG], Params())
    level = planned.levels[0]

    def say(value: float, raised: bool = True, **figures: float) -> tuple[str, str]:
        text = KIND.say(Said(planned, level if raised else None, value, GOOD, 0.0, figures))
        return text.zh, text.en

    assert say(12.2) == (
        "P-1 压力：按目前趋势约 12 分钟后达到高限 8 MPa",
        "P-1 pressure: at its present rate it reaches the high limit 8 MPa in about 12 min",
    )
    assert say(12.2, early=9.4, late=15.0) == (
        "P-1 压力：按目前趋势约 12 分钟后达到高限 8 MPa（最早 9 分钟）",
        "P-1 pressure: at its present rate it reaches the high limit 8 MPa in about 12 min, at the earliest 9 min",
    )
    assert say(12.2, early=12.1) == say(12.2)
    assert say(math.nan) == (
        "P-1 压力：趋向高限 8 MPa 的预警仍未解除，目前无法估计时间",
        "P-1 pressure: the warning of the high limit 8 MPa stands, no estimate at present",
    )
    assert say(0.0) == ("P-1 压力：已达到高限 8 MPa", "P-1 pressure: has reached the high limit 8 MPa")
    assert say(math.nan, raised=False) == (
        "P-1 压力：短期内不再趋向高限 8 MPa",
        "P-1 pressure: no longer on its way to the high limit 8 MPa",
    )
    assert KIND.unit(planned) == "min"
