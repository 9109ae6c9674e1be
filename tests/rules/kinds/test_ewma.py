"""EWMA against a slow reference, a published chart, its run lengths, and bad, late and too little data."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import arl
from rules.admission import LATE, LIVE
from rules.kinds import Said
from rules.kinds.ewma import KIND, Params
from schemas.registry import Measure, Tag
from tests.laws.settings import traces as laws
from tests.rules.kinds.early import (
    BAD,
    GOOD,
    NUMBERS,
    UNCERTAIN,
    Kernel,
    Reading,
    SlowBaseline,
    drifting,
    good,
    healthy,
    problems,
    steady,
)

TAG = Tag(number=1, name="P-1", enterprise="works", measure=Measure.PRESSURE, unit="kPa", period_s=10.0)
GIVEN = {"mean": 100.0, "sigma": 1.0}


class SlowEwma:
    """One side in plain Python."""

    def __init__(self, sign: float, params: dict[str, Any]) -> None:
        self.sign, self.weight, self.baseline = sign, params["weight"], SlowBaseline(params, TAG.period_s)
        run = 30 * 86400 / self.baseline.every / params["alarms_per_month"]
        self.one = params["sides"] != "both"
        sigma = math.sqrt(self.weight / (2 - self.weight))
        self.limit = sigma * arl.ewma_threshold(self.weight, run, self.one)
        self.z = self.smooth = 0.0
        self.value, self.verdict = math.nan, ""
        self.level, self.stated = 0, False

    def read(self, reading: Reading) -> tuple[int, float] | None:
        """(level, value) when this reading changes the level."""
        at, value, quality, flags = reading
        if not flags & LIVE:
            return None
        usable = quality < UNCERTAIN and math.isfinite(value)
        if usable and self.baseline.takes(at):
            self._sample(value)
        level = self.level
        if usable and self.verdict:
            level = 1 if self.verdict == "beyond" else 0
        if level == self.level and (self.stated or not usable):
            return None
        self.level, self.stated = level, True
        return level, self.value

    def _sample(self, value: float) -> None:
        calm = self.level == 0
        residual = self.baseline.residual(value)
        if residual is not None:
            x = self.sign * residual
            self.z = self.weight * x + (1 - self.weight) * self.z
            self.smooth = self.weight * x + (1 - self.weight) * self.smooth
            self.verdict = "beyond" if self.z > self.limit else "clear" if self.z <= self.limit / 2 else ""
            self.z = max(0.0 if self.one else -self.limit, min(self.limit, self.z))
            self.value = self.sign * self.baseline.sigma * self.smooth
        self.baseline.learn(value, calm and self.verdict != "beyond")


@laws(250)
@given(
    st.integers(0, 2**32),
    st.booleans(),
    st.sampled_from((10.0, 25.0)),
    st.sampled_from((0.05, 0.3, 1.0)),
    st.sampled_from((1.0, 2000.0)),
    st.sampled_from(("both", "high", "low")),
)
def test_it_says_what_the_slow_reference_says(
    seed: int, known: bool, decorrelation: float, weight: float, rate: float, sides: str
) -> None:
    """10^5 readings in the full form."""
    baseline = GIVEN if known else {"learn_s": 100 * decorrelation, "baseline_s": 400 * decorrelation}
    params = {"decorrelation_s": decorrelation, "weight": weight, "alarms_per_month": rate, "sides": sides, **baseline}
    readings = drifting(seed, 400, TAG.period_s)
    kernel = Kernel("ewma", TAG, params)
    got = kernel.feed(readings)
    for side in kernel.sides:
        reference = SlowEwma(1.0 if side == "high" else -1.0, params)
        wanted = [(row, *said) for row, reading in enumerate(readings) if (said := reference.read(reading))]
        mine = [(row, level, value) for row, of, level, value in got if of == side]
        assert [w[:2] for w in wanted] == [g[:2] for g in mine]
        np.testing.assert_allclose([g[2] for g in mine], [w[2] for w in wanted], rtol=1e-6, atol=1e-9)


def test_the_chart_of_a_handbook() -> None:
    of = NUMBERS["nist_ewma_example"]
    kernel = Kernel("ewma", TAG, {"mean": 50.0, "sigma": 2.0539, "weight": 0.3, "decorrelation_s": 10.0})
    limit = 3 * arl.spread(0.3)
    kernel.evaluator.compiled.params["limit"] = limit
    assert 50 + 2.0539 * limit == pytest.approx(of["UCL"], abs=1e-3)
    assert 50 - 2.0539 * limit == pytest.approx(of["LCL"], abs=1e-3)
    for n, (x, wanted) in enumerate(zip(of["x"], of["ewma"], strict=True)):
        said = kernel.feed([good(10.0 * n, x)])
        assert [s[2] for s in said] == ([0, 0] if n == 0 else [])  # none of them is beyond
        assert 50 + kernel.evaluator.memory[0]["value"] == pytest.approx(wanted, abs=0.011)


@pytest.mark.parametrize(
    ("asked", "share"),
    [
        ({"mean": 0.0, "sigma": 1.0}, 0.0),
        ({"mean": 0.0, "sigma": 1.0, "sides": "low", "weight": 0.3}, 0.0),
        ({}, 0.1),
    ],
)
def test_a_healthy_week_keeps_the_chosen_rate(asked: dict[str, Any], share: float) -> None:
    """Ten false alarms a month of 300 points over seven days; with a learned baseline a tenth more or less."""
    tag = msgspec.structs.replace(TAG, period_s=60.0)
    learning = 0 if asked else 1440
    alarms, _ = healthy("ewma", tag, {"alarms_per_month": 10.0, **asked}, 300, learning + 7 * 1440, 2)
    wanted = 300 * 10.0 * 7 / 30
    assert abs(alarms - wanted) < 3 * math.sqrt(wanted) + share * wanted


def test_bad_uncertain_and_late_readings_neither_raise_nor_clear() -> None:
    for quality, flags in ((BAD, LIVE), (UNCERTAIN, LIVE), (GOOD, LATE)):
        kernel = Kernel("ewma", TAG, {**GIVEN, "decorrelation_s": 10.0})
        kernel.feed(steady(5, 0.0, 100.0))
        assert kernel.feed(steady(100, 100.0, 110.0, quality, flags)) == []
        assert [said[1:3] for said in kernel.feed(steady(10, 2000.0, 110.0))] == [("high", 1)]
        assert kernel.feed([*steady(100, 3000.0, 100.0, quality, flags), (5000.0, math.nan, GOOD, LIVE)]) == []
        assert [said[1:3] for said in kernel.feed(steady(100, 6000.0, 100.0))] == [("high", 0)]


def test_while_it_learns_it_says_nothing_and_no_number() -> None:
    kernel = Kernel("ewma", TAG, {"learn_s": 1000.0, "baseline_s": 4000.0, "decorrelation_s": 10.0})
    said = kernel.feed(steady(100, 0.0, 100.0))
    assert [s[:3] for s in said] == [(0, "high", 0), (0, "low", 0)]
    assert all(math.isnan(s[3]) for s in said)
    assert [s[:3] for s in kernel.feed(steady(1, 1000.0, 101.0))] == [(0, "high", 1)]


def test_a_quiet_time_on_the_other_side_does_not_hide_an_onset() -> None:
    """With one side Z is held at 0, so the eighth sample of a rise tells, as if nothing had been before."""
    known = {**GIVEN, "decorrelation_s": 10.0, "sides": "high"}
    fresh = Kernel("ewma", TAG, known).feed(steady(20, 0.0, 102.0))
    kernel = Kernel("ewma", TAG, known)
    kernel.feed(steady(100, 0.0, 95.0))
    after = kernel.feed(steady(20, 1000.0, 102.0))
    assert [said[0] for said in after] == [said[0] for said in fresh if said[2]]


def test_every_bad_parameter_is_named_with_its_cure() -> None:
    assert problems("ewma", TAG, weight=0.0) == problems("ewma", TAG, weight=1.1) == ["weight"]


def test_its_words() -> None:
    high, low = KIND.plan([TAG], Params())
    level = high.levels[0]

    def say(planned: Any, value: float, raised: bool = True) -> tuple[str, str]:
        text = KIND.say(Said(planned, level if raised else None, value, GOOD, 0.0))
        return text.zh, text.en

    assert say(high, 0.12345) == (
        "P-1 压力：平滑值比基准高约 0.123 kPa",
        "P-1 pressure: its smoothed value is about 0.123 kPa above its baseline",
    )
    assert say(low, -0.12345)[1] == "P-1 pressure: its smoothed value is about 0.123 kPa below its baseline"
    assert say(high, math.nan)[1] == "P-1 pressure: the deviation of its smoothed value has not ended"
    assert say(high, 0.0, raised=False) == (
        "P-1 压力：平滑值已回到基准附近",
        "P-1 pressure: its smoothed value is back near its baseline",
    )
