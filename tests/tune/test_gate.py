"""One gate, against three oracles: plain Python of another shape, the real fold, and the formulas of the literature."""

from __future__ import annotations

from itertools import pairwise
from math import erf, sqrt

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hazwatch.backtest.story import Story
from hazwatch.tune.gate import NEVER, Samples, Setting, alarms
from hazwatch.tune.measure import Side, told
from schemas.registry import Limits, Tag
from schemas.time import SECOND
from tests.backtest.stories import START, replayed
from tests.composition.helpers import park, tag
from tests.laws.settings import traces

LIMIT = 50.0
GAP = 10 * SECOND


def of(values: list[float], *, every_s: int = 1) -> Samples:
    """Good readings in range, one every so many seconds."""
    at = START + np.arange(len(values), dtype=np.int64) * every_s * SECOND
    good = np.ones(len(values), bool)
    return Samples(at, np.array(values, np.float64), good, good)


def seconds_of(found: tuple[np.ndarray, np.ndarray]) -> list[tuple[float, float | None]]:  # type: ignore[type-arg]
    """Raised and ended in seconds since the first reading; None for not ended."""
    raised, ended = found
    return [
        ((int(a) - START) / SECOND, None if b == NEVER else (int(b) - START) / SECOND)
        for a, b in zip(raised, ended, strict=True)
    ]


# A slow oracle: looks for runs of readings in the whole list instead of stepping through it


def slowly(
    values: list[float], sign: int, limit: float, deadband: float, on: int, off: int
) -> list[tuple[float, float | None]]:
    """One reading a second: an alarm is raised `on` seconds after the beginning of a run of readings beyond the limit
    that lasts so long, and ends at the first reading at which a run of clear readings is `off` seconds old."""
    x = [sign * value for value in values]
    edge = sign * limit
    beyond = [v >= edge for v in x]
    clear = [v < edge - deadband for v in x]
    out: list[tuple[float, float | None]] = []
    at = 0
    while at < len(x):
        start = next((i for i in range(at, len(x)) if beyond[i]), None)
        if start is None:
            break
        if on == 0:
            raised, first = start, start + 1
        elif all(beyond[start : start + on]):
            raised, first = start + on, start + on
        else:
            at = next(i for i in range(start, len(x)) if not beyond[i])
            continue
        ends = (i for i in range(first + off, len(x)) if all(clear[i - off : i + 1]))
        end = next(ends, None)
        out.append((float(raised), None if end is None else float(end)))
        if end is None:
            break
        at = end + 1
    return out


VALUES = st.lists(st.sampled_from([40.0, 47.0, 48.0, 49.0, 50.0, 51.0, 60.0]), min_size=1, max_size=60)


@given(VALUES, st.sampled_from([0.0, 1.0, 2.0, 3.0]), st.integers(0, 4), st.integers(0, 4), st.sampled_from([1, -1]))
@traces(2000)
def test_a_gate_is_what_plain_python_says(values: list[float], deadband: float, on: int, off: int, sign: int) -> None:
    mirrored = [LIMIT + sign * (value - LIMIT) for value in values]
    found = alarms(of(mirrored), LIMIT, sign, Setting(deadband, on, off), GAP)
    assert seconds_of(found) == slowly(mirrored, sign, LIMIT, deadband, on, off)


# The real fold


def with_setting(deadband: float, on: float, off: float, limits: Limits) -> Tag:
    return msgspec.structs.replace(tag(1, "e.T-1"), limits=limits, deadband=deadband, on_delay_s=on, off_delay_s=off)


def by_fold(one: Tag, rows: list[tuple[float, float]]) -> Story:
    return replayed(park(one), *((second, 1, value) for second, value in rows))


STEPS = st.sampled_from([1.0, 1.0, 1.0, 2.0, 0.5, 15.0])


@given(
    st.lists(st.tuples(STEPS, st.sampled_from([40.0, 48.0, 50.0, 51.0, 60.0])), min_size=2, max_size=40),
    st.sampled_from([0.0, 1.5, 3.0]),
    st.sampled_from([0.0, 2.0, 2.5, 5.0]),
    st.sampled_from([0.0, 1.0, 3.5]),
)
@traces(500)
def test_a_gate_is_what_the_fold_does(steps: list[tuple[float, float]], deadband: float, on: float, off: float) -> None:
    """Readings at any pace and with gaps; a repeated value is a copy to nobody, as its time is another."""
    at = 0.0
    rows = []
    for step, value in [(0.0, 40.0), *steps]:
        at += step
        rows.append((at, value))
    story = by_fold(with_setting(deadband, on, off, Limits(high=LIMIT)), rows)
    spells = [s for s in story.spells if s.kind == "limits"]
    expected = [((s.begin_ns - START) / SECOND, None if s.open else (s.end_ns - START) / SECOND) for s in spells]
    times = np.array([START + round(second * SECOND) for second, _ in rows], np.int64)
    good = np.ones(len(rows), bool)
    samples = Samples(times, np.array([value for _, value in rows]), good, good)
    assert seconds_of(alarms(samples, LIMIT, 1.0, Setting(deadband, on, off), GAP)) == expected


