"""EWMA against a slow reference, a published chart, its run lengths, and bad, late and too little data."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import arl
from rules.kinds.ewma import KIND, Params
from tests.laws.settings import traces as laws
from tests.rules.kinds.early import (
    GIVEN,
    NUMBERS,
    POINT,
    Kernel,
    SlowChart,
    agrees,
    bad_data_neither_raises_nor_clears,
    drifting,
    good,
    keeps_the_chosen_rate,
    problems,
    says_nothing_while_it_learns,
    steady,
    words_of,
)


class SlowEwma(SlowChart):
    def __init__(self, sign: float, params: dict[str, Any]) -> None:
        super().__init__(sign, params, POINT.period_s)
        self.weight, self.one = params["weight"], params["sides"] != "both"
        sigma = math.sqrt(self.weight / (2 - self.weight))
        self.limit = sigma * arl.ewma_threshold(self.weight, self.run, self.one)
        self.z = self.smooth = 0.0

    def sample(self, z: float) -> None:
        self.z = self.weight * z + (1 - self.weight) * self.z
        self.smooth = self.weight * z + (1 - self.weight) * self.smooth
        self.verdict = "beyond" if self.z > self.limit else "clear" if self.z <= self.limit / 2 else ""
        self.z = max(0.0 if self.one else -self.limit, min(self.limit, self.z))
        self.value = self.sign * self.baseline.sigma * self.smooth


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
    references = {side: SlowEwma(sign, params) for side, sign in (("high", 1.0), ("low", -1.0))}
    agrees(Kernel("ewma", POINT, params), drifting(seed, 400, POINT.period_s), references)


def test_the_chart_of_a_handbook() -> None:
    of = NUMBERS["nist_ewma_example"]
    kernel = Kernel("ewma", POINT, {"mean": 50.0, "sigma": 2.0539, "weight": 0.3, "decorrelation_s": 10.0})
    limit = 3 * arl.spread(0.3)
    kernel.evaluator.compiled.params["limit"] = limit
    assert 50 + 2.0539 * limit == pytest.approx(of["UCL"], abs=1e-3)
    assert 50 - 2.0539 * limit == pytest.approx(of["LCL"], abs=1e-3)
    for n, (x, wanted) in enumerate(zip(of["x"], of["ewma"], strict=True)):
        said = kernel.feed([good(10.0 * n, x)])
        assert [s[2] for s in said] == ([0, 0] if n == 0 else [])  # none of them is beyond
        assert 50 + kernel.evaluator.memory[0]["value"] == pytest.approx(wanted, abs=0.011)


@pytest.mark.long
@pytest.mark.parametrize(
    ("asked", "share"),
    [
        ({"mean": 0.0, "sigma": 1.0}, 0.0),
        ({"mean": 0.0, "sigma": 1.0, "sides": "low", "weight": 0.3}, 0.0),
        ({}, 0.1),
    ],
)
def test_a_healthy_week_keeps_the_chosen_rate(asked: dict[str, Any], share: float) -> None:
    keeps_the_chosen_rate("ewma", asked, share)


def test_bad_uncertain_and_late_readings_neither_raise_nor_clear() -> None:
    bad_data_neither_raises_nor_clears("ewma")


def test_while_it_learns_it_says_nothing_and_no_number() -> None:
    says_nothing_while_it_learns("ewma")


def test_a_quiet_time_on_the_other_side_does_not_hide_an_onset() -> None:
    """With one side Z is held at 0, so the eighth sample of a rise tells, as if nothing had been before."""
    known = {**GIVEN, "decorrelation_s": 10.0, "sides": "high"}
    fresh = Kernel("ewma", POINT, known).feed(steady(20, 0.0, 102.0))
    kernel = Kernel("ewma", POINT, known)
    kernel.feed(steady(100, 0.0, 95.0))
    after = kernel.feed(steady(20, 1000.0, 102.0))
    assert [said[0] for said in after] == [said[0] for said in fresh if said[2]]


def test_every_bad_parameter_is_named_with_its_cure() -> None:
    assert problems("ewma", POINT, weight=0.0) == problems("ewma", POINT, weight=1.1) == ["weight"]


def test_its_words() -> None:
    high, low = KIND.plan([POINT], Params())
    assert words_of(KIND, high, 0.12345) == (
        "P-1 压力：平滑值比基准高约 0.123 kPa",
        "P-1 pressure: its smoothed value is about 0.123 kPa above its baseline",
    )
    assert words_of(KIND, low, -0.12345)[1] == "P-1 pressure: its smoothed value is about 0.123 kPa below its baseline"
    assert words_of(KIND, high, math.nan)[1] == "P-1 pressure: the deviation of its smoothed value has not ended"
    assert words_of(KIND, high, 0.0, raised=False) == (
        "P-1 压力：平滑值已回到基准附近",
        "P-1 pressure: its smoothed value is back near its baseline",
    )
