"""The grid of a recording against a plain loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hazwatch.train.grid import MOST_STEPS, Readings, grid, held, step_of
from schemas.registry import Measure, Tag
from schemas.time import SECOND
from tests.laws.settings import traces

TAG = Tag(number=1, name="T-1", enterprise="e", measure=Measure.TEMPERATURE, unit="°C")
BEGIN_S = 1_767_225_600


def readings(*pairs: tuple[float, float]) -> Readings:
    times = np.array([round((BEGIN_S + at) * SECOND) for at, _ in pairs], np.int64)
    return Readings(TAG, times, np.array([value for _, value in pairs], np.float64))


@traces(200)
@given(st.lists(st.tuples(st.integers(0, 200), st.floats(-1e3, 1e3)), min_size=2, max_size=40), st.integers(1, 30))
def test_steps_hold_the_mean_and_then_the_last_one(pairs: list[tuple[int, float]], step_s: int) -> None:
    one = readings(*sorted(pairs))
    found = grid([one], step_s * SECOND)
    cells: dict[int, list[float]] = {}
    for at_ns, value in zip(one.time_ns.tolist(), one.value.tolist(), strict=True):
        cells.setdefault(at_ns // (step_s * SECOND), []).append(value)
    last, age = math.nan, 0
    for cell in range(min(cells), max(cells) + 1):
        if cell in cells:
            last, age = sum(cells[cell]) / len(cells[cell]), 0
        else:
            age += 1
        wanted = last if age <= found.hold[0] else math.nan
        assert found.values[cell - found.first, 0] == pytest.approx(wanted, nan_ok=True, rel=1e-9, abs=1e-9)


def test_held_values_grow_old() -> None:
    nan = math.nan
    found = held(np.array([nan, 1.0, nan, nan, nan, 2.0]), 2)
    assert found.tolist()[1:4] == [1.0, 1.0, 1.0] and math.isnan(found[0]) and math.isnan(found[4]) and found[5] == 2.0


@pytest.mark.parametrize(
    ("period_s", "count", "wanted_s"),
    [(60.0, 1000, 60.0), (59.0, 1000, 60.0), (61.7, 1000, 60.0), (47.3, 1000, 47.3), (1.0, 10 * MOST_STEPS, 10.0)],
)
def test_the_step_is_the_usual_period_or_coarser(period_s: float, count: int, wanted_s: float) -> None:
    times = np.array([round((BEGIN_S + n * period_s) * SECOND) for n in (*range(50), count)], np.int64)
    one = Readings(TAG, times, np.zeros(len(times)))
    assert step_of([one], None) == round(wanted_s * SECOND)
    assert step_of([one], 5.0) == 5 * SECOND