@given(st.lists(st.sampled_from([40.0, 48.0, 50.0, 54.0, 55.0, 60.0]), min_size=2, max_size=60), st.integers(0, 3))
@traces(300)
def test_two_levels_call_as_the_fold_does(values: list[float], on: int) -> None:
    values = [40.0, *values]
    rows = [(float(second), value) for second, value in enumerate(values)]
    story = by_fold(with_setting(1.0, on, 2.0, Limits(high=LIMIT, high_high=55.0)), rows)
    side = Side("high", 1.0, (LIMIT, 55.0), ())
    found = told(of(values), side, Setting(1.0, on, 2.0), GAP)
    calls = [call for call in story.calls if call.condition.rule == "limits"]
    assert found.calls == len({call.at_ns for call in calls})


# The literature: readings without memory


def normal_share(value: float) -> float:
    """The share of a standard normal distribution below a value."""
    return (1 + erf(value / sqrt(2))) / 2


def to_run(p: float, n: int) -> float:
    """The mean number of readings until n in a row have happened that each have the chance p."""
    return float((1 - p**n) / ((1 - p) * p**n))


def test_the_formula_is_the_one_that_is_known() -> None:
    assert to_run(0.01, 3) == pytest.approx(1_010_100)
    assert to_run(0.9, 3) == pytest.approx(3.717, abs=5e-4)


def expected_share(mean: float, sigma: float, deadband: float, on: int, off: int) -> float:
    """The share of time in alarm (Izadi et al. 2009, with a deadband): a renewal of time not in alarm and time in it.

    One reading a second. An on-delay of `on` > 0 seconds takes `on` readings in a row and ends a reading later, which
    then is the first one that may count for the end; an off-delay takes `off` + 1 clear readings in a row.
    """
    p = 1 - normal_share((LIMIT - mean) / sigma)
    q = normal_share((LIMIT - deadband - mean) / sigma)
    quiet, alarm = to_run(p, max(on, 1)), to_run(q, off + 1)
    if on:
        quiet, alarm = quiet + 1, alarm - 1
    return alarm / (quiet + alarm)


@pytest.mark.long
@pytest.mark.parametrize("on", [0, 1, 2, 3])
@pytest.mark.parametrize("off", [0, 1, 3])
@pytest.mark.parametrize("deadband", [0.0, 1.0])
def test_rates_are_those_of_the_formulas(on: int, off: int, deadband: float) -> None:
    """False and missed alarms of Gaussian readings, within four standard errors of batch means."""
    random = np.random.default_rng(100 * on + 10 * off + round(deadband))
    setting = Setting(deadband, on, off)
    for mean in (48.5, 51.0):
        shares = []
        for _ in range(20):
            samples = of(random.normal(mean, 1.5, 20_000).tolist())
            whole = (int(samples.at[0]), int(samples.at[-1]))
            side = Side("high", 1.0, (LIMIT,), () if mean < LIMIT else (whole,))
            found = told(samples, side, setting, GAP)
            shares.append(found.far if mean < LIMIT else 1 - (found.mar or 0.0))
        error = np.std(shares, ddof=1) / sqrt(len(shares))
        assert np.mean(shares) == pytest.approx(expected_share(mean, 1.5, deadband, on, off), abs=4 * error + 1e-4)


@pytest.mark.long
@pytest.mark.parametrize("on", [0, 1, 2, 4])
def test_the_delay_is_that_of_the_formula(on: int) -> None:
    """From the first reading after the fault: n in a row, the first one at 0 s, and the delay ends a reading later."""
    random = np.random.default_rng(on)
    p = 1 - normal_share((LIMIT - 51.0) / 1.5)
    delays = []
    for _ in range(3000):
        samples = of(random.normal(51.0, 1.5, 200).tolist())
        side = Side("high", 1.0, (LIMIT,), ((int(samples.at[0]), int(samples.at[-1])),))
        found = told(samples, side, Setting(0.0, on, 0.0), GAP)
        assert found.delay_s is not None
        delays.append(found.delay_s)
    expected = to_run(p, max(on, 1)) - 1 + (on > 0)
    error = np.std(delays, ddof=1) / sqrt(len(delays))
    assert np.mean(delays) == pytest.approx(expected, abs=4 * error)


def test_more_delay_never_raises_more() -> None:
    random = np.random.default_rng(7)
    samples = of(random.normal(49.0, 1.0, 5000).tolist())
    counts = [len(alarms(samples, LIMIT, 1.0, Setting(0.0, on, 0.0), GAP)[0]) for on in range(6)]
    assert all(more >= fewer for more, fewer in pairwise(counts))
