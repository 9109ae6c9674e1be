"""The sum of C/L against a slow oracle, the numbers of the domain, and what bad and missing data do."""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.engine import Fold
from rules.evaluator import Evaluator
from rules.kinds import Said
from rules.kinds.mixture import EACH, KIND, Params, check, check_cell, plan, say
from rules.rulebook import RuleProblems, compile_rules
from schemas.batch import batch
from schemas.changes import ConditionChange
from schemas.quality import Quality
from schemas.records import Kind, Tick, encode
from schemas.registry import Revision, Rule, Tag
from schemas.time import SECOND
from tests.laws.settings import PATIENCE_S, traces
from tests.laws.traces import START, gas_tag, revision
from tests.rules.helpers import Story

pytestmark = pytest.mark.timeout(PATIENCE_S)

BENZENE, TOLUENE, XYLENE = "71-43-2", "108-88-3", "1330-20-7"


def point(number: int, cas: str, **changed: object) -> Tag:
    return gas_tag(number, **{"name": f"G-{number}", "cas": cas, "unit": "mg/m3", "range_high": 200.0, **changed})


def dock() -> tuple[Tag, ...]:
    """Two benzene detectors of four, the table's limits 3, 50 and 50 mg/m3."""
    return point(1, BENZENE), point(2, TOLUENE), point(3, BENZENE), point(4, XYLENE)


def under(*tags: Tag, **params: float | list[str]) -> Revision:
    return msgspec.structs.replace(revision(*tags), rules=(Rule(id="mixture", kind="mixture", params=dict(params)),))


def evaluator(fold: Fold) -> Evaluator:
    return next(e for e in fold.standing.evaluators if e.id == "mixture")


def value(story: Story) -> float:
    return float(evaluator(story.fold).memory[0]["value"])


def said_of(said: list[ConditionChange]) -> list[int]:
    return [c.level for c in said if c.rule == "mixture" and c.basis != "restatement"]


# The oracle

LIMITS = {1: 3.0, 2: 50.0, 3: 3.0, 4: 50.0}
GASES = ((1, 3), (2,), (4,))


@dataclass
class Last:
    second: int
    share: float
    good: bool


READINGS: tuple[tuple[float, int], ...] = (
    *((share, 0) for share in (0.0, 0.1, 0.23, 0.31, 0.37, 0.61, 0.83, 1.01, 1.7)),
    (0.41, Quality.UNCERTAIN),
    (math.nan, Quality.NO_VALUE),
    (1.1, Quality.BAD),
    (-0.02, 0),
)


