"""The fold does nothing per reading in Python. Figures: `python -m tests.rules.bench_fold`."""

from __future__ import annotations

import numpy as np
import pytest

from rules.engine import warm_up
from tests.rules.bench_fold import measure, plant


@pytest.mark.slow
def test_two_thousand_readings_cost_little_more_than_one() -> None:
    """By ratio of the quick runs, so that a busy machine changes little: 30 here, over 200 with a loop in Python."""
    warm_up()
    fold = plant()
    for rows in (1, 2000):
        measure(fold, rows, repeats=50)
    one, many = (np.percentile(measure(fold, rows, repeats=300), 10) for rows in (1, 2000))
    print(f"1 row {one:.0f} us, 2000 rows {many:.0f} us")
    assert many < 100 * one
