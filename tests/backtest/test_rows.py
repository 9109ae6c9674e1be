"""Numbers as people read them."""

from __future__ import annotations

import pytest

from hazwatch.backtest.rows import count, duration, percent, signed


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "-"),
        (0, "0 s"),
        (0.25, "0.25 s"),
        (59, "59 s"),
        (60, "1 min"),
        (150, "2 min 30 s"),
        (3600, "1 h"),
        (12_000, "3 h 20 min"),
        (7_199, "2 h"),
        (86_400, "1 d"),
        (187_200, "2 d 4 h"),
        (-90, "-1 min 30 s"),
    ],
)
def test_durations(seconds: float | None, said: str) -> None:
    assert duration(seconds) == said


def test_differences_have_a_sign() -> None:
    assert [signed(count, v) for v in (3, -3, 0, None)] == ["+3", "-3", "=", "-"]
    assert [signed(percent, v) for v in (0.5, -0.001, 0.000001)] == ["+50.00 %", "-0.10 %", "="]
    assert signed(duration, -90) == "-1 min 30 s"
