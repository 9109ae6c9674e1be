"""Every rule kind keeps the contract, whichever files lie in the folder; and one more file is found without an edit."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from rules.cases import run_example
from rules.engine import Fold
from rules.kinds import Example, Kind, kinds
from rules.rulebook import compile_rules
from rules.speech import level_of
from schemas.batch import batch
from schemas.changes import ConditionChange, ConditionChanges
from schemas.quality import Quality
from schemas.records import Kind as RecordKind
from schemas.records import Tick, decode, encode, kind_of
from schemas.registry import Rule
from schemas.time import SECOND, seconds
from tests.laws.traces import START, revision
from tests.rules.test_compiling import ROOT, run

every_kind = pytest.mark.parametrize("kind", kinds().values(), ids=list(kinds()))


@every_kind
def test_the_worked_examples_come_out_as_written(kind: Kind) -> None:
    assert kind.examples, "a kind without examples cannot be understood"
    for example in kind.examples:
        assert run_example(kind.name, example).problems == ()


@every_kind
def test_a_kind_speaks_both_languages_and_names_its_source(kind: Kind) -> None:
    assert kind.title.zh and kind.title.en and kind.source
    for example in kind.examples:
        book = compile_rules(revision(*example.tags), 0, 1)
        for compiled in book.rules:
            for watched in compiled.watched:
                for level in watched.plan.levels:
                    assert level is None or (level.name and level.title.zh and level.title.en)


@every_kind
def test_parameters_have_defaults_and_refuse_unknown_names(kind: Kind) -> None:
    kind.params()
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"no_such_parameter": 1}, kind.params)


@every_kind
def test_plans_fit_the_declared_arrays(kind: Kind) -> None:
    for example in kind.examples:
        params = msgspec.convert(dict(example.params), kind.params)
        plans = list(kind.plan(list(example.tags), params))
        assert plans
        for plan in plans:
            assert len(plan.levels) <= kind.levels and any(plan.levels)
            assert set(plan.values) <= set(kind.param_dtype.names or ())


def test_early_warnings_are_yellow_and_votes_are_whole_numbers() -> None:
    """A forecast over a toxic gas at a grade 1 source must not look like the alarm that it foresees."""
    early = set()
    for kind in kinds().values():
        for example in kind.examples:
            tags = [
                msgspec.structs.replace(t, hazard_source="", equipment="", enterprise="works") for t in example.tags
            ]
            rule = Rule(id=kind.name, kind=kind.name, params=dict(example.params))
            of = msgspec.structs.replace(revision(*tags), rules=(rule,))
            fold = Fold(compile_rules(of, 0, 1), 0, 1)
            for change in changes_of(fold, example):
                assert change.rule != "vote" or change.value is None or change.value == int(change.value)
                (watched,) = (
                    w
                    for r in fold.rulebook.rules
                    if r.rule.id == change.rule
                    for w in r.watched
                    if w.key == (change.subject, change.side)
                )
                level = level_of(watched, change.level)
                if level is not None and level.early:
                    early.add(kind.name)
                    assert change.tier == 3
    assert early == {"dispersion", "forecast", "cusum", "ewma", "stel", "twa", "excursion", "stay_time", "anomaly"}


def changes_of(fold: Fold, example: Example) -> Iterator[ConditionChange]:
    """What comes of an example's readings, a tick after each."""
    numbers = {tag.name: tag.number for tag in fold.rulebook.tags}
    for second, *rest in example.case.readings:
        name = rest.pop(0) if isinstance(rest[0], str) else example.case.tag
        value = float("nan") if rest[0] is None else float(rest[0])
        quality = Quality[str(rest[1]).upper()] if len(rest) > 1 else Quality.GOOD
        now_ns = START + seconds(float(second or 0))
        readings = batch([numbers[str(name)]], [now_ns], [value], [quality])
        changes = fold.apply_readings(fold.next_offset, now_ns, readings)
        changes += fold.apply(fold.next_offset, now_ns + SECOND // 2, RecordKind.TICK, encode(Tick(by="process")))
        yield from (c for c in changes if c.rule == fold.rulebook.rules[0].rule.id)


@every_kind
def test_what_a_kind_says_can_be_written_to_the_log(kind: Kind) -> None:
    for example in kind.examples:
        tags = [msgspec.structs.replace(t, hazard_source="", equipment="", enterprise="works") for t in example.tags]
        rule = Rule(id=kind.name, kind=kind.name, params=dict(example.params))
        of = msgspec.structs.replace(revision(*tags), rules=(rule,))
        said = ConditionChanges(changes=tuple(changes_of(Fold(compile_rules(of, 0, 1), 0, 1), example)))
        assert decode(kind_of(said), encode(said)) == said


@every_kind
def test_a_partition_without_its_tags_has_an_empty_rule(kind: Kind) -> None:
    example = kind.examples[0]
    rule = Rule(id=kind.name, kind=kind.name, params=dict(example.params))
    of = msgspec.structs.replace(revision(*example.tags), rules=(rule,))
    watched = [
        len(compiled.watched)
        for partition in range(4)
        for compiled in compile_rules(of, partition, 4).rules
        if compiled.rule.id == kind.name
    ]
    assert len(watched) == 4 and sorted(watched)[:3] == [0, 0, 0] and sum(watched) > 0


NEW_KIND = '''
"""Parity: the value is odd (a planted kind)."""
from rules.compiling import kernel
from rules.kinds import Example, Kind, Level, Planned
from rules.machine import READING, step
from schemas.changes import AlarmClass, Side
from schemas.registry import Measure, RuleCase, Struct, Tag
from schemas.text import Text

class Params(Struct, frozen=True, kw_only=True):
    """None."""

@kernel
def rows(n, index, flags, at, value, quality, first, members, conditions, gates, setup, params, memory, now, append,
         out, due):
    m = 0
    for i in range(n):
        j = index[i]
        if j < 0:
            continue
        odd = int(value[i]) % 2 == 1
        for k in range(first[j], first[j + 1]):
            m = step(members[k], conditions, gates, setup, 1 if odd else 0, 0 if odd else 1, not odd, flags[i], READING,
                     at[i], now, append, i, value[i], quality[i], out, due, m)
    return m

ODD = Level("odd", Text(zh="奇数", en="odd"))
TAG = Tag(number=1, name="N-1", enterprise="e", measure=Measure.OTHER, unit="1")
KIND = Kind(
    name="parity", title=Text(zh="奇偶", en="Parity"), alarm_class=AlarmClass.PROCESS, params=Params, levels=1,
    plan=lambda tags, params: [Planned((tag,), Side.HIGH, (ODD,)) for tag in tags],
    check=lambda tag, params: (), rows=rows, source="planted",
    say=lambda said: Text(zh="奇数", en="odd") if said.level else Text(zh="偶数", en="even"),
    examples=(Example(TAG, RuleCase(name="odd is an alarm", tag="N-1", readings=((0, 2), (1, 3), (2, 4)),
                                    expect=((1, "raise", "odd"), (2, "return", "normal")))),),
)
'''


def test_one_more_file_is_one_more_kind(tmp_path: Path) -> None:
    """Found by the scan, by its examples, by the warm-up and by the checks, without another edit."""
    for room in ("rules", "schemas"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "rules" / "kinds" / "parity.py").write_text(NEW_KIND, "utf-8")
    ask = (
        "from rules.kinds import kinds; from rules.cases import run_example; from rules.engine import warm_up\n"
        "warm_up(); kind = kinds()['parity']; print(run_example('parity', kind.examples[0]).problems)"
    )
    assert run(["-c", ask], tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "cache"), NUMBA_DISABLE_JIT="1") == "()"


def test_a_file_that_is_no_kind_is_named(tmp_path: Path) -> None:
    for room in ("rules", "schemas"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "rules" / "kinds" / "stray.py").write_text('"""Nothing."""\n', "utf-8")
    ask = "from rules.kinds import KindError, kinds\ntry: kinds()\nexcept KindError as error: print(error)"
    said = run(["-c", ask], tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "cache"))
    assert said == "rules/kinds/stray.py must assign KIND = Kind(name='stray', ...)"


def test_the_default_rules_are_kinds() -> None:
    book = compile_rules(revision(*(e.tag for e in kinds()["limits"].examples[:1])), 0, 1)
    assert {r.rule.id for r in book.rules} == {"limits", "stale", "quality"}
    assert all(isinstance(r.rule, Rule) for r in book.rules)
