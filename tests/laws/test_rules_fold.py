"""Laws of one rules fold over `limits`, `stale`, `quality` and its own faults: 1, 4, 7, 8, 9, 14, 16 of LAWS.md."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.engine import Fold
from rules.rulebook import Rulebook
from schemas.batch import Batch
from schemas.causes import Cause
from schemas.changes import AlarmClass, Basis, ConditionChange
from schemas.quality import Quality
from schemas.records import Kind, Tick, decode, encode
from schemas.registry import Revision
from schemas.time import MINUTE, SECOND
from tests.laws.settings import traces as laws
from tests.laws.traces import (
    CLOCKS,
    HIGH_HIGH,
    LINKS,
    START,
    Drawn,
    Entry,
    Identity,
    Trace,
    Writer,
    drawn_steps,
    event_time,
    fold_all,
    fold_entry,
    gas_tag,
    identity,
    levels,
    new_fold,
    registries,
    rulebook,
    traces,
    write,
)
from tests.rules.oracle import SlowLimits

OWN = ("clock", "link", "record", "rule")


@laws(500)
@given(traces())
def test_law_1_causes_of_a_condition_are_unique_and_increase(trace: Trace) -> None:
    last: dict[Identity, Cause] = {}
    everything: list[Cause] = []
    for change in fold_all(trace):
        assert change.cause is not None
        assert change.cause > last.get(identity(change), Cause(0, 0, 0)), change
        last[identity(change)] = change.cause
        everything.append(change.cause)
    assert everything == sorted(everything), "changes come in the order of their causes"


@laws(500)
@given(traces(), st.sampled_from(CLOCKS), st.sampled_from((HIGH_HIGH, 90.0, 99.0)), st.booleans())
def test_law_4_a_value_at_high_high_raises_within_30_s(trace: Trace, clock: str, value: float, steady: bool) -> None:
    """From any earlier state and under any clock; on-delay at most 3 s, lateness 10 s."""
    fold = new_fold(trace)
    said = fold_all(trace, fold)
    before = [c.level for c in said if c.tag == 1 and c.rule == "limits" and c.side == "high"]
    level = before[-1] if before else 0
    start = trace.entries[-1].append_ns if trace.entries else 0
    writer = Writer(LINKS, start, _beat_ns=start)
    for second in range(30):
        writer.pass_time(SECOND)
        event = event_time(clock, writer.now_ns)
        writer.read([(1, event, value if steady else value + second % 7 / 100, Quality.GOOD)])
        writer.tick()
    for offset, entry in enumerate(writer.entries, len(trace.entries)):
        for change in fold_entry(fold, offset, entry):
            if change.tag == 1 and change.rule == "limits" and change.side == "high":
                level = change.level
    assert level == 2


class Judge:
    """What each row of a trace is, by the slow reference: in order, good, in range."""

    def __init__(self, trace: Trace) -> None:
        self.judged: dict[tuple[int, int], tuple[str, bool]] = {}
        self.now: list[int] = []
        references = {tag.number: SlowLimits(tag) for tag in trace.revision.tags}
        for offset, entry in enumerate(trace.entries):
            for reference in references.values():
                reference.pass_time(entry.append_ns)
            self.now.append(references[1].now or 0)
            for row, (tag, event, value, quality) in enumerate(_rows(entry.batch)):
                sequence = 0 if entry.batch is None else int(entry.batch.sequence[row])
                reading = references[tag].judge(entry.append_ns, event, value, quality, sequence)
                if reading is not None:
                    self.judged[offset, row] = reading.kind, references[tag].trustworthy(reading)


def _rows(batch: Batch | None) -> Iterator[tuple[int, int, float, int]]:
    if batch is not None:
        yield from zip(
            batch.tag.tolist(), batch.event_ns.tolist(), batch.value.tolist(), batch.quality.tolist(), strict=True
        )


@laws(500)
@given(traces())
def test_law_7_what_may_end_a_condition(trace: Trace) -> None:
    """A process condition falls only at a good, in-range, in-order row; `stale` at any live row; a link fault at an
    `up` heartbeat; another fault after 60 s of `now` without cause (LAWS C7: a skip after 10 min)."""
    judge = Judge(trace)
    before: dict[Identity, int] = {}
    for change in fold_all(trace):
        assert change.cause is not None
        was, before[identity(change)] = before.get(identity(change), 0), change.level
        if change.level >= was or change.basis is Basis.RETIRED:
            continue
        entry, row = trace.entries[change.cause.offset], change.cause.row
        if change.alarm_class is AlarmClass.PROCESS:
            assert judge.judged[change.cause.offset, row] == ("live", True), change
        elif change.rule == "stale":
            assert judge.judged[change.cause.offset, row][0] == "live", change
        elif change.rule == "link":
            link = decode(entry.kind, entry.value)
            assert getattr(link, "up", False) and f"/{getattr(link, 'name', '')}/" in change.subject
        else:
            caused = [o for o in range(change.cause.offset) if _is_cause(trace.entries, o, change, judge)]
            quiet = 10 * MINUTE if change.rule == "record" else 60 * SECOND
            assert judge.now[change.cause.offset] - judge.now[caused[-1]] >= quiet
        if change.rule == "quality":
            assert judge.judged[change.cause.offset, row] == ("live", True), change


def _is_cause(entries: tuple[Entry, ...], offset: int, change: ConditionChange, judge: Judge) -> bool:
    """Whether the record gives cause for the fault that the change ends."""
    entry = entries[offset]
    if change.rule == "quality":
        return any(
            tag == change.tag and (offset, row) in judge.judged and _is_bad(tag, value, quality)
            for row, (tag, _, value, quality) in enumerate(_rows(entry.batch))
        )
    if change.rule == "record":
        return entry.kind is Kind.READINGS and entry.batch is None
    return offset > 0 and entry.append_ns < entries[offset - 1].append_ns


def _is_bad(tag: int, value: float, quality: int) -> bool:
    """Bad data, said simply: tag 1 is a gas point, over-range is no fault there."""
    if quality >= 128 or quality == Quality.STALE or value != value:
        return not (tag == 1 and quality == Quality.OVER_RANGE)
    return value < -1.25 or value == math.inf or (value > 103.125 and tag != 1)


@laws(500)
@given(traces(), st.sampled_from(CLOCKS), st.sampled_from((30.0, 47.9, 12.1)))
def test_law_8_when_all_is_normal_everything_ends(trace: Trace, clock: str, value: float) -> None:
    """All tags normal for 140 s and the longest off-delay (5 s): nothing stands but what C7 keeps for 10 min."""
    fold = new_fold(trace)
    said = fold_all(trace, fold)
    start = trace.entries[-1].append_ns if trace.entries else 0
    writer = Writer(LINKS, start, _beat_ns=start)
    for _ in range(145):
        writer.pass_time(SECOND)
        event = event_time(clock, writer.now_ns)
        writer.read([(1, event, value, Quality.GOOD), (2, event, value, Quality.GOOD)])
    for offset, entry in enumerate(writer.entries, len(trace.entries)):
        said += fold_entry(fold, offset, entry)
    last = {identity(c): c for c in said}
    standing = [c for c in last.values() if c.level and c.rule not in ("record", "rule")]
    assert not standing


@laws(500)
@given(traces(), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9999)), min_size=1, max_size=8))
def test_law_9_ticks_change_no_sequence_of_levels(trace: Trace, places: list[tuple[int, int]]) -> None:
    entries = list(trace.entries)
    for number, (place, share) in enumerate(places):
        if place + 1 >= len(entries):
            continue
        before, after = entries[place].append_ns, entries[place + 1].append_ns
        if 0 <= after - before <= 10 * SECOND:  # T2: a longer gap without a tick does not happen
            tick = encode(Tick(by=f"extra-{number}"))
            entries.insert(place + 1, Entry(before + (after - before) * share // 10_000, Kind.TICK, tick))
    ticked = Trace(trace.revision, tuple(entries))
    assert levels_without_times_of_faults(ticked) == levels_without_times_of_faults(trace)


def levels_without_times_of_faults(trace: Trace) -> dict[Identity, list[tuple[int, int]]]:
    """(level, onset); a fault that a timer raises has its onset where the timer was seen, so that is left out."""
    return {
        key: [(level, 0 if key[0] in OWN else onset) for level, onset in sequence]
        for key, sequence in levels(fold_all(trace)).items()
    }


@laws(500)
@given(
    traces(),
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from([b"", b"\xff" * 40, b"{}"])), min_size=1, max_size=3),
)
def test_law_14_a_record_that_cannot_be_read_leaves_the_rest_running(
    trace: Trace, places: list[tuple[int, bytes]]
) -> None:
    """The same trace with ticks in those places says the same, but for the fault; and the fault stands."""
    poisoned, ticked = list(trace.entries), list(trace.entries)
    for number, (place, value) in enumerate(places):
        at = min(place, len(trace.entries))
        append_ns = poisoned[at - 1].append_ns if at else (poisoned[0].append_ns if poisoned else SECOND)
        poisoned.insert(at, Entry(append_ns, Kind.READINGS, value))
        ticked.insert(at, Entry(append_ns, Kind.TICK, encode(Tick(by=f"nobody-{number}"))))
    fold = new_fold(trace)
    got = fold_all(replace(trace, entries=tuple(poisoned)), fold)
    want = fold_all(replace(trace, entries=tuple(ticked)))
    assert [c for c in got if c.rule != "record"] == [c for c in want if c.rule != "record"]
    assert {c.level for c in got if c.rule == "record"} & {1}
    assert fold.next_offset == len(poisoned)


class Thrown(Exception):
    pass


def throwing(book: Rulebook, rule: str, at_value: float) -> Rulebook:
    """The rulebook with a rule whose kernel works half-way through a batch and then throws at some value."""

    def broken(compiled: object) -> object:
        kind = compiled.kind  # type: ignore[attr-defined]

        def rows(n: int, index: object, flags: object, at: object, value: object, *rest: object) -> int:
            hit = [i for i in range(n) if value[i] == at_value]  # type: ignore[index]
            changes: int = kind.rows(hit[0] if hit else n, index, flags, at, value, *rest)
            if hit:
                raise Thrown("planted")
            return changes

        return replace(compiled, kind=replace(kind, rows=rows, calm=None))  # type: ignore[type-var]

    rules = tuple(broken(r) if r.rule.id == rule else r for r in book.rules)
    return replace(book, rules=rules)  # type: ignore[arg-type]


@laws(500)
@given(traces(wild=False), st.sampled_from(("limits", "stale", "quality")))
def test_law_14_a_rule_that_throws_is_skipped_alone(trace: Trace, rule: str) -> None:
    """It keeps its previous state for that record: the run equals one in which the rule never saw those records."""
    at_value = 20.0
    fold = Fold(throwing(rulebook(trace.revision), rule, at_value), 0, 1)
    got = fold_all(trace, fold)
    thrown = [o for o, e in enumerate(trace.entries) if e.batch is not None and at_value in e.batch.value.tolist()]
    others = [c for c in got if c.rule not in (rule, "rule")]
    assert others == [c for c in fold_all(trace) if c.rule not in (rule, "rule")]
    assert not [c for c in got if c.rule == rule and c.cause and c.cause.offset in thrown and c.cause.row >= 0]
    if any(admitted(trace, o) for o in thrown):
        assert [c.level for c in got if c.rule == "rule" and f"rule/{rule}/" in c.subject and c.level][:1] == [1]


def admitted(trace: Trace, offset: int) -> bool:
    """Whether any row of the record counts at all (a batch of copies never reaches a rule)."""
    return any(place[0] == offset for place in Judge(trace).judged)


@laws(500)
@given(registries, drawn_steps(30), st.integers(1, 4), st.integers(0, 40), st.integers(1, 40))
def test_law_16_copies_after_a_restart_of_ingest_double_no_episode(
    first: Revision, steps: list[Drawn], copied: int, place: int, pause_s: int
) -> None:
    """The last batches before a kill are appended once more when ingest is back, within 60 s."""
    writer = Writer(LINKS)
    own_times = [replace(s, rows=tuple((t, v, 0) for t, v, _ in s.rows)) for s in steps]
    write(writer, first, own_times, ("true",), wild=False)
    entries = without_chance_copies(writer.entries)
    kill = min(place, len(entries))
    pause = min(pause_s, 50) * SECOND
    head, tail = entries[:kill], [replace(e, append_ns=e.append_ns + pause) for e in entries[kill:]]
    shift = [replace(e, batch=later(e.batch, pause)) for e in tail]
    batches = [e for e in head if e.batch is not None][-copied:]
    back = (head[-1].append_ns if head else 0) + pause
    young = [replace(e, append_ns=back) for e in batches if back - e.append_ns <= 59 * SECOND]
    ticks = [Entry(back, Kind.TICK, encode(Tick(by=f"beside-{n}"))) for n in range(len(young))]
    plain = Trace(first, (*head, *ticks, *shift))
    doubled = Trace(first, (*head, *young, *shift))
    wanted = {k: v for k, v in levels(fold_all(plain)).items() if k[0] not in OWN}
    got = {k: v for k, v in levels(fold_all(doubled)).items() if k[0] not in OWN}
    assert got == wanted


def later(batch: Batch | None, ns: int) -> Batch | None:
    return None if batch is None else replace(batch, event_ns=batch.event_ns + ns)


def without_chance_copies(entries: Iterable[Entry]) -> list[Entry]:
    """A trace may read the same thing twice at the same time; such a batch is no copy of ours, so it is left out."""
    seen: set[tuple[int, int]] = set()
    kept = []
    for entry in entries:
        mine = {(tag, event) for tag, event, *_ in _rows(entry.batch)}
        if mine and (mine & seen or len(mine) < len(entry.batch or ())):
            continue
        seen |= mine
        kept.append(entry)
    return kept


@laws(300)
@given(traces())
def test_a_snapshot_may_be_taken_and_restored_at_every_point(trace: Trace) -> None:
    fold, other = new_fold(trace), new_fold(trace)
    for offset, entry in enumerate(trace.entries):
        assert fold_entry(fold, offset, entry) == fold_entry(other, offset, entry)
        data = fold.snapshot()
        fold = Fold.restore(data, fold.rulebook)
        assert fold.snapshot() == data


@laws(300)
@given(traces(wild=False), st.integers(0, 60), st.booleans())
def test_an_activation_of_equal_content_changes_nothing(trace: Trace, place: int, more: bool) -> None:
    """Nor does one that only adds a tag: whatever runs, runs on."""
    at = min(place, len(trace.entries))
    append_ns = trace.entries[at - 1].append_ns if at else START
    added = (gas_tag(9, name="CO-0"),) if more else ()
    second = msgspec.structs.replace(trace.revision, number=2, tags=(*trace.revision.tags, *added))
    activated, ticked = list(trace.entries), list(trace.entries)
    activated.insert(at, Entry(append_ns, Kind.ACTIVATE, b"activate", revision=second))
    ticked.insert(at, Entry(append_ns, Kind.TICK, encode(Tick(by="nobody"))))
    got = fold_all(replace(trace, entries=tuple(activated)))
    want = fold_all(replace(trace, entries=tuple(ticked)))
    assert [replace_revision(c) for c in got if c.tag != 9] == [replace_revision(c) for c in want]


def replace_revision(change: ConditionChange) -> ConditionChange:
    return msgspec.structs.replace(change, registry_revision=0)


def test_the_generators_reach_what_the_laws_are_about() -> None:
    """A law over traces in which nothing happens would hold for any fold: count what does happen."""
    happened: set[tuple[str, str, int]] = set()

    @settings(max_examples=400, deadline=None, derandomize=True)
    @given(traces())
    def look(trace: Trace) -> None:
        happened.update((c.rule, c.basis, min(c.level, 2)) for c in fold_all(trace))

    look()
    for rule, basis, level in (
        ("limits", "reading", 1),
        ("limits", "reading", 2),
        ("limits", "reading", 0),
        ("limits", "late", 2),
        ("limits", "timer", 2),
        ("limits", "restatement", 2),
        ("limits", "first", 0),
        ("limits", "retired", 0),
        ("stale", "link", 1),
        ("stale", "reading", 0),
        ("quality", "timer", 1),
        ("link", "timer", 1),
        ("link", "link", 0),
        ("clock", "self", 1),
        ("record", "self", 1),
    ):
        assert (rule, basis, level) in happened, (rule, basis, level)
