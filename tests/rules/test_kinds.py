"""Every rule kind keeps the contract, whichever files lie in the folder; and one more file is found without an edit."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from rules.cases import run_example
from rules.kinds import Kind, kinds
from rules.rulebook import compile_rules
from schemas.registry import Rule
from tests.laws.traces import revision
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
