"""What all control charts share: parameters, samples, and the learned baseline."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest

from schemas.registry import Measure, Tag
from tests.rules.kinds.early import Kernel, good, problems, steady

TAG = Tag(number=1, name="P-1", enterprise="works", measure=Measure.PRESSURE, unit="kPa", period_s=10.0)
LEARNED = {"learn_s": 10_000.0, "baseline_s": 40_000.0, "decorrelation_s": 10.0}
charts = pytest.mark.parametrize("kind", ["cusum", "ewma"])


@charts
def test_every_bad_parameter_is_named_with_its_cure(kind: str) -> None:
    def of(tag: Tag = TAG, **params: Any) -> list[str]:
        return problems(kind, tag, **params)

    assert of() == []
    for field in ("alarms_per_month", "decorrelation_s", "learn_s", "baseline_s"):
        assert of(**{field: -1.0}) == of(**{field: math.inf}) == [field]
    assert of(sigma=0.0, mean=1.0) == ["sigma"]
    assert of(mean=1.0) == ["sigma"] and of(sigma=1.0) == ["mean"]
    assert of(mean=math.nan, sigma=1.0) == ["mean"]
    assert of(sides="up") == ["sides"]
    assert of(alarms_per_month=1e5) == of(alarms_per_month=1e-7) == ["alarms_per_month"]
    assert of(learn_s=5000.0) == ["learn_s"]
    assert of(baseline_s=80_000.0) == ["baseline_s"]
    assert of(msgspec.structs.replace(TAG, measure=Measure.WIND_DIRECTION)) == ["measures"]


@charts
def test_a_learned_baseline_is_that_of_the_data_and_shrugs_off_spikes(kind: str) -> None:
    kernel = Kernel(kind, TAG, LEARNED)
    values = np.random.default_rng(3).normal(50.0, 2.0, 1000)
    values[::50] = 1e4  # a fiftieth of them
    kernel.feed([good(10.0 * n, float(v)) for n, v in enumerate(values)])
    for memory in kernel.evaluator.memory:
        assert memory["mean"] == pytest.approx(50.0, abs=0.3)
        assert memory["sigma"] == pytest.approx(2.0, rel=0.15)
        assert memory["learned"] == 1000


@charts
def test_a_silent_signal_has_the_sigma_of_its_resolution_or_range(kind: str) -> None:
    for changed, sigma in (
        ({"resolution": 0.5}, 0.5 / math.sqrt(12)),
        ({"range_low": 0.0, "range_high": 200.0}, 0.02),
        ({}, 1e-6 * 50.0),
    ):
        kernel = Kernel(kind, msgspec.structs.replace(TAG, **changed), LEARNED)
        kernel.feed(steady(100, 0.0, 50.0))
        assert kernel.evaluator.memory[0]["sigma"] == pytest.approx(sigma)


@charts
def test_half_a_period_of_jitter_costs_no_sample_and_more_readings_make_no_more(kind: str) -> None:
    kernel = Kernel(kind, TAG, {**LEARNED, "decorrelation_s": 60.0})
    kernel.feed([good(10.0 * n + 4.0 * (n % 2), 50.0) for n in range(601)])
    assert kernel.evaluator.memory[0]["learned"] == 101
    back = kernel.feed([good(3000.0 + 60.0 * n, 50.0) for n in range(5)])  # a clock that went back
    assert back == [] and kernel.evaluator.memory[0]["learned"] == 106


@charts
def test_a_lasting_change_becomes_the_new_normal(kind: str) -> None:
    kernel = Kernel(kind, TAG, {"learn_s": 1000.0, "baseline_s": 4000.0, "decorrelation_s": 10.0})
    source = np.random.default_rng(1)
    for begin, mean, count in ((0.0, 100.0, 200), (2000.0, 103.0, 50)):
        readings = [good(begin + 10.0 * n, float(source.normal(mean, 1.0))) for n in range(count)]
        said = kernel.feed(readings)
    assert [s[1:3] for s in said] == [("high", 1)]
    assert 1.0 < said[0][3] < 4.0
    later = kernel.feed([good(2500.0 + 10.0 * n, float(source.normal(103.0, 1.0))) for n in range(1500)])
    assert [s[1:3] for s in later] == [("high", 0)]
