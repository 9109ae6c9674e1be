"""Laws of the family: what every rule kind keeps, over traces around its own examples; kinds come from the scan."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import evaluator as evaluator_module
from rules.engine import Fold
from rules.evaluator import BLOCK
from rules.kinds import Example, Kind, kinds
from rules.machine import IDLE, PENDING
from rules.rulebook import check_rules, compile_rules
from schemas.batch import batch, concat
from schemas.causes import Cause
from schemas.changes import AlarmClass, Basis, ConditionChange
from schemas.quality import Quality
from schemas.records import Kind as RecordKind
from schemas.records import Tick
from schemas.records import encode as encode_record
from schemas.registry import Revision, Rule
from schemas.time import SECOND
from tests.laws.settings import traces as laws
from tests.laws.test_rules_fold import throwing, without_chance_copies
from tests.laws.traces import (
    STEPS,
    Entry,
    Identity,
    Trace,
    Writer,
    fold_all,
    fold_entry,
    identity,
    levels,
    new_fold,
    revision,
    rulebook,
)

POISON = 12345.678
"""The value at which a planted kernel throws, behind the rows of a batch that it had worked on."""


def each(wanted: Callable[[Kind], bool] = lambda kind: True) -> pytest.MarkDecorator:
    """The law is one of every kind that is wanted."""
    found = [kind for kind in kinds().values() if wanted(kind)]
    return pytest.mark.parametrize("kind", found, ids=[kind.name for kind in found])


def asks_any_cell(example: Example) -> bool:
    """Whether the parameters name no tags, so that another cell can be asked the same."""
    return not any(tag.name in str(example.params) for tag in example.tags)


every_kind = each()


def under_rule(kind: Kind, example: Example) -> Revision:
    """The example's tags, numbered from 1, under this kind alone as far as the defaults allow."""
    rule = Rule(id=kind.name, kind=kind.name, params=dict(example.params))
    tags = [
        msgspec.structs.replace(tag, number=number, enterprise="works", hazard_source="", equipment="")
        for number, tag in enumerate(example.tags, 1)
    ]
    return msgspec.structs.replace(revision(*tags), rules=(rule,))


def values_of(example: Example) -> list[tuple[float, int]]:
    """The example's numbers and limits, each with its neighbours, and data that is no data."""
    limits = [getattr(example.tag.limits, f) for f in example.tag.limits.__struct_fields__]
    numbers = [n for r in example.case.readings for n in r[1:] if isinstance(n, float)]
    edges = [v for v in (*limits, *numbers, example.tag.range_low, example.tag.range_high, 0.0) if v is not None]
    around = {n for v in edges for n in (math.nextafter(v, -math.inf), v, math.nextafter(v, math.inf))}
    bad = [(math.nan, Quality.NO_VALUE), (edges[0], Quality.BAD), (edges[0], Quality.UNCERTAIN)]
    over = [(math.nan, Quality.OVER_RANGE)]
    return [*((v, Quality.GOOD) for v in sorted(around)), *bad, *over]


