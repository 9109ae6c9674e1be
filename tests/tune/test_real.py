"""Noise, and what counts as a real excursion, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hazwatch.tune.gate import Samples
from hazwatch.tune.real import excursions, noise
from schemas.time import SECOND
from tests.backtest.stories import START
from tests.laws.settings import traces
from tests.tune.test_gate import of


def slowly(samples: Samples, limit: float, window: int) -> list[tuple[int, int]]:
    rows = [(int(t), float(v)) for t, v, good in zip(samples.at, samples.value, samples.raises, strict=True) if good]
    real = []
    for t, v in rows:
        near = [w >= limit for u, w in rows if abs(u - t) <= window // 2]
        if v >= limit and 2 * sum(near) > len(near):
            real.append(t)
    out: list[tuple[int, int]] = []
    for t in real:
        if out and t - out[-1][1] <= window:
            out[-1] = (out[-1][0], t)
        else:
            out.append((t, t))
    return out


@given(st.lists(st.sampled_from([0.0, 9.0, 10.0, 11.0]), min_size=1, max_size=60), st.integers(1, 12))
@traces(1000)
def test_excursions(values: list[float], window: int) -> None:
    samples = of(values)
    assert excursions(samples, 10.0, 1.0, window * SECOND) == slowly(samples, 10.0, window * SECOND)
    mirrored = of([20.0 - value for value in values])
    assert excursions(mirrored, 10.0, -1.0, window * SECOND) == slowly(samples, 10.0, window * SECOND)


def test_a_spike_is_not_real_and_what_lasts_is() -> None:
    values = [0.0] * 100
    values[20] = 12.0
    values[50:85] = [12.0] * 35
    found = excursions(of(values), 10.0, 1.0, 60 * SECOND)
    assert [((a - START) // SECOND, (b - START) // SECOND) for a, b in found] == [(50, 84)]


def test_noise_of_a_ramp_with_jumps() -> None:
    random = np.random.default_rng(3)
    values = random.normal(0.0, 0.7, 20_000) + np.linspace(0, 50, 20_000)
    values[5000:] += 30
    assert noise(of(values.tolist())) == pytest.approx(0.7, rel=0.05)
    assert noise(of([1.0, 2.0])) == 0.0
