"""Gaps in gateways' numbers, what cannot be mapped, and the conditions that ingest states."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from ingest.conditions import DATA_LOSS, UNMAPPED, Standing, lost, unmapped
from ingest.decoding import Reason, Refused
from ingest.gaps import GRACE, REMEMBERED, Gaps
from ingest.troubles import LASTS, MAX_LETTERS, MAX_NAMES, Troubles
from schemas.changes import AlarmClass, Basis, Place, Side
from schemas.time import MINUTE, SECOND

LATER = 100 * SECOND


def missing(numbers: Sequence[tuple[int, int]]) -> int:
    gaps = Gaps()
    for boot, seq in numbers:
        gaps.seen("gw", "s", boot << 32 | seq, LATER)
    loss = gaps.losses(LATER + GRACE).get("s")
    return loss.messages if loss else 0


def oracle(numbers: Sequence[tuple[int, int]]) -> int:
    """Per boot that was current at some time: the numbers between its first and highest that never came while known."""
    highest = max(boot for boot, _ in numbers)
    current = numbers[0][0]
    first: dict[int, int] = {}
    seen: dict[int, set[int]] = {}
    for boot, seq in numbers:
        if boot >= current:
            current = boot
            first.setdefault(boot, seq)
        if boot in first:
            seen.setdefault(boot, set()).add(seq)
    total = 0
    for boot, start in first.items():
        top = 0
        now = numbers[0][0]
        for b, s in numbers:
            now = max(now, b)
            if b == boot and now == boot:
                top = max(top, s)
        total += sum(1 for s in range(start, top + 1) if s not in seen[boot])
    assert highest >= current
    return total


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 12)), min_size=1, max_size=30))
def test_missing_numbers_are_those_that_never_came(numbers: list[tuple[int, int]]) -> None:
    assert missing(numbers) == oracle(numbers)


def test_a_jump_is_told_after_the_grace_and_within_ten_seconds() -> None:
    gaps = Gaps()
    gaps.seen("gw", "s", 1 << 32 | 1, 0)
    gaps.seen("gw", "s", 1 << 32 | 5, SECOND)
    assert gaps.losses(SECOND + GRACE - 1) == {}
    assert GRACE + SECOND < 10 * SECOND
    loss = gaps.losses(SECOND + GRACE)["s"]
    assert (loss.messages, loss.gateway, loss.example.first, loss.example.last) == (3, "gw", 2, 4)
    assert gaps.losses(SECOND + REMEMBERED) == {}


def test_the_gateways_own_buffer_closes_a_gap() -> None:
    assert missing([(1, 1), (1, 5), (1, 3)]) == 2
    assert missing([(1, 1), (1, 5), (1, 3), (1, 2), (1, 4)]) == 0


def test_a_start_of_the_gateway_is_no_gap_and_copies_are_none() -> None:
    assert missing([(1, 7), (1, 8), (2, 1), (2, 2), (2, 2), (1, 8)]) == 0


def test_gaps_are_bounded() -> None:
    gaps = Gaps()
    for i in range(300):
        gaps.seen("gw", "s", 1 << 32 | (i * 2 + 1), 0)
    assert gaps.losses(GRACE)["s"].messages == 100
    for i in range(10_100):
        gaps.seen(f"gw{i}", "s", 1 << 32 | 1, 0)
    assert len(gaps._streams) == 10_000


def test_troubles_are_bounded_and_keep_the_last_values() -> None:
    troubles = Troubles()
    kept = sum(
        troubles.note(Reason.UNKNOWN_NAME, [Refused(Reason.UNKNOWN_NAME, f"x{i % 500}" * 100, "", float(i))], i)
        for i in range(5000)
    )
    assert kept == MAX_LETTERS and len(troubles.last_values) == MAX_NAMES and troubles.more_names
    assert troubles.counts[Reason.UNKNOWN_NAME] == 5000
    assert all(len(name) <= 100 for name in troubles.last_values)


def test_an_unmapped_detector_over_its_limit_is_seen_in_the_condition() -> None:
    troubles = Troubles()
    troubles.note(Reason.UNKNOWN_NAME, [Refused(Reason.UNKNOWN_NAME, "co-99", "", 412.5)], 50)
    statement = unmapped("gw", troubles)
    assert "co-99 = 412.5" in statement.text.en and "co-99 = 412.5" in statement.text.zh
    assert statement.value == 412.5 and statement.since_ns == 50


def standing(kind: str = UNMAPPED) -> Standing:
    return Standing(kind, "ingest-1/gw", Place(park="demo"), 0)


def test_a_condition_is_stated_on_change_and_every_thirty_seconds() -> None:
    troubles = Troubles()
    one = standing()
    assert one.due(None, SECOND, 10**18) is None
    troubles.note(Reason.MALFORMED, [], 2 * SECOND)
    statement = unmapped("gw", troubles)
    change = one.due(statement, 3 * SECOND, 10**18)
    assert change is not None
    assert (change.level, change.tier, change.alarm_class, change.basis, change.side, change.cause) == (
        *(1, 2, AlarmClass.SYSTEM, Basis.SELF, Side.FAULT, None),
    )
    assert (
        change.subject == "ingest-1/gw" and change.place.park == "demo" and change.text.zh and change.guidance.action.en
    )
    assert change.onset_ns == 10**18 - SECOND, "the onset is wall time, though counted on the monotonic clock"
    assert one.due(statement, 32 * SECOND, 0) is None
    again = one.due(statement, 33 * SECOND, 0)
    assert again is not None and again.level == 1
    over = one.due(None, 34 * SECOND, 0)
    assert over is not None and (over.level, over.tier) == (0, 0)
    assert one.due(None, 99 * SECOND, 0) is None


def test_what_a_process_before_us_left_behind_is_ended_once() -> None:
    one = standing(DATA_LOSS)
    assert one.due(None, MINUTE - 1, 0) is None
    over = one.due(None, MINUTE, 0)
    assert over is not None and over.level == 0 and over.alarm_class is AlarmClass.COMMUNICATION
    assert one.due(None, 2 * MINUTE, 0) is None


def test_what_could_not_be_appended_is_said_again() -> None:
    gaps = Gaps()
    gaps.seen("gw", "s", 1 << 32 | 1, 0)
    gaps.seen("gw", "s", 1 << 32 | 9, 0)
    statement = lost("s", gaps.losses(GRACE)["s"])
    one = standing(DATA_LOSS)
    assert one.due(statement, GRACE, 0) is not None
    one.unsaid()
    assert one.due(statement, GRACE + 1, 0) is not None


def test_trouble_is_over_when_none_came_for_a_while() -> None:
    troubles = Troubles()
    troubles.note(Reason.MALFORMED, [], 0)
    assert troubles.standing(LASTS - 1) and not troubles.standing(LASTS)
    troubles.note(Reason.MALFORMED, [], 2 * LASTS)
    assert troubles.standing(2 * LASTS) and troubles.since_ns == 2 * LASTS
