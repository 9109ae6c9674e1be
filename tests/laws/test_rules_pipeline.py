"""Laws of both folds together, under crashes, twins, zombies, a broken log and skewed versions: 2, 3, 5, 6 of LAWS.md.

The mistakes that the laws exist for are planted here, and must be caught.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import chain, cycle

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import rules.engine
from alerting.book import Book
from alerting.conditions import Condition
from rules.engine import Fold
from schemas.causes import Cause
from schemas.changes import ConditionChanges, Side
from schemas.quality import Quality
from schemas.records import Kind, Tick, decode, encode
from schemas.registry import Limits, Revision
from schemas.time import HOUR, SECOND
from tests.laws.pipeline import Crash, Events, Fault, Process, booked, last_seen, moves, undisturbed
from tests.laws.settings import traces as laws
from tests.laws.traces import (
    CLOCKS,
    HIGH,
    LINKS,
    Entry,
    Identity,
    Trace,
    Writer,
    event_time,
    fold_all,
    fold_entry,
    gas_tag,
    identity,
    revision,
    rulebook,
    traces,
)

CRASHES = tuple(Crash)
plans = st.lists(
    st.tuples(st.integers(0, 1), st.integers(1, 6), st.sampled_from(CRASHES), st.integers(0, 99)), max_size=14
)  # fmt: skip
Plan = list[tuple[int, int, Crash, int]]


def faulted(trace: Trace, plan: Plan, twins: int, fault: Fault = Fault.NONE) -> Events:
    """`events` after a run in which the processes die as planned, and zombies write again."""
    events = Events()
    book = rulebook(trace.revision)
    processes = [Process(trace.entries, book, events, fault) for _ in range(twins)]
    for who, records, crash, zombie in plan:
        processes[who % twins].cycle(records, crash)
        if zombie % 4 == 0:
            events.again(zombie)
    for process in processes:
        process.finish()
    return events


def law_2(trace: Trace, plan: Plan, twins: int, fault: Fault = Fault.NONE) -> None:
    wanted = moves(undisturbed(trace.entries, rulebook(trace.revision)))
    assert moves(booked(faulted(trace, plan, twins, fault).records)) == wanted


@laws(500)
@given(traces(steps=25), plans)
def test_law_2_one_evaluator_that_dies_anywhere(trace: Trace, plan: Plan) -> None:
    law_2(trace, plan, twins=1)


@laws(500)
@given(traces(steps=25), plans)
def test_law_2_two_evaluators_that_die_anywhere(trace: Trace, plan: Plan) -> None:
    law_2(trace, plan, twins=2)


@laws(300)
@given(traces(steps=25), plans)
def test_refolded_changes_are_the_live_ones_byte_for_byte(trace: Trace, plan: Plan) -> None:
    """What a faulted run appended, with all that is not newer than its condition's last left out (LAWS C4)."""
    heard: dict[Identity, Cause] = {}
    collapsed: list[bytes] = []
    for _, value in faulted(trace, plan, twins=2).records:
        said = decode(Kind.CHANGES, value)
        assert isinstance(said, ConditionChanges)
        for change in said.changes:
            assert change.cause is not None
            if change.cause > heard.get(identity(change), Cause(0, 0, 0)):
                heard[identity(change)] = change.cause
                collapsed.append(msgspec.json.encode(change))
    assert sorted(collapsed) == sorted(map(msgspec.json.encode, fold_all(trace)))


