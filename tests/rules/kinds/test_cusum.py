"""CUSUM against a slow reference, published charts, its run lengths, and bad, late and too little data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import arl
from rules.kinds.cusum import KIND, Params
from tests.laws.settings import traces as laws
from tests.rules.kinds.early import (
    GIVEN,
    LEARNED,
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
    words_of,
)


class SlowCusum(SlowChart):
    def __init__(self, sign: float, params: dict[str, Any]) -> None:
        super().__init__(sign, params, POINT.period_s)
        self.k = params["shift"] / 2
        self.h = arl.cusum_threshold(self.k, 2 * self.run)
        self.since: list[float] = []  # residuals since S was last 0
        self.score = 0.0

    def sample(self, z: float) -> None:
        self.score = max(0.0, self.score + z - self.k)
        self.since = [*self.since, self.sign * z] if self.score else []
        self.value = self.baseline.sigma * sum(self.since) / len(self.since) if self.since else 0.0
        self.verdict = "beyond" if self.score > self.h else "" if self.score else "clear"
        self.score = min(self.score, self.h)


@laws(250)
@given(
    st.integers(0, 2**32),
    st.sampled_from((GIVEN, LEARNED)),
    st.sampled_from((10.0, 25.0)),
    st.sampled_from((0.5, 2.0)),
    st.sampled_from((1.0, 2000.0)),
)
def test_it_says_what_the_slow_reference_says(
    seed: int, known: dict[str, float], decorrelation: float, shift: float, rate: float
) -> None:
    """10^5 readings in the full form."""
    known = {**known, "learn_s": 100 * decorrelation}
    params = {**known, "decorrelation_s": decorrelation, "shift": shift, "alarms_per_month": rate}
    references = {side: SlowCusum(sign, params) for side, sign in (("high", 1.0), ("low", -1.0))}
    agrees(Kernel("cusum", POINT, params), drifting(seed, 400, POINT.period_s), references)


def with_h(h: float, **params: Any) -> Kernel:
    """A kernel whose threshold is set by hand, as in the textbooks."""
    kernel = Kernel("cusum", POINT, {"decorrelation_s": 10.0, **params})
    kernel.evaluator.compiled.params["h"] = h
    return kernel


def test_the_chart_of_a_textbook() -> None:
    of = NUMBERS["montgomery_cusum_example"]
    kernel = with_h(5.0, mean=10.0, sigma=1.0, shift=1.0)
    readings = [good(10.0 * n, x) for n, x in enumerate(of["x"])]
    raised = [said for said in kernel.feed(readings[:29]) if said[2]]
    assert [said[:3] for said in raised] == [(of["first_signal_sample"] - 1, "high", 1)]
    memory = kernel.evaluator.memory[0]
    assert memory["count"] == of["N_plus_29"]
    assert memory["total"] - 0.5 * memory["count"] == pytest.approx(of["C_plus_29"], abs=0.005)
    assert raised[0][3] == pytest.approx(0.5 + of["C_plus_29"] / of["N_plus_29"], abs=0.005)
    assert kernel.feed(readings[29:]) == []  # an onset is said once


def test_the_chart_of_a_handbook() -> None:
    """The last of its sums goes far past h; here it stays at h, so that the alarm can end."""
    of = NUMBERS["nist_cusum_example"]
    kernel = with_h(4.1959, mean=325.0, sigma=1.0, shift=0.635)
    readings = [good(10.0 * n, x) for n, x in enumerate(of["xbar"])]
    said = kernel.feed(readings[:14])
    assert [s[:3] for s in said if s[2]] == [(of["first_signal_group"] - 1, "high", 1)]
    memory = kernel.evaluator.memory[0]
    assert memory["total"] - 0.3175 * memory["count"] == pytest.approx(of["S_hi_14"], abs=0.006)
    assert kernel.feed(readings[14:]) == []
    memory = kernel.evaluator.memory[0]
    # the handbook subtracts a rounded 0.32 in each of its sums
    assert memory["total"] - 0.3175 * memory["count"] == pytest.approx(of["S_hi_20"], abs=0.02)
    assert memory["score"] == pytest.approx(4.1959)


@pytest.mark.long
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_its_run_lengths_are_those_of_the_tables(shift: float) -> None:
    """300 runs of one compiled chart, begun anew after every alarm; within 3 standard errors."""
    kernel = with_h(4.0, mean=0.0, sigma=1.0, shift=1.0, sides="high")
    source, runs, begin, row = np.random.default_rng(5), [], 0, 0
    while len(runs) < 300:
        values = source.normal(shift, 1.0, 500).tolist()
        for value in values:
            kernel_said = kernel.feed([good(10.0 * row, value)])
            row += 1
            if any(level for _, _, level, _ in kernel_said):
                runs.append(row - begin)
                begin = row
                kernel = with_h(4.0, mean=0.0, sigma=1.0, shift=1.0, sides="high")
    error = float(np.std(runs, ddof=1)) / math.sqrt(len(runs))
    assert abs(float(np.mean(runs)) - arl.cusum(4.0, 0.5, shift)) < 3 * error


@pytest.mark.long
@pytest.mark.parametrize(("known", "share"), [({"mean": 0.0, "sigma": 1.0}, 0.0), ({}, 0.1)])
def test_a_healthy_week_keeps_the_chosen_rate(known: dict[str, float], share: float) -> None:
    keeps_the_chosen_rate("cusum", known, share)


def test_bad_uncertain_and_late_readings_neither_raise_nor_clear() -> None:
    bad_data_neither_raises_nor_clears("cusum")


def test_while_it_learns_it_says_nothing_and_no_number() -> None:
    says_nothing_while_it_learns("cusum")


def test_every_bad_parameter_is_named_with_its_cure() -> None:
    assert problems("cusum", POINT, sides="up", shift=0.0) == ["shift", "sides"]


def test_its_threshold_follows_from_the_rate() -> None:
    """One a month of one side at a sample in 10 s: h is near 10.6; two sides have half of it each."""
    (one,) = KIND.plan([POINT], Params(alarms_per_month=1.0, decorrelation_s=10.0, sides="high"))
    assert one.values["h"] == pytest.approx(10.6, abs=0.05)
    both = list(KIND.plan([POINT], Params(alarms_per_month=2.0, decorrelation_s=10.0)))
    assert [p.side for p in both] == ["high", "low"]
    assert [p.values["h"] for p in both] == pytest.approx([one.values["h"]] * 2)


def test_its_words() -> None:
    high, low = KIND.plan([POINT], Params())
    assert words_of(KIND, high, 0.12345) == (
        "P-1 压力：均值已上移约 0.123 kPa",
        "P-1 pressure: its mean has shifted up by about 0.123 kPa",
    )
    assert words_of(KIND, low, -0.12345)[1] == "P-1 pressure: its mean has shifted down by about 0.123 kPa"
    assert words_of(KIND, high, math.nan)[1] == "P-1 pressure: the shift of its mean has not ended"
    assert words_of(KIND, high, 0.0, raised=False) == (
        "P-1 压力：均值与基准一致",
        "P-1 pressure: its mean agrees with the baseline",
    )
