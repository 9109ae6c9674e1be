"""Stay times against a slow oracle, the numbers of the table, and what bad, late and missing data do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.kinds import Said
from rules.kinds.stay_time import KIND, Params, bands, check, plan, say
from schemas.changes import ConditionChange
from schemas.quality import Quality
from schemas.registry import Revision, Tag
from tests.laws.settings import PATIENCE_S, traces
from tests.rules.helpers import Story
from tests.rules.kinds import exposures
from tests.rules.kinds.exposures import HOLD, SPOILT, Reading, drawn, is_good, is_usable, point, read, replayed

pytestmark = pytest.mark.timeout(PATIENCE_S)

MINUTE = 60_000
PLAIN = {"on_delay_s": 0.0, "off_delay_s": 0.0, "warn_delay_s": 0.0}
TABLE = ((30.0, 60), (50.0, 30), (100.0, 15), (200.0, 0))
"""Above so much, so many minutes."""


def tag(**changed: object) -> Tag:
    return point(500.0, **changed)


def under(one: Tag, **params: float) -> Revision:
    return exposures.under("stay_time", one, **params)


def said_of(said: Sequence[ConditionChange], side: str = "high") -> list[int]:
    return exposures.said_of(said, "stay_time", side)


# The oracle


def minutes_of(concentration: float) -> float:
    return next((stay for band, stay in reversed(TABLE) if concentration > band), math.inf)


class SlowStay:
    """A stay in fractions."""

    def __init__(self) -> None:
        self.last: Reading | None = None
        self.used, self.rested = Fraction(0), 0

    def read(self, reading: Reading) -> float:
        """The minutes that are left."""
        if self.last is not None:
            spent = min(reading[0] - self.last[0], HOLD)
            allowed = minutes_of(self.last[1])
            if allowed == 0:
                self.used = Fraction(1)
            elif allowed < math.inf:
                self.used = min(Fraction(1), self.used + Fraction(spent, int(allowed) * MINUTE))
            if allowed < math.inf:
                self.rested = 0
            elif is_good(self.last, 500.0):
                self.rested += spent
            if self.rested >= 120 * MINUTE:
                self.used = Fraction(0)
        self.last = reading
        allowed = minutes_of(reading[1])
        return math.inf if math.isinf(allowed) else float((1 - self.used) * int(allowed))


class Steps:
    """Levels without delays."""

    def __init__(self, count: int) -> None:
        self.on = [False] * count
        self.stated = -1

    def judged(self, beyond: Sequence[bool], clear: Sequence[bool], good: bool) -> list[int]:
        self.on = [b or (on and not (good and c)) for on, b, c in zip(self.on, beyond, clear, strict=True)]
        level = max((k for k, on in enumerate(self.on, 1) if on), default=0)
        if level == self.stated or (level == 0 and self.stated < 0 and not good):
            return []
        self.stated = level
        return [level]


STEPS_S = (10, 60, 60, 119, 120, 200, 600, 1800, 3700)
VALUES: tuple[tuple[float, int], ...] = (
    *(
        (float(v), 0)
        for v in (0, 0, 0, 0, 5, 10, 26, 28, 30, 31, 40, 44, 46, 51, 80, 95, 101, 150, 190, 201, 500, -1, -7)
    ),
    (700.0, 0),
    (math.inf, 0),
    (-math.inf, 0),
    *SPOILT,
)


@traces(250)
@given(st.binary(min_size=800, max_size=1000))
def test_stays_equal_the_oracle(data: bytes) -> None:
    fold = replayed(under(tag(), **PLAIN))
    slow, high, low = SlowStay(), Steps(4), Steps(2)
    for reading in drawn(data, VALUES, STEPS_S):
        changes = read(fold, reading)
        if not is_usable(reading):
            assert not said_of(changes) and not said_of(changes, "low")
            continue
        left, present, good = slow.read(reading), reading[1], is_good(reading, 500.0)
        wanted = high.judged([present > b for b, _ in TABLE], [present <= 0.9 * b for b, _ in TABLE], good)
        assert said_of(changes) == wanted
        assert said_of(changes, "low") == low.judged([left <= 5, left <= 0], [math.isinf(left)] * 2, good)
        told, allowed, rest = exposures.figures(fold, "stay_time")
        assert told == pytest.approx(left)
        assert allowed == minutes_of(present)
        wanted_rest = 120 if allowed < math.inf else 120 - slow.rested / MINUTE if slow.used else 0
        assert rest == pytest.approx(wanted_rest)
        assert exposures.value(fold, "stay_time", 1) == told


# The numbers of the table


@pytest.mark.parametrize(
    ("concentration", "stay"), [(50.0, 60), (50.1, 30), (100.0, 30), (100.1, 15), (200.0, 15), (200.1, 0)]
)
def test_a_stay_at_one_level(concentration: float, stay: int) -> None:
    story = Story(of=under(tag(), **PLAIN))
    story.read(0, 0.0)
    for minute in range(1, stay + 2):
        story.read(60 * minute, concentration)
    over = [c for c in story.said if c.rule == "stay_time" and c.level_name == "stay_over" and c.basis == "reading"]
    assert [(c.event_ns - story.said[0].event_ns) // 60_000_000_000 for c in over] == [1 + stay]
    assert over[0].figures == {"left": 0.0, "allowed": float(stay), "rest": 120.0}
    assert (over[0].value, over[0].unit, over[0].tier) == (0.0, "min", 3)


def test_long_work_is_allowed_at_the_lowest_level() -> None:
    story = Story(of=under(tag(), **PLAIN))
    for minute in range(600):
        story.read(60 * minute, 30.0)
    assert said_of(story.said, "low") == [0] and 1 not in said_of(story.said)


@pytest.mark.parametrize(("rest", "over"), [(119, True), (120, False)])
def test_two_hours_between_stays(rest: int, over: bool) -> None:
    story = Story(of=under(tag(), **PLAIN))
    for minute in range(61):
        story.read(60 * minute, 40.0)
    for minute in range(61, 61 + rest):
        story.read(60 * minute, 10.0)
    assert said_of(story.said, "low")[-1] == 0
    story.read(60 * (61 + rest), 40.0)
    assert (said_of(story.said, "low")[-1] == 2) is over


def test_the_levels_in_the_units_of_a_tag() -> None:
    assert bands(tag()) == (30.0, 50.0, 100.0, 200.0)
    assert bands(tag(unit="ppm")) == (24.0, 40.0, 80.0, 160.0)
    assert bands(tag(unit="g/m3")) == pytest.approx((0.03, 0.05, 0.1, 0.2))
    assert bands(tag(unit="%VOL")) == pytest.approx((0.0024, 0.004, 0.008, 0.016))


# Bad, late, missing


def test_bad_data_neither_raises_nor_clears_and_is_no_rest() -> None:
    story = Story(of=under(tag(), **PLAIN))
    for minute in range(16):
        story.read(60 * minute, 150.0)
    assert said_of(story.said, "low")[-1] == 2
    for minute in range(16, 200):
        story.read(60 * minute, 0.0, quality=Quality.BAD)
    assert said_of(story.said, "low")[-1] == 2 and said_of(story.said)[-1] == 3
    story.read(12_000, 150.0)
    assert said_of(story.said, "low")[-1] == 2


def test_late_readings_are_not_used() -> None:
    story = Story(of=under(tag(), **PLAIN))
    for minute in range(10):
        story.read(60 * minute, 40.0)
    before = exposures.evaluator(story.fold, "stay_time").memory.tobytes()
    story.read(541, 400.0, event=520)
    assert exposures.evaluator(story.fold, "stay_time").memory.tobytes() == before


# Checks, words


def test_only_carbon_monoxide_points_are_planned() -> None:
    assert list(plan([tag(cas="7783-06-4"), tag(cas="")], Params())) == []
    (high, left) = plan([tag()], Params())
    assert [level and level.name for level in (*high.levels, *left.levels)] == [
        "stay_60", "stay_30", "stay_15", "stay_0", "stay_soon", "stay_over",
    ]  # fmt: skip
    assert len(list(plan([tag()], Params(warn_min=0.0)))) == 1


@pytest.mark.parametrize(
    ("changed", "params", "words"),
    [
        ({"cas": "7783-06-4"}, {}, "is no carbon monoxide point (630-08-0)"),
        ({"range_high": 200.0}, {}, "the last level 200 mg/m3 is not within its range"),
        ({"period_s": 300.0}, {}, "too seldom"),
        ({}, {"clear_share": 0.1}, "0.1 is not possible"),
        ({}, {"warn_min": math.nan}, "nan is not possible"),
        ({}, {"warn_delay_s": 600.0}, "600 is not possible"),
    ],
)
def test_what_cannot_work_is_told(changed: dict[str, object], params: dict[str, float], words: str) -> None:
    one = msgspec.structs.replace(tag(), **changed)
    problems = list(check(one, msgspec.convert(params, Params)))
    assert [words in str(p) for p in problems] == [True], [str(p) for p in problems]
    assert all(p.cure for p in problems)


def test_the_words() -> None:
    high, left = plan([tag(name="CO-1")], Params())
    first, *_, last = high.levels
    figures = {"left": 48.7, "allowed": 60.0, "rest": 120.0}
    up = say(Said(high, first, 45.0, 0, 0.0, figures))
    assert up.en == "CO-1 carbon monoxide: 45 mg/m3, above 30 mg/m3, advice: stay of at most 60 min, 48 min left"
    assert up.zh == "CO-1 一氧化碳：45 mg/m3，高于 30 mg/m3，建议停留不超过 60 分钟，还可停留约 48 分钟"
    assert say(Said(high, last, 250.0, 0, 0.0, {"left": 0.0})).en.endswith("above 200 mg/m3, advice: no stay")
    assert "advice above 30 mg/m3 still stands" in say(Said(high, first, 28.0, 0, 0.0, {"rest": 120.0})).en
    down = say(Said(high, None, 20.0, 0, 0.0, {"rest": 118.2}))
    assert down.en == (
        "CO-1 carbon monoxide: 20 mg/m3, no longer above 30 mg/m3; a new stay may begin after 119 min of rest"
    )
    assert down.zh == "CO-1 一氧化碳：20 mg/m3，不高于 30 mg/m3；再休息 119 分钟后可重新计时停留"
    assert "a new stay may begin" in say(Said(high, None, 20.0, 0, 0.0, {"rest": 0.0})).en
    soon, over = left.levels
    assert say(Said(left, soon, 4.9, 0, 0.0)).en.endswith("at the present concentration 4 min left to stay")
    assert say(Said(left, over, 0.0, 0, 0.0)).zh == "CO-1 一氧化碳：停留时间已用完，建议撤离，两次进入至少间隔 2 小时"
    assert "at or below 30 mg/m3 again" in say(Said(left, None, math.inf, 0, 0.0, {"rest": 12.0})).en
    assert KIND.unit(left) == "min" and KIND.unit(high) == "mg/m3"
