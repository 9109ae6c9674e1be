"""Limits from false alarms per month, on charts whose tail is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hazwatch.train.limits import alarms, blocks, memory, spells, tail
from tests.laws.settings import traces


def test_the_limit_of_a_known_tail() -> None:
    """The logarithm is exponential with mean 1/2: a level x is exceeded with probability exp(-2 x)."""
    rng = np.random.default_rng(1)
    wanted = 1e-5
    found = [tail(np.exp(rng.exponential(0.5, 20_000)), wanted).limit for _ in range(40)]
    exact = -0.5 * math.log(wanted)
    logs = np.log(found)
    # five steps around each peak are one spell, and one standard error is added: a little above, never far
    assert exact - 3 * 0.25 / math.sqrt(40) < logs.mean() < exact + 0.6
    assert logs.min() > exact - 0.8


@traces(200)
@given(st.lists(st.floats(-3, 3), min_size=5, max_size=60), st.integers(1, 6))
def test_spells_against_a_loop(values: list[float], gap: int) -> None:
    found = spells(np.array(values), 1.0, gap)
    peaks: list[float] = []
    last = -(10**6)
    for i, value in enumerate(values):
        if value > 1.0:
            if i - last > gap:
                peaks.append(value - 1.0)
            else:
                peaks[-1] = max(peaks[-1], value - 1.0)
            last = i
    if peaks:
        assert found.tolist() == pytest.approx(np.maximum(peaks, 1e-6).tolist())
    else:
        assert len(found) == 1 and found[0] > 0


def test_memory_of_an_autoregression() -> None:
    """r^lag falls below 1/e at lag -1 / ln r."""
    rng = np.random.default_rng(2)
    x = np.zeros(50_000)
    for i in range(1, len(x)):
        x[i] = 0.95 * x[i - 1] + rng.normal()
    assert 16 <= memory(np.exp(x)) <= 24
    assert memory(np.exp(rng.normal(size=5000))) == 1


def test_blocks_part_the_steps() -> None:
    rows = np.ones(23, np.bool_)
    rows[5] = False
    found = blocks(rows)
    assert len(found) == 5 and (np.sum(found, axis=0) == rows).all()


def test_alarms_stand_as_the_rule_lets_them() -> None:
    said = np.array([[0.5], [1.2], [0.9], [0.5], [0.5], [0.5], [np.nan], [1.1], [0.8]])
    standing, begins = alarms(said, np.array([1.0]), hold=1)
    assert begins == [1, 7]
    assert standing.tolist() == [False, True, True, True, False, False, False, True, True]
