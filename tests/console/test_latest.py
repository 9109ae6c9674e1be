"""Latest values and live trends against slow oracles."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from console.latest import LATENESS_NS, Latest, Stamped
from console.ring import LiveRing
from schemas.batch import batch
from schemas.quality import Quality
from schemas.time import FUTURE, OLDEST, SECOND

START = 1_700_000_000 * SECOND
Reading = tuple[int, int, float, int]
readings = st.tuples(
    st.integers(1, 5),
    st.integers(-20, 8).map(lambda s: s * SECOND),
    st.floats(-1e6, 1e6) | st.just(math.nan),
    st.sampled_from([0, 65, 68, 128, 131]),
)
records = st.lists(st.tuples(st.integers(0, 15), st.lists(readings, min_size=1, max_size=12)), min_size=1, max_size=8)


def stamped(said: list[tuple[int, list[Reading]]]) -> tuple[list[Stamped], list[tuple[int, list[Reading]]]]:
    """Batches with append times that grow, event times around them."""
    now, out, plain = START, [], []
    for step, rows in said:
        now += step * SECOND
        at = [(tag, now + offset, value, quality) for tag, offset, value, quality in rows]
        columns = list(zip(*at, strict=True))
        out.append(Stamped.of([(batch(*columns), now)]))
        plain.append((now, at))
    return out, plain


class SlowLatest:
    def __init__(self) -> None:
        self.known: dict[int, tuple[int, float, int, int]] = {}

    def apply(self, append_ns: int, rows: list[Reading]) -> None:
        before = dict(self.known)
        for tag, event_ns, value, quality in rows:
            at = append_ns if event_ns < OLDEST or event_ns > append_ns + FUTURE else event_ns
            known = self.known.get(tag)
            old = before.get(tag)
            acceptable = old is None or at >= old[0] or append_ns - old[3] > LATENESS_NS
            newest_here = known is old or known is None or at >= known[0]
            if acceptable and newest_here:
                self.known[tag] = (at, value, quality, append_ns)


@settings(max_examples=200, deadline=None)
@given(records)
def test_latest_is_the_newest_acceptable_reading(said: list[tuple[int, list[Reading]]]) -> None:
    latest, slow = Latest(), SlowLatest()
    batches, plain = stamped(said)
    for columns, (append_ns, rows) in zip(batches, plain, strict=True):
        latest.apply(columns)
        slow.apply(append_ns, rows)
    for tag, (at, value, quality, _) in slow.known.items():
        row = latest.row(tag)
        assert (latest.at_ns[row], latest.quality[row]) == (at, quality)
        assert latest.value[row] == value or (math.isnan(latest.value[row]) and math.isnan(value))
    assert {int(latest.numbers[row]) for row in latest.take_dirty()} == set(slow.known)
    assert len(latest.take_dirty()) == 0


@settings(deadline=None)
@given(records)
def test_the_ring_keeps_bounds_of_every_slot(said: list[tuple[int, list[Reading]]]) -> None:
    latest, ring = Latest(), LiveRing(10, 1 << 20)
    batches, plain = stamped(said)
    expected: dict[tuple[int, int], list[float]] = {}
    worst: dict[tuple[int, int], int] = {}
    for columns, (append_ns, rows) in zip(batches, plain, strict=True):
        index = latest.apply(columns)
        ring.resize(latest.count)
        ring.add(index, columns)
        for tag, event_ns, value, quality in rows:
            at = append_ns if event_ns > append_ns + FUTURE else event_ns
            key = tag, at // SECOND
            worst[key] = max(worst.get(key, 0), quality)
            if not math.isnan(value) and quality < 128:
                expected.setdefault(key, []).append(float(np.float32(value)))
    assert ring.slot_s == 1
    for tag in range(1, 6):
        points = ring.trend(latest.row(tag), 0, START * 2)
        assert [p.at_ns // SECOND for p in points] == sorted(s for t, s in worst if t == tag)
        for point in points:
            key = tag, point.at_ns // SECOND
            values = expected.get(key)
            assert point.quality == worst[key]
            if values:
                assert point.low is not None and math.isclose(point.low, min(values), rel_tol=1e-5, abs_tol=1e-30)
                assert point.high is not None and math.isclose(point.high, max(values), rel_tol=1e-5, abs_tol=1e-30)
            else:
                assert point.low is None and point.high is None


def test_the_ring_forgets_after_its_span() -> None:
    latest, ring = Latest(), LiveRing(1, 1 << 20)
    for second in range(90):
        now = START + second * SECOND
        columns = Stamped.of([(batch([1], [now], [float(second)]), now)])
        rows = latest.apply(columns)
        ring.resize(latest.count)
        ring.add(rows, columns)
    values = [point.last for point in ring.trend(0, 0, START * 2)]
    assert values == [float(second) for second in range(30, 90)]


def test_memory_stays_within_its_budget_and_slots_become_longer() -> None:
    ring = LiveRing(10, 1 << 20)
    ring.resize(5000)
    assert ring.slot_s > 1
    assert ring.rows * ring.slots * 22 <= 1.1 * (1 << 20)


def test_many_records_at_once_equal_one_by_one() -> None:
    dice = np.random.default_rng(3)
    one, all_at_once = Latest(), Latest()
    parts = []
    for second in range(50):
        now = START + second * SECOND
        tag = dice.integers(1, 40, 30)
        parts.append((batch(tag, now - dice.integers(0, 3, 30) * SECOND, dice.random(30)), now))
    for part in parts:
        one.apply(Stamped.of([part]))
    all_at_once.apply(Stamped.of(parts))
    for number in range(1, 40):
        assert one.at_ns[one.row(number)] == all_at_once.at_ns[all_at_once.row(number)]


def test_numbers_that_are_no_tags_are_passed_over() -> None:
    latest = Latest()
    rows = latest.apply(Stamped.of([(batch([-1, 0, 7], [START] * 3, [1.0, 2.0, 3.0]), START)]))
    assert list(rows) == [-1, -1, 0]
    assert latest.count == 1 and latest.quality[0] == Quality.GOOD