@laws(500)
@given(traces(steps=25), plans, st.binary(max_size=60))
def test_law_3_any_interleaving_of_twins_and_zombies(trace: Trace, plan: Plan, order: bytes) -> None:
    """Each writer's records keep their order (`X Z X Z` is possible, `Z` before the first `X` is not)."""
    wanted = moves(undisturbed(trace.entries, rulebook(trace.revision)))
    writers = [faulted(trace, plan[half::2], twins=1).records for half in (0, 1)]
    writers.append(writers[0][: len(writers[0]) // 2])  # a zombie of the first
    mixed: list[tuple[int, bytes]] = []
    places = [0] * len(writers)
    turns = chain((n % len(writers) for n in order), cycle(range(len(writers))))
    while any(place < len(records) for place, records in zip(places, writers, strict=True)):
        chosen = next(turns)
        if places[chosen] < len(writers[chosen]):
            mixed.append(writers[chosen][places[chosen]])
            places[chosen] += 1
    latest = 0
    ordered = [(latest := max(latest, append_ns), value) for append_ns, value in mixed]
    assert moves(booked(ordered)) == wanted


# Planted mistakes


def caught(law: Callable[..., None], *drawn: st.SearchStrategy[object], examples: int = 400) -> None:
    """The law must fail for some of the first examples."""
    tried = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    with pytest.raises(AssertionError):
        tried(given(*drawn)(law))()


def test_law_2_catches_a_snapshot_before_the_append_is_acknowledged() -> None:
    def law(trace: Trace, plan: Plan) -> None:
        law_2(trace, plan, 1, Fault.SNAPSHOT_BEFORE_APPEND)

    caught(law, traces(steps=25), plans)


def test_law_2_catches_a_cause_without_row() -> None:
    def law(trace: Trace, plan: Plan) -> None:
        law_2(trace, plan, 2, Fault.CAUSE_WITHOUT_ROW)

    caught(law, traces(steps=25), plans)


def test_law_2_catches_collapse_by_last_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Condition, "is_copy", last_seen)

    def law(trace: Trace, plan: Plan) -> None:
        law_2(trace, plan, 2)

    caught(law, traces(steps=25), plans)


# Skewed twins

skews = st.sampled_from((math.nextafter(HIGH, math.inf), math.nextafter(HIGH, -math.inf), HIGH + 1, HIGH - 1))
edges = st.lists(st.sampled_from((HIGH - 2, HIGH - 1, HIGH, HIGH + 1, math.nextafter(HIGH, 0), 60.0)), max_size=45)


def limited(high: float, deadband: float) -> Revision:
    return revision(gas_tag(limits=Limits(high=high), deadband=deadband))


def law_6(skew: float, values: Sequence[float], deaths: tuple[int, int], deadband: float) -> None:
    """Whatever happened, a value that both twins call dangerous stands in the book within a restatement."""
    events = Events()
    writer = Writer(LINKS)
    lasting = [*values, *[60.0] * 35]
    for value in lasting:
        writer.pass_time(SECOND)
        writer.read([(1, writer.now_ns, value, Quality.GOOD)])
    twins = [Process(writer.entries, rulebook(limited(high, deadband)), events) for high in (HIGH, skew)]
    dies = deaths[0] % 2
    for place in range(len(writer.entries)):
        for number, twin in enumerate(twins):
            if number != dies or place < deaths[1]:
                twin.cycle(1)
    book = Book(0, 1)
    booked(events.records, book)
    standing = [a for a in book.alarms() if a.rule == "limits" and a.side == Side.HIGH and a.active]
    assert standing and not standing[0].unconfirmed


skewed = (skews, edges, st.tuples(st.integers(0, 1), st.integers(0, 60)), st.sampled_from((0.0, 2.0)))


@laws(500)
@given(*skewed)
def test_law_6_skewed_twins_are_never_silent(
    skew: float, values: list[float], deaths: tuple[int, int], deadband: float
) -> None:
    law_6(skew, values, deaths, deadband)


def test_law_6_catches_a_missing_restatement(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trace of LAWS C5 (51: both raise; 48: only B clears; B dies; 60: A has said it already), and random ones."""
    values = [20.0, 51.0, 48.5]
    law_6(HIGH + 1, values, (1, len(values) + 2), deadband=2.0)
    monkeypatch.setattr(rules.engine, "RESTATED_EVERY", 1_000_000 * SECOND)
    with pytest.raises(AssertionError):
        law_6(HIGH + 1, values, (1, len(values) + 2), deadband=2.0)
    caught(law_6, *skewed)


# A broken log


def danger(start_ns: int, clock: str, seconds_: int = 30) -> list[Entry]:
    """High-high once a second, with ticks and heartbeats."""
    writer = Writer(LINKS, start_ns, _beat_ns=start_ns)
    for second in range(seconds_):
        writer.pass_time(SECOND)
        writer.read([(1, event_time(clock, writer.now_ns), 90.0 + second % 7 / 100, Quality.GOOD)])
        writer.tick()
    return writer.entries


def stands(book: Book) -> bool:
    """Whether high-high of the gas point is in the book."""
    return any(a.rule == "limits" and a.tag == 1 and a.side == Side.HIGH and a.level == 2 for a in book.alarms())


BREAKS = ("+1h", "-1h", "activation", "trimmed", "recreated", "restored")


@laws(500)
@given(traces(steps=25), st.sampled_from(CLOCKS), st.sampled_from(BREAKS), st.integers(0, 60))
def test_law_5_danger_is_told_whatever_happened_to_the_log(trace: Trace, clock: str, broken: str, place: int) -> None:
    """Within 30 s, after broker steps, a half-done activation, a trimmed head, a recreated or restored topic."""
    book, events = Book(0, 1), Events()
    process = Process(trace.entries, rulebook(trace.revision), events)
    process.finish()
    booked(events.records, book)
    fold = process.fold
    now_ns = trace.entries[-1].append_ns if trace.entries else HOUR
    match broken:
        case "+1h":
            now_ns += HOUR
        case "-1h":
            now_ns -= HOUR
        case "activation":  # this partition has the new revision, others may not; the driver tries twice
            new = msgspec.structs.replace(trace.revision, number=fold.rulebook.revision + 1)
            for _ in range(2):
                fold.activate(fold.next_offset, now_ns, rulebook(new))
        case "trimmed":  # the snapshot and everything before some record are gone
            start = min(place, len(trace.entries))
            fold = Fold(rulebook(trace.revision), 0, 1)
            fold.start_at(start)
            for offset, entry in enumerate(trace.entries[start:], start):
                fold_entry(fold, offset, entry)
        case "recreated":
            fold = Fold(fold.rulebook, 0, 2)
        case "restored":  # an older backup: offsets that were used before are used again, in a new incarnation
            kept = min(place, len(trace.entries))
            fold = Fold(rulebook(trace.revision), 0, 2)
            for offset, entry in enumerate(trace.entries[:kept]):
                fold_entry(fold, offset, entry)
    said = Events(last_ns=events.last_ns)
    for entry in danger(now_ns, clock):
        said.append(fold_entry(fold, fold.next_offset, entry), entry.append_ns)
    booked(said.records, book)
    assert stands(book)


def test_ticks_alone_bring_a_lost_raise_back() -> None:
    """Retention took the raise before the book read it: the restatement tells it, though no reading comes."""
    events, writer = Events(), Writer(LINKS)
    writer.pass_time(SECOND)
    writer.read([(1, writer.now_ns, 90.0, Quality.GOOD)])
    process = Process(writer.entries, rulebook(revision(gas_tag())), events)
    process.finish()
    events.records.clear()
    for _ in range(31):
        writer.pass_time(SECOND)
        writer.entries.append(Entry(writer.now_ns, Kind.TICK, encode(Tick(by="process"))))
    process.finish()
    book = Book(0, 1)
    booked(events.records, book)
    assert stands(book)