def traces_of(kind: Kind, wanted: Callable[[Example], bool] = lambda example: True) -> st.SearchStrategy[Trace]:
    """Traces around the values of the kind's examples, or of those that are wanted."""
    examples = [example for example in kind.examples if wanted(example)]

    def written(drawn: tuple[int, bytes]) -> Trace:
        number, steps = drawn
        example = examples[number]
        values = values_of(example)
        writer = Writer((example.tag.link,))
        writer.pass_time(0)
        for wait, chosen, repeat in zip(steps[::3], steps[1::3], steps[2::3], strict=False):
            writer.pass_time(STEPS[wait % len(STEPS)])
            tag = 1 + repeat // 3 % len(example.tags)
            mixed = [values[(chosen + n * (repeat // 9)) % len(values)] for n in range(1 + repeat % 3)]
            writer.read([(tag, writer.now_ns - 1000 * n, *mixed[n]) for n in reversed(range(len(mixed)))])
        return Trace(under_rule(kind, example), tuple(writer.entries))

    return st.tuples(st.integers(0, len(examples) - 1), st.binary(min_size=30, max_size=120)).map(written)


def rows(entry: Entry) -> Iterator[tuple[int, float]]:
    assert entry.batch is not None
    yield from zip(entry.batch.quality.tolist(), entry.batch.value.tolist(), strict=True)


@contextmanager
def blocks_of(rows: int) -> Iterator[None]:
    """Kernels are called with so many rows at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluator_module, "BLOCK", rows)
        yield


@every_kind
def test_causes_are_unique_and_increase(kind: Kind) -> None:
    @laws(150)
    @given(traces_of(kind))
    def law(trace: Trace) -> None:
        last: dict[Identity, Cause] = {}
        for change in fold_all(trace):
            assert change.cause is not None
            assert change.cause > last.get(identity(change), Cause(0, 0, 0))
            last[identity(change)] = change.cause

    law()


@every_kind
def test_only_a_good_row_lowers_a_process_condition(kind: Kind) -> None:
    @laws(150)
    @given(traces_of(kind))
    def law(trace: Trace) -> None:
        before: dict[Identity, int] = {}
        for change in fold_all(trace):
            was, before[identity(change)] = before.get(identity(change), 0), change.level
            if change.rule != kind.name or change.alarm_class is not AlarmClass.PROCESS or change.level >= was:
                continue
            assert change.basis is Basis.READING and change.cause is not None
            quality, value = list(rows(trace.entries[change.cause.offset]))[change.cause.row]
            assert quality < 64 and math.isfinite(value)

    law()


@every_kind
def test_snapshots_and_ticks_change_nothing(kind: Kind) -> None:
    @laws(100)
    @given(traces_of(kind), st.integers(0, 40))
    def law(trace: Trace, place: int) -> None:
        wanted = levels(fold_all(trace))
        tick = encode_record(Tick(by="extra"))
        fold, said = new_fold(trace), []
        offset = 0
        for number, entry in enumerate(trace.entries):
            if number == place % max(1, len(trace.entries)):
                fold = Fold.restore(fold.snapshot(), fold.rulebook)
                said += fold_entry(fold, offset, Entry(entry.append_ns, RecordKind.TICK, tick))
                offset += 1
            said += fold_entry(fold, offset, entry)
            offset += 1
        got = levels(said)
        assert {k: v for k, v in got.items() if k[0] == kind.name} == {
            k: v for k, v in wanted.items() if k[0] == kind.name
        }

    law()


@every_kind
def test_what_stands_is_said_again(kind: Kind) -> None:
    """LAWS C5: after any trace, 31 s of ticks say every standing condition of the kind once more."""

    @laws(100)
    @given(traces_of(kind))
    def law(trace: Trace) -> None:
        fold = new_fold(trace)
        last = {identity(c): c.level for c in fold_all(trace, fold)}
        standing = {key for key, level in last.items() if level and key[0] == kind.name}
        again = set()
        for second in range(1, 32):
            now_ns = trace.entries[-1].append_ns + second * SECOND
            for change in fold.apply(fold.next_offset, now_ns, RecordKind.TICK, encode_record(Tick(by="process"))):
                again |= {identity(change)} if change.level else set()
        assert standing <= again

    law()


@every_kind
def test_a_kernel_that_throws_leaves_everything_as_it_was(kind: Kind) -> None:
    """LAWS C7: levels, gates, memory and rings are those of a twin that saw a tick in the place of the record."""

    @laws(100)
    @given(traces_of(kind), st.integers(0, 40), st.sampled_from([1, BLOCK]))
    def law(trace: Trace, place: int, block: int) -> None:
        batches = [n for n, e in enumerate(trace.entries) if e.batch is not None]
        at = batches[place % len(batches)]
        fold, twin = Fold(throwing(rulebook(trace.revision), kind.name, POISON), 0, 1), new_fold(trace)
        for offset, entry in enumerate(trace.entries[:at]):
            fold_entry(fold, offset, entry)
            fold_entry(twin, offset, entry)
        entry = trace.entries[at]
        assert entry.batch is not None
        poison = batch([1], [entry.append_ns], [POISON])
        with blocks_of(block):
            said = fold.apply_readings(at, entry.append_ns, concat([entry.batch, poison]))
        tick = encode_record(Tick(by="nobody"))  # what time alone brings before the record stays
        fold_entry(twin, at, Entry(entry.append_ns, RecordKind.TICK, tick))
        assert any(c.rule == "rule" and f"rule/{kind.name}/" in c.subject and c.level for c in said)
        mine, its = (next(e for e in f.standing.evaluators if e.id == kind.name) for f in (fold, twin))
        for evaluator in (mine, its):
            idle = evaluator.gates["phase"] == IDLE
            evaluator.gates[idle] = 0  # the times of an idle gate mean nothing
        assert [a.tobytes() for a in mine.arrays] == [a.tobytes() for a in its.arrays]

    law()


@every_kind
def test_a_batch_may_be_split_and_is_only_read(kind: Kind) -> None:
    """Rows of one record say the same as rows of many records with the same append time."""

    @laws(100)
    @given(traces_of(kind))
    def law(trace: Trace) -> None:
        whole, split = new_fold(trace), new_fold(trace)
        apart_at = 0
        for offset, entry in enumerate(trace.entries):
            if entry.batch is None:
                together, apart = fold_entry(whole, offset, entry), fold_entry(split, apart_at, entry)
                apart_at += 1
            else:
                for column in (entry.batch.tag, entry.batch.event_ns, entry.batch.value, entry.batch.quality):
                    column.flags.writeable = False
                together, apart = fold_entry(whole, offset, entry), []
                for row in range(len(entry.batch)):
                    apart += split.apply_readings(apart_at, entry.append_ns, entry.batch.rows(slice(row, row + 1)))
                    apart_at += 1
            assert [_told(c) for c in together if c.rule == kind.name] == [
                _told(c) for c in apart if c.rule == kind.name
            ]

    law()


@every_kind
def test_what_is_kept_from_a_kernel_would_have_changed_nothing(kind: Kind) -> None:
    """The screen before a kernel, and the blocks in which it is called, are seen by nobody."""

    @laws(100)
    @given(traces_of(kind))
    def law(trace: Trace) -> None:
        usual, bare = new_fold(trace), new_fold(trace)
        for evaluator in bare.standing.evaluators:
            evaluator.screen = None
        for offset, entry in enumerate(trace.entries):
            with blocks_of(1):
                plainly = fold_entry(bare, offset, entry)
            assert fold_entry(usual, offset, entry) == plainly
        assert usual.snapshot() == bare.snapshot()

    law()


def _told(change: ConditionChange) -> tuple[object, ...]:
    return change.subject, change.side, change.level, change.basis, change.onset_ns, change.since_ns, change.value


@every_kind
def test_a_second_copy_changes_nothing(kind: Kind) -> None:
    """LAWS L4: every record comes twice, as after a restart of ingest; nothing new is said, then or later."""

    @laws(100)
    @given(traces_of(kind))
    def law(trace: Trace) -> None:
        entries = without_chance_copies(trace.entries)
        once, twice = new_fold(trace), new_fold(trace)
        at = 0
        for offset, entry in enumerate(entries):
            said = [_told(c) for c in fold_entry(once, offset, entry) if c.rule == kind.name]
            assert [_told(c) for c in fold_entry(twice, at, entry) if c.rule == kind.name] == said
            at += 1
            if entry.batch is not None:
                assert [c for c in fold_entry(twice, at, entry) if c.rule == kind.name] == []
                at += 1

    law()


@each(lambda kind: kind.alarm_class is AlarmClass.PROCESS)
def test_what_is_no_number_raises_no_process_condition(kind: Kind) -> None:
    """Of one tag, and unless a delay or a hold runs out at that row. Over-range of a gas point is more than that."""

    @laws(100)
    @given(traces_of(kind), st.sampled_from([Quality.BAD, Quality.NO_VALUE, Quality.SENSOR_FAILURE]), st.booleans())
    def law(trace: Trace, quality: Quality, number: bool) -> None:
        fold = new_fold(trace)
        for offset, entry in enumerate(trace.entries):
            fold_entry(fold, offset, entry)
        evaluator = next(e for e in fold.standing.evaluators if e.id == kind.name)
        waits = (evaluator.gates["phase"] == PENDING).any(axis=1) | (
            evaluator.conditions["level"] > evaluator.conditions["stated"]
        )
        alone = {
            w.key
            for w, waiting in zip(evaluator.compiled.watched, waits, strict=True)
            if len(w.plan.tags) == 1 and not waiting
        }
        before = {
            w.key: int(c["stated"]) for w, c in zip(evaluator.compiled.watched, evaluator.conditions, strict=True)
        }
        now_ns = fold.now_ns + SECOND
        tags = [tag.number for tag in trace.revision.tags]
        value = 1e9 if number else math.nan
        useless = batch(tags, [now_ns] * len(tags), [value] * len(tags), [quality] * len(tags))
        for change in fold.apply_readings(fold.next_offset, now_ns, useless):
            if change.rule == kind.name and (change.subject, change.side) in alone and change.cause.row >= 0:  # type: ignore[union-attr]
                assert change.level <= before[change.subject, change.side]

    law()


@each(lambda kind: any(map(asks_any_cell, kind.examples)))
def test_cells_may_come_in_any_order(kind: Kind) -> None:
    """A permitted reordering: what one cell reads at a moment may stand before or behind what another reads then."""

    @laws(60)
    @given(traces_of(kind, asks_any_cell))
    def law(trace: Trace) -> None:
        tags = trace.revision.tags
        others = tuple(
            msgspec.structs.replace(tag, number=tag.number + len(tags), name=f"b.{tag.name}", cell="another")
            for tag in tags
        )
        both = msgspec.structs.replace(trace.revision, tags=(*tags, *others))
        first, second = (Fold(compile_rules(both, 0, 1), 0, 1) for _ in range(2))
        for entry in trace.entries:
            if entry.batch is None:
                said = [fold_entry(fold, fold.next_offset, entry) for fold in (first, second)]
            else:
                there = replace(entry.batch, tag=entry.batch.tag + np.int32(len(tags)))
                said = [
                    [c for part in order for c in fold.apply_readings(fold.next_offset, entry.append_ns, part)]
                    for fold, order in ((first, (entry.batch, there)), (second, (there, entry.batch)))
                ]
            mine, its = (sorted(_told(c) for c in changes if c.rule == kind.name) for changes in said)
            assert str(mine) == str(its)

    law()


@every_kind
def test_the_far_future_of_one_tag_touches_no_other(kind: Kind) -> None:
    @laws(60)
    @given(traces_of(kind), st.integers(0, 40))
    def law(trace: Trace, place: int) -> None:
        stranger = msgspec.structs.replace(trace.revision.tags[0], number=99, name="STRANGER", cell="elsewhere")
        widened = msgspec.structs.replace(trace.revision, tags=(*trace.revision.tags, stranger))
        if check_rules(widened):  # a kind that compares tags may refuse a lone one: then it is not asked of it
            named = tuple(t.name for t in trace.revision.tags)
            asked = tuple(msgspec.structs.replace(r, tags=named) for r in widened.rules)
            widened = msgspec.structs.replace(widened, rules=asked)
        plain, wild = new_fold(Trace(widened, ())), new_fold(Trace(widened, ()))
        far = batch([99], [trace.entries[-1].append_ns + 10**18], [1e9])
        offset = 0
        for number, entry in enumerate(trace.entries):
            if number == place % len(trace.entries):
                tick = Entry(entry.append_ns, RecordKind.TICK, encode_record(Tick(by="extra")))
                fold_entry(plain, offset, tick)
                wild.apply_readings(offset, entry.append_ns, far)
                offset += 1
            wanted = [c for c in fold_entry(plain, offset, entry) if c.tag != 99]
            got = [c for c in fold_entry(wild, offset, entry) if c.tag != 99]
            assert [c for c in got if c.rule == kind.name] == [c for c in wanted if c.rule == kind.name]
            offset += 1

    law()
