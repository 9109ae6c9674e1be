"""What a setting does, second by second: counts and shares against sets of seconds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hazwatch.backtest.intervals import union
from hazwatch.tune.gate import Setting, alarms
from hazwatch.tune.measure import Side, told
from schemas.time import SECOND
from tests.backtest.stories import START
from tests.laws.settings import traces
from tests.tune.test_gate import GAP, LIMIT, of, seconds_of

REAL = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9)), max_size=3)


@given(st.lists(st.sampled_from([40.0, 60.0]), min_size=2, max_size=60), REAL, st.integers(0, 4))
@traces(500)
def test_against_sets_of_seconds(values: list[float], real: list[tuple[int, int]], lead: int) -> None:
    samples = of(values)
    end = len(values) - 1
    pairs = [(min(a, end), min(a + n, end)) for a, n in real]
    events = [(a // SECOND, b // SECOND) for a, b in union((a * SECOND, b * SECOND) for a, b in pairs)]
    side = Side("high", 1.0, (LIMIT,), tuple((START + a * SECOND, START + b * SECOND) for a, b in events))
    setting = Setting(0.0, 0.0, 0.0)
    found = told(samples, side, setting, GAP, lead * SECOND)

    spells = [(a, end if b is None else b) for a, b in seconds_of(alarms(samples, LIMIT, 1.0, setting, GAP))]
    standing = {s for a, b in spells for s in range(int(a), int(b))}
    windows = {s for a, b in events for s in range(max(0, a - lead), b)}
    inside = {s for a, b in events for s in range(a, b)}
    normal = set(range(end)) - windows
    assert found.calls == len(spells)
    touching = [any(a <= y and b >= x - lead for x, y in events) for a, b in spells]
    assert found.false == touching.count(False)
    assert found.found == sum(any(a <= y and b >= x - lead for a, b in spells) for x, y in events)
    assert found.found + found.missed == len(events)
    assert (found.far is None) == (not normal)
    if found.far is not None:
        assert found.far == pytest.approx(len(standing & normal) / len(normal))
    assert (found.mar is None) == (not inside)
    if found.mar is not None:
        assert found.mar == pytest.approx(1 - len(standing & inside) / len(inside))
    vain = 0.0
    for a, b in spells:
        starts = [max(a, x - lead) for x, y in events if a <= y and b >= x - lead]
        vain += min(min(starts, default=b), b) - a
    assert found.in_vain == pytest.approx(vain / end)


def test_fleeting_and_bursts() -> None:
    values = [40.0] * 10 + [60.0, 40.0] * 3 + [40.0] * 120 + [60.0] * 61 + [40.0] * 5 + [60.0] * 3
    found = told(of(values), Side("high", 1.0, (LIMIT,), ()), Setting(0.0, 0.0, 0.0), GAP)
    assert (found.calls, found.bursts, found.chattering, found.fleeting) == (5, 1, 3, 3)


def test_a_second_level_within_a_real_excursion_is_not_given_up() -> None:
    values = [40.0] * 10 + [60.0] * 30 + [90.0] * 4 + [60.0] * 30 + [40.0] * 10 + [90.0] * 2 + [40.0] * 10
    real = ((START + 10 * SECOND, START + 74 * SECOND),)
    for on_delay_s, reached in ((0.0, 1), (4.0, 1), (5.0, 0)):
        found = told(of(values), Side("high", 1.0, (LIMIT, 80.0), real), Setting(0.0, on_delay_s, 0.0), GAP)
        assert (found.found, found.reached) == (1, reached)
    assert told(of(values), Side("high", 1.0, (LIMIT,), real), Setting(0.0, 0.0, 0.0), GAP).reached == 0
