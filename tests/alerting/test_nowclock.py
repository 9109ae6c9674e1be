"""`now` of a partition (LAWS T1): bounded steps, and who is to blame for them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.nowclock import NowClock, Step
from schemas.time import HOUR, MS, SECOND
from tests.alerting.bench import START
from tests.laws.settings import traces


def run(*records: tuple[float, str]) -> tuple[NowClock, list[Step | None]]:
    """(seconds since the last record, whose tick) -> the clock and what it reported."""
    clock, at = NowClock(), START
    found = []
    for after_s, ticker in records:
        at += round(after_s * SECOND)
        found.append(clock.advance(at, ticker))
    return clock, found


def test_it_begins_at_the_first_record_and_grows_by_the_differences() -> None:
    clock, found = run((0, ""), (1, ""), (9.5, "a"))
    assert clock.now_ns == START + 10 * SECOND + 500 * MS
    assert found == [None] * 3


def test_an_hour_back_counts_nothing_and_is_told() -> None:
    clock, found = run((0, "a"), (1, "a"), (-3600, "a"), (1, "a"))
    assert clock.now_ns == START + 2 * SECOND
    assert found == [None, None, Step.BACK, None]


def test_an_hour_forward_between_ticks_of_one_process_counts_10_s_and_is_told() -> None:
    clock, found = run((0, "a"), (1, "a"), (3600, ""), (0.5, "b"), (0.5, "a"), (1, "a"))
    assert clock.now_ns == START + 13 * SECOND
    assert found == [None, None, None, None, Step.FORWARD, None]


def test_an_outage_is_no_clock_fault() -> None:
    clock, found = run((0, "a.1"), (3600, ""), (1, "a.2"), (1, "a.2"))
    assert clock.now_ns == START + 12 * SECOND
    assert found == [None] * 4


def test_milliseconds_back_are_nothing_to_tell() -> None:
    clock, found = run((0, ""), (1, ""), (-0.05, ""), (1, ""))
    assert found == [None] * 4
    assert clock.now_ns == START + 2 * SECOND


def test_a_recording_has_its_own_time_without_bounds() -> None:
    clock = NowClock(recorded=True)
    for append_ns in (START, START + HOUR, START):
        assert clock.advance(append_ns) is None
    assert clock.now_ns == START + HOUR


@traces(300)
@given(st.lists(st.tuples(st.integers(-4000, 4000), st.sampled_from(["", "a", "b"])), max_size=30), st.integers(0, 30))
def test_it_never_goes_back_never_jumps_and_comes_back_from_a_snapshot(
    records: list[tuple[int, str]], cut: int
) -> None:
    clock, again, at = NowClock(), NowClock(), START
    for n, (after_s, ticker) in enumerate(records):
        at += after_s * SECOND
        before = clock.now_ns
        found = clock.advance(at, ticker)
        if n == cut:
            again = NowClock.of(again.state())
        assert again.advance(at, ticker) == found
        if n:
            assert 0 <= clock.now_ns - before <= 10 * SECOND
    assert again.state() == clock.state()
