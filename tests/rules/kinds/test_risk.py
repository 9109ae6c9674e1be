"""Kind `risk`: against a slow reference, its laws, and the stories that an index must not get wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.cases import run_example
from rules.kinds.risk import KIND, Params
from rules.rulebook import check_rules
from rules.severity import severity
from schemas.changes import ConditionChange
from schemas.quality import Quality
from schemas.registry import Enterprise, HazardSource, Limits, Measure, Park, Revision, Rule, Tag
from schemas.text import Text
from schemas.time import SECOND
from tests.laws.settings import traces as laws
from tests.laws.traces import Trace, gas_tag, level_tag
from tests.rules.helpers import Story
from tests.rules.kinds.groups import Heard, Ladder, heard, placed, traces, under

CELL = [gas_tag(1, deadband=2.0), gas_tag(2, deadband=2.0), level_tag(3, link="ingest", stale_s=15.0, deadband=2.0)]
PARAMS: dict[str, object] = {"off_delay_s": 0.0, "factor": 0.9}
BOUNDS = (15.0, 35.0, 60.0, 80.0)
WEIGHTS = (1.0, 1.0, 0.8)


@dataclass(slots=True)
class Point:
    severity: float = 0.0
    second: bool = False
    heard: int = 0


class SlowRisk:
    """Everything judged anew at every row: limits 50 and 80, for the level also 10 and 5, factor 0.9."""

    def __init__(self) -> None:
        self.points = [Point() for _ in CELL]
        self.clock = self.last = 0
        self.ladder = Ladder(on=[False] * 4)

    def row(self, row: Heard) -> tuple[int, float] | None:
        """(level, index) where the level changes."""
        self.clock += min(row.now - self.last, SECOND) if self.last else 0
        self.last = row.now
        lowers = self._hear(self.points[row.member], row)
        index, floor = self.index()
        beyond = [index >= b or floor > k for k, b in enumerate(BOUNDS)]
        clear = [index < b - 5 and floor <= k for k, b in enumerate(BOUNDS)]
        level = self.ladder.judged(beyond, clear, lowers)
        return None if level is None else (level, index)

    def _hear(self, point: Point, row: Heard) -> bool:
        v, q = row.value, row.quality
        is_gas = row.member < 2
        over = is_gas and (q == Quality.OVER_RANGE or (q < 128 and v > 100))
        usable = over or (q < 128 and v == v)
        in_range = v == v and -1.25 <= v <= 100
        good = row.live and q < 64 and in_range
        if row.live:
            outside = q in (Quality.OVER_RANGE, Quality.UNDER_RANGE) or v < -1.25 or v > 103.125
            if over or not (not usable or q == Quality.STALE or outside):
                point.heard = self.clock
        if not usable:
            return False
        said = 1.0 if over else self._severity(v, is_gas)
        point.severity = said if good else max(said, point.severity)
        if over or v >= 80 or (not is_gas and v <= 5):
            point.second = True
        elif good and v < 78 and (is_gas or v > 7):
            point.second = False
        return good

    @staticmethod
    def _severity(v: float, is_gas: bool) -> float:
        rest = 0.0 if is_gas else 30.0
        if v >= 80:
            return float(np.interp(v, [80, 100], [0.8, 1]))
        if v >= 50:
            return float(np.interp(v, [50, 80], [0.5, 0.8]))
        if is_gas or v > 10:
            up = float(np.interp(v, [rest + 0.95 * (50 - rest), 50], [0, 0.2]))
            return up if is_gas else max(up, float(np.interp(-v, [-11, -10], [0, 0.2])))
        if v > 5:
            return float(np.interp(-v, [-10, -5], [0.5, 0.8]))
        return float(np.interp(-v, [-5, 0], [0.8, 1]))

    def ill(self) -> list[bool]:
        return [self.clock - p.heard > 15 * SECOND for p in self.points]

    def parts(self) -> list[float]:
        """What each point adds, and missing data as the last one."""
        lost = sum(w for w, ill in zip(WEIGHTS, self.ill(), strict=True) if ill)
        each = [min(0.999, w * p.severity) for w, p in zip(WEIGHTS, self.points, strict=True)]
        return [*each, 0.5 * lost / sum(WEIGHTS)]

    def index(self) -> tuple[float, int]:
        index = 100 * min(1.0, 0.9 * (1 - math.prod(1 - part for part in self.parts())))
        if self.points[0].second or self.points[1].second:
            return index, 4
        if self.points[2].second:
            return index, 3
        return index, 2 if self.ill()[0] and self.ill()[1] else 0


OF = under("risk", CELL, PARAMS)


@laws(1100)
@given(traces(OF))
def test_against_a_slow_reference(trace: Trace) -> None:
    rows, said = heard(trace, "risk")
    slow, wanted = SlowRisk(), []
    for row in rows:
        if (change := slow.row(row)) is not None:
            wanted.append((row.place, *change))
    assert [(place, level) for place, level, _ in wanted] == list(placed(said))
    for change, (_, _, index) in zip(said, wanted, strict=True):
        assert change.value == pytest.approx(index)


@laws(200)
@given(traces(OF))
def test_shares_are_those_of_the_largest_contributions(trace: Trace) -> None:
    rows, said = heard(trace, "risk")
    at = {place: change for change, (place, _) in zip(said, placed(said), strict=True)}
    slow = SlowRisk()
    for row in rows:
        slow.row(row)
        change = at.get(row.place)
        if change is None:
            continue
        logs = [-math.log(1 - part) for part in slow.parts()]
        total = sum(logs)
        ranked = sorted((s for s in range(len(CELL)) if logs[s] > 0), key=lambda s: -logs[s])
        for name, s in zip(("first", "second", "third"), ranked, strict=False):
            assert change.figures[name] == s or logs[s] == logs[int(change.figures[name])]
            assert change.figures[f"{name}_share"] == pytest.approx(logs[s] / total)
        if total > 0:
            told = [change.figures.get(f"{n}_share", 0.0) for n in ("first", "second", "third", "data")]
            assert sum(told) == pytest.approx(1)  # three points and missing data: nothing else there is


# Laws

LADDER = st.tuples(st.floats(0, 0.99), st.floats(-10, 40), st.floats(41, 60), st.floats(61, 90), st.floats(91, 120))


@laws(300)
@given(LADDER, st.floats(-50, 150), st.floats(-50, 150), st.sampled_from(("both", "first", "second")), st.booleans())
def test_a_worse_value_is_never_less_severe(
    ladder: tuple[float, float, float, float, float], one: float, other: float, has: str, ends: bool
) -> None:
    near, rest, first, second, end = ladder
    first, second = (math.nan if has == "second" else first), (math.nan if has == "first" else second)
    low, high = (severity(x, near, rest, first, second, end if ends else math.inf) for x in sorted((one, other)))
    assert 0 <= low <= high <= 1


def index_of(values: list[float | None]) -> float:
    """The index after one reading of each point; None is a bad one."""
    told = Story(of=OF)
    for number, value in enumerate(values, 1):
        told.read(0, value, tag=number, quality=Quality.GOOD if value is not None else Quality.SENSOR_FAILURE)
    evaluator = next(e for e in told.fold.standing.evaluators if e.id == "risk")
    return float(evaluator.memory[0]["value"])


@laws(100)
@given(st.lists(st.one_of(st.none(), st.floats(30, 99)), min_size=3, max_size=3), st.integers(0, 2), st.floats(0, 60))
def test_a_worse_or_a_missing_input_never_lowers_the_index(values: list[float | None], which: int, more: float) -> None:
    before = index_of(values)
    here = values[which]
    if here is not None:
        assert index_of([*values[:which], min(100.0, here + more), *values[which + 1 :]]) >= before
    healthy = [30.0 if v is None else v for v in values]
    assert before >= index_of(healthy) - 1e-9 if all(v is None or v <= 30 for v in values) else before >= 0
    assert before >= index_of([30.0 if s == which else v for s, v in enumerate(values)]) - 1e-9


# Stories


def last(told: Story) -> ConditionChange:
    return [c for c in told.said if c.rule == "risk"][-1]


def park(grade: int, *tags: Tag, **params: object) -> Revision:
    """The tags at one hazard source of this grade."""
    placed_tags = tuple(msgspec.structs.replace(t, enterprise="works", hazard_source="store") for t in tags)
    source = HazardSource(id="store", enterprise="works", grade=grade, name=Text("液氯库", "Chlorine store"))
    return Revision(
        number=1,
        parks=(Park(id="park"),),
        enterprises=(Enterprise(id="works", park="park"),),
        hazard_sources=(source,),
        tags=placed_tags,
        rules=(Rule(id="risk", kind="risk", params={"off_delay_s": 0.0, **params}),),  # type: ignore[arg-type]
    )


def pressure(number: int) -> Tag:
    return Tag(
        number=number, name=f"PT-{number}", enterprise="works", measure=Measure.PRESSURE, unit="kPa", range_low=0.0,
        range_high=100.0, limits=Limits(high=50.0, high_high=80.0), deadband=2.0,
    )  # fmt: skip


def at_70(grade: int) -> ConditionChange:
    told = Story(of=park(grade, pressure(1), pressure(2)))
    told.read(0, 20.0, tag=1)
    told.read(0, 20.0, tag=2)
    told.read(1, 74.0, tag=1)
    told.read(1, 74.0, tag=2)
    return last(told)


def test_the_grade_of_the_hazard_source_is_a_factor() -> None:
    one = 0.8 * 0.74
    e = 1 - (1 - one) ** 2
    found = {grade: at_70(grade) for grade in (1, 2, 3, 4, 0)}
    assert {g: c.value for g, c in found.items()} == pytest.approx(
        {1: 100 * e, 2: 90 * e, 3: 80 * e, 4: 70 * one, 0: 70 * one}  # of the last change
    )
    assert {g: (c.level_name, c.tier) for g, c in found.items()} == {
        1: ("red", 1),
        2: ("orange", 2),
        3: ("orange", 2),
        4: ("yellow", 3),
        0: ("yellow", 3),
    }


def test_levels_are_tiers_whatever_the_gas_and_the_grade() -> None:
    told = Story(of=park(1, gas_tag(1, deadband=2.0), pressure(2)))
    told.read(0, 20.0, tag=1)
    told.read(0, 20.0, tag=2)
    told.read(1, 49.9, tag=1)
    assert (last(told).level_name, last(told).tier) == ("blue", 4)
    told.read(2, 50.0, tag=1)
    assert (last(told).level_name, last(told).tier) == ("yellow", 3)
    told.read(3, 70.0, tag=1)
    assert (last(told).level_name, last(told).tier) == ("orange", 2)
    told.read(4, 80.0, tag=1)
    assert (last(told).level_name, last(told).tier) == ("red", 1)


def test_it_says_who_and_why() -> None:
    told = Story(of=park(2, gas_tag(1, deadband=2.0), pressure(2), pressure(3)))
    for tag in (1, 2, 3):
        told.read(0, 20.0, tag=tag)
    told.read(1, 60.0, tag=2)
    for second in range(2, 35):
        told.read(second, 60.0, tag=2)
        told.read(second, None, tag=3, quality=Quality.SENSOR_FAILURE)
    told.read(35, 85.0, tag=1)
    said = last(told)
    assert said.text.zh == (
        "液氯库 动态风险 84.1，重大风险（红色）：CO-1 70%、PT-2 24%；数据缺失 6%；有毒气体达到二级报警值，直接升级"
    )
    assert said.text.en.startswith("Chlorine store dynamic risk ") and "toxic gas at its second limit" in said.text.en
    assert said.figures["first"] == 0 and said.figures["second"] == 1 and said.figures["override"] == 1
    again = [c for second in range(36, 67) for c in told.tick(second) if c.rule == "risk"]
    assert [c.basis for c in again] == ["restatement"] and again[0].text == said.text


def test_a_single_bad_reading_says_nothing() -> None:
    told = Story(of=park(1, pressure(1), pressure(2)))
    told.read(0, 20.0, tag=1)
    told.read(0, 20.0, tag=2)
    for second in range(1, 100, 5):
        told.read(second, 20.0, tag=1)
        told.read(second, None if second % 2 else 20.0, tag=2)
    assert last(told).level == 0


def test_a_dead_detector_keeps_what_it_said_last() -> None:
    """Leaks kill detectors: after 85 ppm and then silence the index stays, though the others are healthy."""
    told = Story(of=park(4, gas_tag(1, deadband=2.0), pressure(2)))
    told.beat(0)
    told.read(0, 20.0, tag=1)
    told.read(0, 20.0, tag=2)
    told.read(1, 85.0, tag=1)
    before = last(told)
    for second in range(2, 60):
        told.read(second, 20.0, tag=2)
    assert last(told).level == before.level == 4
    told.read(60, 20.0, tag=1)
    told.read(61, 20.0, tag=1)
    assert last(told).level == 0


def test_silence_of_one_point_is_a_contribution_of_its_own() -> None:
    told = Story(of=park(1, pressure(1), pressure(2)))
    told.read(0, 20.0, tag=1)
    told.read(0, 20.0, tag=2)
    for second in range(1, 35):
        told.read(second, 20.0, tag=1)
    said = last(told)
    assert said.level_name == "blue" and said.value == pytest.approx(25.0)
    assert said.figures["data_share"] == pytest.approx(1.0) and "first" not in said.figures
    assert said.text.en == "Chlorine store dynamic risk 25, low risk (blue); missing data 100%"


def test_the_level_falls_ten_minutes_after_the_index() -> None:
    told = Story(of=park(1, pressure(1), pressure(2), off_delay_s=600.0))
    told.read(0, 20.0, tag=2)
    told.read(0, 85.0, tag=1)
    for second in range(1, 600):
        told.read(second, 20.0, tag=1)
        told.read(second, 20.0, tag=2)
    assert last(told).level == 3
    told.read(601, 20.0, tag=1)
    assert last(told).level == 0


def test_two_toxic_detectors_may_be_asked_for() -> None:
    told = Story(of=park(4, gas_tag(1, deadband=2.0), gas_tag(2, deadband=2.0), toxic_votes=2))
    told.read(0, 20.0, tag=1)
    told.read(0, 20.0, tag=2)
    told.read(1, 85.0, tag=1)
    assert last(told).level_name == "orange"
    told.read(2, 85.0, tag=2)
    assert last(told).level_name == "red"


def test_points_without_limits_and_the_wind_have_no_weight() -> None:
    wind = Tag(
        number=2, name="WS", enterprise="works", measure=Measure.WIND_SPEED, unit="m/s", limits=Limits(high=13.8)
    )
    plain = Tag(number=3, name="TT", enterprise="works", measure=Measure.TEMPERATURE, unit="°C")
    (planned,) = KIND.plan([wind, plain, pressure(4)], Params())
    assert [t.name for t in planned.tags] == ["PT-4"]
    assert list(KIND.plan([wind, plain], Params())) == []


def wrong(**params: object) -> list[str]:
    return [str(p) for p in check_rules(park(1, pressure(1), **params))]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"blue": 40.0}, "params.blue: 40, 35, 60, 80 are no rising indices"),
        ({"red": 101.0}, "params.blue: 15, 35, 60, 101 are no rising"),
        ({"hysteresis": 15.0}, "params.hysteresis: with a hysteresis of 15 the level blue at 15 would never end"),
        ({"factor": 3.0}, "params.factor: 3 is no factor"),
        ({"toxic": 1.5}, "params.toxic: 1.5 is no share"),
        ({"toxic_votes": 0}, "params.toxic_votes: 0 detectors"),
        ({"silent_s": 1.0}, "params.silent_s: PT-1 reads every 1 s"),
        ({"off_delay_s": -1.0}, "params.off_delay_s: -1 is no length of time"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(params: dict[str, object], words: str) -> None:
    assert [p for p in wrong(**params) if words in p]


def test_more_points_than_an_index_has_room_for_are_refused() -> None:
    many = [pressure(n) for n in range(1, 130)]
    assert "has 129 points with limits" in str(*check_rules(park(1, *many)))


def test_examples_name_their_contributions() -> None:
    for example in KIND.examples:
        assert not run_example("risk", example).problems
