"""Clocks that are off: against a slow reference that keeps every age, and in stories of late ways and wrong clocks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.engine import Fold
from schemas.batch import batch
from schemas.changes import AlarmClass, ConditionChange
from schemas.registry import Tag
from schemas.time import NO_TIME, SECOND, seconds
from tests.laws.settings import traces as laws
from tests.laws.traces import START, gas_tag
from tests.rules.helpers import Story
from tests.rules.kinds.instruments import (
    Params,
    Reading,
    Told,
    changes,
    healthy,
    new_fold,
    problems,
    raised_by,
    told,
    under,
)

KIND = "clock_skew"
TAG = gas_tag(lateness_s=10.0)
QUICK: Params = {"window_s": 60.0, "on_delay_s": 0.0}
HALF_S = 30.0


class Aged(NamedTuple):
    """A live reading: when it came, its age, whether its time is a whole second, whether it was replaced."""

    now: float
    age: float
    whole: bool
    replaced: bool


def live(readings: list[Reading]) -> Iterator[tuple[int, Aged]]:
    """The readings that count as in order (LAWS L1-L3), with their numbers."""
    newest = heard = -math.inf
    now = before = 0.0
    for number, r in enumerate(readings):
        now += min(r.now - before, 10.0)  # LAWS T1
        before = r.now
        replaced = r.event > r.now + 5
        if not replaced and r.event < newest and now - heard < 10:
            continue
        newest = newest if replaced else r.event
        heard = now
        yield number, Aged(now, r.now - r.event, r.event == int(r.event), replaced)


def slow(readings: list[Reading], tolerance: float = 1.0, hard: float = 30.0) -> Told:
    """The same by a list of halves, each a list of ages that is looked through anew at every reading."""
    halves: list[list[Aged]] = []
    level, caused, found = 0, -math.inf, []
    timed = False
    for number, one in live(readings):
        beyond: set[int] = set()
        ended: set[int] = set()
        if one.replaced:
            if not timed:
                continue
            beyond = {1, 2}
        else:
            timed = True
            since = one.now - halves[-1][0].now if halves else 0.0
            if not halves or since >= HALF_S:
                halves = [*halves[-1:], [one]] if since < 2 * HALF_S else [[one]]
            else:
                halves[-1].append(one)
            both = [a for half in halves for a in half]
            behind = min(a.age for a in both) - (1.0 if all(a.whole for a in both) else 0.0)
            apart = abs(min(a.age for a in halves[0]) - min(a.age for a in halves[-1]))
            proof = len(halves) == 2 and min(map(len, halves)) >= 3 and apart <= tolerance
            error = -one.age if -one.age > tolerance else behind if proof else 0.0
            beyond = {n for n, limit in ((1, tolerance), (2, hard)) if error > limit}
            ended = {n for n, limit in ((1, tolerance), (2, hard)) if max(-one.age, behind) <= limit / 2}
        if beyond:
            caused = one.now
        if one.now - caused < 60:
            ended = set()
        after = 2 if 2 in beyond or (level == 2 and 2 not in ended) else 1
        if after == 1 and not (1 in beyond or (level >= 1 and 1 not in ended)):
            after = 0
        if after != level:
            found.append((number, after))
        level = after
    return found


LATENCIES = (0.25, 0.25, 0.5, 0.75, 1.5, 4.0)


@st.composite
def skewed(draw: st.DrawFn) -> list[Reading]:
    """Readings every second or so, whose clock is set now and then, over a way that is late now and then."""
    data = draw(st.binary(min_size=150, max_size=900))
    offsets = draw(st.lists(st.sampled_from((0.0, 0.0, 0.5, -0.5, 1.5, -1.5, 4.0, -4.0, -45.0, 100.0)), max_size=4))
    whole = draw(st.booleans())
    now, found = 0.0, []
    offsets = offsets or [0.0]
    for place, byte in enumerate(data):
        now += (1.0, 1.0, 1.0, 0.5, 2.0, 20.0, 90.0)[6 if byte == 255 else 5 if byte > 252 else byte % 5]
        error = offsets[place * len(offsets) // len(data)]
        event = now + error - LATENCIES[(byte // 5) % len(LATENCIES)]
        found.append(Reading(now, float(math.floor(event)) if whole else event + 0.125, float(place)))
    return found


@laws(380)
@given(skewed())
def test_the_fold_says_what_the_slow_reference_says(readings: list[Reading]) -> None:
    assert told(KIND, TAG, QUICK, readings) == slow(readings)


def by_clock(error: float, until: float = 200, start: float = 0, latency: float = 0.25) -> list[Reading]:
    return [Reading(t, t + error - latency, t) for t in (start + n for n in range(int(until - start)))]


def test_the_reference_meets_every_way_to_start_and_to_end() -> None:
    ahead = by_clock(0.0, 50) + by_clock(3.0, 100, 50) + by_clock(0.0, 200, 100)
    behind = by_clock(-40.0, 200) + by_clock(0.0, 400, 200)
    assert told(KIND, TAG, QUICK, ahead) == [(50, 1), (159, 0)] == slow(ahead)
    found = told(KIND, TAG, QUICK, behind)
    assert found == slow(behind)
    assert found[0] == (32, 2) and found[-1][1] == 0
    wild = by_clock(0.0, 50) + by_clock(3600.0, 60, 50) + by_clock(0.0, 200, 60)
    assert told(KIND, TAG, QUICK, wild) == [(50, 2), (119, 0)] == slow(wild)


@pytest.mark.parametrize("error, raised", [(0.75, 0), (1.5, 1), (4.5, 1), (5.5, 2), (-0.7, 0), (-2.0, 1), (-31.0, 2)])
def test_the_levels(error: float, raised: int) -> None:
    found = told(KIND, TAG, {}, by_clock(0.0, 100) + by_clock(error, 1600, 100))
    assert [level for _, level in found] == ([raised] if raised else [])


def test_it_is_told_once_it_has_lasted_a_minute_and_five_for_a_clock_that_is_behind() -> None:
    assert told(KIND, TAG, {}, by_clock(0.0, 100) + by_clock(3.0, 300, 100)) == [(160, 1)]
    assert told(KIND, TAG, {}, by_clock(-3.0, 1000)) == [(362, 1)], "the second half begins at 300"
    glitch = by_clock(0.0, 100) + by_clock(3.0, 140, 100) + by_clock(0.0, 300, 140)
    assert told(KIND, TAG, {}, glitch) == []


def test_a_backlog_is_not_a_wrong_clock() -> None:
    """Half an hour that a gateway kept, sent in order at twenty times its pace while new readings wait behind it."""
    start = by_clock(0.0, 1000)
    backlog = [Reading(2800 + n / 20, 1000.0 + n, n) for n in range(1894)]
    after = by_clock(0.0, 4000, 2895)
    assert told(KIND, TAG, {}, start + backlog + after) == []


def test_a_slow_backlog_is_not_one_either() -> None:
    """It takes forty minutes: longer than four windows."""
    readings = [Reading(1800 + n, n * 7 / 4 - 0.25, n) for n in range(2400)]
    assert readings[0].now - readings[0].event > 1800 and readings[-1].now - readings[-1].event < 10
    assert told(KIND, TAG, {}, readings) == []


def test_a_way_that_chokes_is_not_a_wrong_clock() -> None:
    readings = [Reading(t, t - 0.25 - max(0.0, (t - 500) / 50), t) for t in range(3000)]
    assert told(KIND, TAG, {}, readings) == []


def test_messages_with_a_minute_of_readings_are_as_late_as_their_newest() -> None:
    readings = [Reading(60.0 * (t // 60) + 60, t + 0.5, t) for t in range(3600)]
    assert told(KIND, gas_tag(lateness_s=120.0), {}, readings) == []


def test_a_known_latency_is_no_error() -> None:
    readings = by_clock(-60.0, 1500)
    assert [level for _, level in told(KIND, TAG, {}, readings)] == [2]
    assert told(KIND, TAG, {"latency_s": 60.0}, readings) == []


def test_whole_seconds_are_a_second_old_without_fault() -> None:
    cut = [Reading(t + 0.9, float(t), t) for t in range(1000)]
    assert told(KIND, TAG, {"tolerance_s": 0.5}, cut) == []
    assert told(KIND, TAG, {"tolerance_s": 0.5}, [Reading(r.now, r.event + 0.001, r.value) for r in cut])


def test_a_recording_that_is_replayed_has_no_skew() -> None:
    """Append times of a replay are those of the recording: an hour of it at once, and years later, says nothing."""
    story = Story(of=under(KIND, {}, TAG), replay=True)
    for t in range(0, 3600, 5):
        story.read(t, 20.0 + t % 7)
    story.read(40_000_000, 20.0)
    assert not [c for c in story.said if c.rule == KIND and c.level]


def fold_of(events: Sequence[int | None], beats: bool) -> list[ConditionChange]:
    """One reading a second with these event times (ns from now; None: no time)."""
    story = Story(of=under(KIND, {}, TAG))
    for t, event in enumerate(events):
        if beats and t % 5 == 0:
            story.beat(t)
        now = START + t * SECOND
        rows = batch([1], [NO_TIME if event is None else now + event], [20.0 + t])
        story.said += story.fold.apply_readings(story.fold.next_offset, now, rows)
    return [c for c in story.said if c.rule == KIND and c.level]


def test_a_tag_without_times_has_no_clock_to_judge() -> None:
    assert fold_of([None] * 200, beats=True) == []


def test_a_clock_that_was_wrong_from_the_first_reading_is_told() -> None:
    (raised,) = fold_of([3600 * SECOND] * 100, beats=True)[:1]
    assert raised.level == 2 and raised.value is None


def test_a_tag_that_gives_no_times_any_more_is_told() -> None:
    assert fold_of([0] * 20 + [None] * 100, beats=False)[0].level == 2


def test_a_clock_in_1970_is_told() -> None:
    assert fold_of([0] * 20 + [seconds(t) - START for t in range(100)], beats=False)[0].level == 2


def spaced(tag: Tag, params: Params, readings: list[Reading]) -> Told:
    """The first raise, with a tick every 10 s: without them time stands still in a long silence (LAWS T1)."""
    story = Story(of=under(KIND, params, tag))
    found: Told = []
    ticked = 0.0
    for number, r in enumerate(readings):
        while ticked < r.now:
            story.tick(ticked)
            ticked += 10
        found += [(number, c.level) for c in story.read(r.now, r.value, event=r.event) if c.rule == KIND]
    return [(number, level) for number, level in found if level][:1]


def test_a_slow_tag_needs_ten_periods() -> None:
    tag = msgspec.structs.replace(TAG, period_s=600.0, stale_s=1800.0, lateness_s=1200.0)
    readings = [Reading(600.0 * n, 600.0 * n - 45.5, n) for n in range(12)]
    assert spaced(tag, {"on_delay_s": 0.0}, readings) == [(7, 2)], "five readings, and three of the next half"


def test_ages_from_before_a_long_silence_prove_nothing() -> None:
    old = by_clock(-40.0, 29)
    assert spaced(TAG, QUICK, old + by_clock(-40.0, 60, 29)) == [(32, 2)]
    assert spaced(TAG, QUICK, old + by_clock(-40.0, 230, 200)) == []


def test_a_healthy_day_raises_nothing() -> None:
    assert raised_by(KIND, 60, healthy(60, 86_400)) == []


def test_what_check_refuses() -> None:
    assert problems(KIND, TAG, {}) == []
    wrong = problems(KIND, TAG, {"tolerance_s": 0.0, "window_s": 5.0, "latency_s": -1.0, "on_delay_s": math.nan})
    assert [p.path.rpartition(".")[2] for p in wrong] == ["tolerance_s", "window_s", "latency_s", "on_delay_s"]
    assert all(p.message and p.cure for p in wrong)
    assert [p.path for p in problems(KIND, TAG, {"hard_s": 0.5})] == ["params.hard_s"]


def test_its_words() -> None:
    readings = by_clock(0.0, 100) + by_clock(3.0, 300, 100)
    _, raised = (c for _, c in changes(KIND, TAG, {}, readings))
    assert raised.text.zh == "CO-1 一氧化碳：时钟超前 2.8 s，检查网关对时"
    assert (raised.level_name, raised.unit, raised.tier) == ("skew", "s", 2)
    assert raised.alarm_class is AlarmClass.COMMUNICATION
    (late, *_) = (c for _, c in changes(KIND, TAG, {}, by_clock(-45.0, 1000)) if c.level)
    assert late.text.en.startswith("CO-1 carbon monoxide: its clock is 45.2 s behind (or every reading is that late)")
    assert late.value == -45.25
    wild = by_clock(0.0, 100) + by_clock(3600.0, 300, 100)
    (lost, *_) = (c for _, c in changes(KIND, TAG, {}, wild) if c.level)
    assert "超前 5 s 以上" in lost.text.zh and "of no use" in lost.text.en and lost.value is None
    back = readings + by_clock(0.0, 700, 300)
    *_, ended = (c for _, c in changes(KIND, TAG, {}, back))
    assert ended.text.en == "CO-1 carbon monoxide: its clock is right again"


def test_its_memory_is_small() -> None:
    fold: Fold = new_fold(KIND, TAG, {})
    evaluator = next(e for e in fold.standing.evaluators if e.id == KIND)
    assert sum(a[:1].nbytes for a in evaluator.arrays) <= 400


def test_tags_are_judged_apart() -> None:
    other: Tag = gas_tag(2)
    story = Story(of=under(KIND, {}, TAG, other))
    for t in range(200):
        story.rows(t, [(1, t + 3, float(t)), (2, t - 0.25, float(t))])
    assert {c.subject for c in story.said if c.rule == KIND and c.level} == {"CO-1"}