@traces(300)
@given(st.binary(min_size=650, max_size=750))
def test_the_index_and_its_levels_equal_the_oracle(data: bytes) -> None:
    """A reading counts for 10 s."""
    fold = Fold(compile_rules(under(*dock(), on_delay_s=0.0, off_delay_s=0.0), 0, 1), 0, 1)
    last: dict[int, Last] = {}
    second, stated = 0, -1
    for one, chosen in zip(data[::2], data[1::2], strict=False):
        step = (0, 1, 1, 1, 2, 6, 11)[one // 4 % 7]
        second += step
        if step > 10:  # a record moves the partition's clock by 10 s at most
            fold.apply(fold.next_offset, START + (second - 5) * SECOND, Kind.TICK, encode(Tick(by="t")))
        number = 1 + one % 4
        share, quality = READINGS[chosen % len(READINGS)]
        when = START + second * SECOND
        rows = batch([number], [when], [share * LIMITS[number]], [quality])
        before = fold.standing.admission.state[number - 1].copy()
        changes = said_of(fold.apply_readings(fold.next_offset, when, rows))
        if before.tobytes() == fold.standing.admission.state[number - 1].tobytes():
            continue  # a copy
        if quality >= 128 or math.isnan(share):
            assert not changes
            continue
        last[number] = Last(second, max(share, 0.0), quality == 0 and share * LIMITS[number] >= -2.5)
        fresh = {k: r for k, r in last.items() if second - r.second <= 10}
        total = sum(max((fresh[k].share for k in members if k in fresh), default=0.0) for members in GASES)
        told = float(evaluator(fold).memory[0]["value"])
        assert told == pytest.approx(total)
        proof = last[number].good and len(fresh) == 4 and all(r.good for r in fresh.values())
        reached = (total > 1) + (total > 2)
        level = max(reached, stated)
        if proof:
            ends = [total <= 0.9, total <= 1.8]
            level = reached
            if stated == 2 and not ends[1]:
                level = 2
            elif stated >= 1 and not ends[0]:
                level = max(1, reached)
        elif level == 0 or stated < 0:
            level = reached if reached else stated
        assert changes == ([level] if level != stated else []), (total, proof, stated)
        stated = level


# The numbers of the domain


def test_the_worked_mixture_comes_to_1_1() -> None:
    story = Story(of=under(point(1, BENZENE), point(2, TOLUENE), point(3, XYLENE), on_delay_s=0.0))
    for number, concentration in ((1, 1.5), (2, 20.0), (3, 10.0)):
        story.read(0, concentration, tag=number)
    assert value(story) == pytest.approx(1.1)
    assert said_of(story.said) == [1]


def test_one_itself_is_not_above_one() -> None:
    story = Story(of=under(point(1, BENZENE), point(2, TOLUENE), on_delay_s=0.0))
    story.read(0, 1.5, tag=1)
    story.read(0, 25.0, tag=2)
    assert value(story) == 1.0 and said_of(story.said) == [0]


# Bad and missing data


def test_a_gas_that_is_not_heard_adds_nothing_and_ends_nothing() -> None:
    story = Story(of=under(point(1, BENZENE), point(2, TOLUENE), on_delay_s=0.0, off_delay_s=0.0))
    story.read(0, 2.4, tag=1)
    story.read(0, 30.0, tag=2)
    for second in range(1, 40):
        story.tick(second)
        story.read(second, 0.5, tag=1)
        story.read(second, None, tag=2, quality=Quality.BAD)
    # what was said last of toluene counts for 10 s, low enough with a little benzene
    assert said_of(story.said) == [1, 0]
    story = Story(of=under(point(1, BENZENE), point(2, TOLUENE), on_delay_s=0.0, off_delay_s=0.0))
    story.read(0, 2.4, tag=1)
    story.read(0, 48.0, tag=2)
    for second in range(1, 40):
        story.tick(second)
        story.read(second, 0.5, tag=1)
    assert value(story) == pytest.approx(1 / 6)
    assert said_of(story.said) == [1], "toluene may be anything by now"


def test_over_range_counts_as_the_end_of_the_range() -> None:
    story = Story(of=under(point(1, BENZENE, range_high=6.0), point(2, TOLUENE), on_delay_s=0.0))
    story.read(0, None, tag=1, quality=Quality.OVER_RANGE)
    assert value(story) == 2.0 and said_of(story.said) == [1]


def test_late_readings_are_not_used() -> None:
    story = Story(of=under(point(1, BENZENE), point(2, TOLUENE), on_delay_s=0.0))
    story.read(0, 0.3, tag=1)
    story.read(5, 0.3, tag=1)
    story.read(6, 150.0, tag=1, event=3)
    assert value(story) == pytest.approx(0.1) and said_of(story.said) == []


# Limits, gases, cells


def test_limits_come_from_the_rule_or_the_table_in_the_unit_of_the_tag() -> None:
    tags = [point(1, BENZENE, unit="ppm"), point(2, TOLUENE), point(3, XYLENE)]
    (planned,) = plan(tags, Params(limits=("108-88-3 = 100", "1330-20-7=10 ppm")))
    limits = np.array(planned.values["each"], EACH)["limit"]
    assert limits[:3].tolist() == pytest.approx([3 * 24.055 / 78.114, 100.0, 10 * 106.168 / 24.055])
    (planned,) = plan(tags, Params(gases=(BENZENE, XYLENE)))
    assert [t.number for t in planned.tags] == [1, 3]
    assert list(plan(tags, Params(gases=(BENZENE,)))) == []


@pytest.mark.parametrize(
    ("changed", "params", "words"),
    [
        ({"cas": "74-82-8"}, {}, "no occupational limit of 74-82-8"),
        ({}, {"limits": ["benzene = 3"]}, "'benzene = 3' is no limit of a gas"),
        ({}, {"limits": ["71-43-2"]}, "'71-43-2' is no limit of a gas"),
        ({}, {"limits": ["71-43-2 = -3"]}, "-3 is no limit"),
        ({}, {"limits": ["71-43-2 = 3 lb"]}, "unit 'lb' is unknown"),
        ({}, {"gases": ["71-43-2", "71-43-3"]}, "'71-43-3' is no CAS number"),
        ({}, {"level_1": 0.0}, "0 is not possible"),
        ({}, {"level_2": 0.5}, "0.5 is not possible"),
        ({}, {"clear_share": math.nan}, "nan is not possible"),
        ({}, {"on_delay_s": -1.0}, "-1 is not possible"),
    ],
)
def test_what_cannot_work_is_told(changed: dict[str, object], params: dict[str, object], words: str) -> None:
    tag = point(1, **{"cas": BENZENE, **changed})  # type: ignore[arg-type]
    problems = list(check(tag, msgspec.convert(params, Params)))
    assert [words in str(p) for p in problems] == [True], [str(p) for p in problems]


def test_a_cell_with_one_gas_or_too_many_points_is_told() -> None:
    assert "nothing to add up" in str(next(iter(check_cell([point(1, BENZENE), point(2, BENZENE)], Params()))))
    many = [point(n, BENZENE if n % 2 else TOLUENE) for n in range(1, 26)]
    assert "more than 24" in str(next(iter(check_cell(many, Params()))))
    with pytest.raises(RuleProblems, match="nothing to add up"):
        compile_rules(under(point(1, BENZENE)), 0, 1)


def test_a_partition_without_such_a_cell_is_compiled() -> None:
    revised = under(point(1, BENZENE), point(2, TOLUENE))
    assert sorted(len(compile_rules(revised, p, 4).rules[0].watched) for p in range(4)) == [0, 0, 0, 1]


def test_a_tag_that_takes_the_place_of_another_does_not_inherit_its_reading() -> None:
    first = under(point(1, BENZENE), point(2, TOLUENE), on_delay_s=0.0)
    story = Story(of=first)
    story.read(0, 2.0, tag=1)
    story.read(0, 20.0, tag=2)
    other = under(point(1, BENZENE), point(5, XYLENE), on_delay_s=0.0)
    story.activate(1, msgspec.structs.replace(other, number=2))
    story.read(2, 2.1, tag=1)
    assert value(story) == pytest.approx(0.7)


# Words


def test_the_words() -> None:
    (planned,) = plan(list(dock()), Params())
    up = say(Said(planned, planned.levels[0], 1.1, 0, 0.0))
    assert up.en == "G-1 mixture (benzene, toluene, xylene (all isomers)): sum of C/L 1.1, above 1"
    assert up.zh == "G-1 混合气体（苯、甲苯、二甲苯）：浓度与限值之比合计 1.1，超过 1"
    assert "still in alarm above 1" in say(Said(planned, planned.levels[0], 0.95, 0, 0.0)).en
    assert "back to normal" in say(Said(planned, None, 0.2, 0, 0.0)).en
    four = plan([*dock(), point(5, "100-42-5")], Params())
    assert "and 1 more" in say(Said(next(iter(four)), None, 0.2, 0, 0.0)).en
    assert KIND.unit(planned) == "1"
