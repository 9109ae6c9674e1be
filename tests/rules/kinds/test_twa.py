"""The sum of a shift against a slow oracle, the numbers of the domain, and what bad, late and missing data do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.engine import Fold
from rules.kinds import Said
from rules.kinds.twa import KIND, REFERENCE, Params, check, plan, say
from rules.rulebook import RuleProblems, compile_rules
from schemas.changes import ConditionChange
from schemas.quality import Quality
from schemas.registry import Revision, Tag
from tests.laws.settings import PATIENCE_S, traces
from tests.rules.helpers import Story
from tests.rules.kinds import exposures
from tests.rules.kinds.exposures import (
    HOLD,
    SHIFTS,
    SPOILT,
    Reading,
    drawn,
    is_good,
    is_usable,
    point,
    read,
    replayed,
    shift_of,
)

pytestmark = pytest.mark.timeout(PATIENCE_S)

LIMIT = 20.000123
"""No sum of whole numbers equals it, so rounding decides nothing. START is 08:00 in China: a shift begins."""


def tag(**changed: object) -> Tag:
    return point(500.0, **changed)


def under(one: Tag, **params: float | str | list[str]) -> Revision:
    return exposures.under("twa", one, **params)


def value(fold: Fold, condition: int = 0) -> float:
    return exposures.value(fold, "twa", condition)


def said_of(said: Sequence[ConditionChange]) -> list[int]:
    return exposures.said_of(said, "twa")


# The oracle


def shift_sum(usable: Sequence[Reading], since: int) -> tuple[float, float, float]:
    """Dose, time with readings and time with good readings since `since`."""
    dose = covered = good = 0.0
    for reading, (after, *_) in pairwise(usable):
        at, number, _ = reading
        overlap = max(0, min(after, at + HOLD) - max(at, since))
        dose += min(max(number, 0.0), 500.0) * overlap
        covered += overlap
        good += overlap if is_good(reading, 500.0) else 0
    return dose, covered, good


STEPS_S = (10, 60, 60, 60, 119, 120, 200, 300, 900, 3600, 30_000)
VALUES: tuple[tuple[float, int], ...] = (
    *((float(v), 0) for v in (0, 0, 5, 10, 19, 21, 40, 90, 150, 300, 500, -1, -7, 700)),
    *SPOILT,
)


@traces(250)
@given(st.binary(min_size=800, max_size=1000), st.sampled_from(SHIFTS))
def test_the_sum_and_its_levels_equal_the_oracle(data: bytes, zone: tuple[list[str], float]) -> None:
    shifts, offset_h = zone
    fold = replayed(under(tag(), limit=LIMIT, shifts=shifts, utc_offset_h=offset_h, warn_delay_s=0.0))
    usable: list[Reading] = []
    begins, ends = shift_of(0, shifts, offset_h)
    stated = -1
    for reading in drawn(data, VALUES, STEPS_S):
        changes = read(fold, reading)
        at, number, _ = reading
        if not is_usable(reading):
            assert not said_of(changes)
            continue
        usable.append(reading)
        if at >= ends:
            begins, ends = shift_of(at, shifts, offset_h)
            usable = usable[-2:]  # the one before may hold into the shift
        dose, covered, good = shift_sum(usable, begins)
        assert value(fold) == pytest.approx(dose / REFERENCE, rel=1e-9, abs=1e-9)
        reached = (dose > 0.5 * LIMIT * REFERENCE) + (dose > LIMIT * REFERENCE)
        proof = is_good(reading, 500.0) and good >= 0.75 * (at - begins)
        level = reached if proof or reached > max(0, stated) else stated
        assert said_of(changes) == ([level] if level != stated else [])
        stated = level
        present = min(max(number, 0.0), 500.0)
        left = max(0.0, LIMIT * REFERENCE - dose)
        left = left / present if left and present else left and math.inf
        left = math.inf if left > ends - at else left
        assert value(fold, 1) == pytest.approx(left / 60_000)
        if exposures.evaluator(fold, "twa").conditions[0]["quiet"]:
            continue
        told, mean, share = exposures.figures(fold, "twa")
        assert told == pytest.approx(left / 60_000)
        assert mean == pytest.approx(dose / covered) if covered else math.isnan(mean)
        assert share == pytest.approx(covered / (at - begins)) if at > begins else math.isnan(share)


# The numbers of the domain


def test_the_worked_day_comes_to_16_875() -> None:
    story = Story(of=under(tag(), limit=20.0, shifts=["08:00"]))
    runs = ((25.0, 120), (60.0, 15), (10.0, 180), (40.0, 45), (5.0, 120), (0.0, 1))
    for minute, read_now in enumerate(number for number, minutes in runs for _ in range(minutes)):
        story.read(60 * minute, read_now)
    assert value(story.fold) == pytest.approx(16.875, abs=1e-12)
    assert said_of(story.said) == [0, 1]


def test_the_limit_itself_is_not_above_the_limit() -> None:
    story = Story(of=under(tag(), limit=20.0, shifts=["08:00"], warn_min=0.0))
    for minute in range(481):
        story.read(60 * minute, 20.0)
    assert value(story.fold) == 20.0 and said_of(story.said) == [0, 1]
    story.read(60 * 481, 20.0)
    assert said_of(story.said) == [0, 1, 2]


def test_the_minutes_left() -> None:
    """(8 h x limit - sum) / C: 160 mg h/m3 less 1 h at 100, at 60 now."""
    story = Story(of=under(tag(), limit=20.0))
    for minute in range(60):
        story.read(60 * minute, 100.0)
    story.read(3600, 60.0)
    assert value(story.fold, 1) == pytest.approx(60.0)
    story.read(3660, 5.0)
    assert math.isinf(value(story.fold, 1)), "the shift ends before the limit is reached"


@pytest.mark.parametrize(
    ("shifts", "reduction", "week_h", "h", "factor"),
    [
        (["08:00", "20:00"], "daily", 40.0, 12.0, 0.5),
        (["08:00", "18:00"], "daily", 40.0, 14.0, 8 / 14 * 10 / 16),
        (["00:00", "08:00", "16:00"], "daily", 40.0, 8.0, 1.0),
        (["00:00", "06:00", "12:00", "18:00"], "daily", 40.0, 8.0, 1.0),
        (["00:00", "08:00", "16:00"], "weekly", 40.0, 8.0, 1.0),
        (["00:00", "08:00", "16:00"], "weekly", 48.0, 8.0, 40 / 48 * 120 / 128),
        (["00:00", "08:00", "16:00"], "weekly", 56.0, 8.0, 0.625),
        (["08:00", "20:00"], "weekly", 40.0, 12.0, 8 / 12),
        (["08:00", "20:00"], "none", 60.0, 8.0, 1.0),
    ],
)
def test_the_limit_of_long_shifts(shifts: list[str], reduction: str, week_h: float, h: float, factor: float) -> None:
    """Brief and Scala: 12 h a day halve the limit, 56 h a week take it to 62.5 %; never is more allowed than in 8 h."""
    params = msgspec.convert({"limit": 20.0, "shifts": shifts, "reduction": reduction, "week_h": week_h}, Params)
    (total, _) = plan([tag()], params)
    assert total.values["limit"] == pytest.approx(20.0 * factor)
    assert total.values["reference"] == h * 3_600_000
    assert total.values["limit"] * h <= 20.0 * 8.0 * (1 + 1e-12)
    assert [level and level.limit for level in total.levels] == pytest.approx([10.0 * factor, 20.0 * factor])


def test_a_shift_of_12_h_at_its_reduced_limit_is_not_above_it() -> None:
    story = Story(of=under(tag(), limit=20.0, shifts=["08:00", "20:00"], reduction="daily", warn_min=0.0))
    for minute in range(720):
        story.read(60 * minute, 10.0)
    assert value(story.fold) == pytest.approx(10.0 * 719 / 720) and said_of(story.said) == [0, 1]
    story = Story(of=under(tag(), limit=20.0, shifts=["08:00", "20:00"], reduction="daily", warn_min=0.0))
    for minute in range(720):
        story.read(60 * minute, 10.1)
    assert said_of(story.said) == [0, 1, 2]


def test_a_change_carries_the_running_mean_and_its_coverage() -> None:
    story = Story(of=under(tag(), limit=20.0, warn_min=0.0))
    for minute in range(10):
        story.read(60 * minute, 400.0)
    story.read(1200, 400.0)
    story.read(1260, 400.0)
    story.read(1320, 400.0)
    last = [c for c in story.said if c.rule == "twa" and c.level == 1][-1]
    assert last.figures == {
        "left": pytest.approx((9600 - 400 * 13) / 400),
        "mean": pytest.approx(400.0),
        "coverage": pytest.approx(13 / 22),
    }


# Limits, units, shifts


def test_the_table_gives_the_limit_and_the_molar_mass_converts_it() -> None:
    (total, _left) = plan([tag(unit="ppm")], Params())
    assert total.values["limit"] == pytest.approx(17.176, abs=1e-3)
    assert [level and level.limit for level in total.levels] == pytest.approx([8.588, 17.176], abs=1e-3)
    (total,) = plan([tag(unit="ppm")], Params(limit=40.0, limit_unit="mg/m3", warn_min=0.0))
    assert total.values["limit"] == pytest.approx(2 * 17.176, abs=1e-3)


@pytest.mark.parametrize(
    ("changed", "params", "words"),
    [
        ({"cas": "7782-50-5"}, {}, "no 8-hour limit (PC-TWA) of 7782-50-5"),
        ({"cas": "", "unit": "ppm"}, {"limit": 9.0, "limit_unit": "mg/m3"}, "mg/m3 cannot be converted to ppm"),
        ({}, {"limit": 0.0}, "0 is no limit"),
        ({"period_s": 600.0}, {}, "too seldom"),
        ({}, {"shifts": ["8 am"]}, "'8 am' is no time of day"),
        ({}, {"shifts": ["24:00"]}, "'24:00' is no time of day"),
        ({}, {"shifts": []}, "0 shifts"),
        ({}, {"shifts": ["08:00", "08:30"]}, "within an hour"),
        ({}, {"shifts": ["23:30", "00:10"]}, "within an hour"),
        ({}, {"week_h": 100.0}, "100 is not possible"),
        ({}, {"utc_offset_h": 800.0}, "800 is not possible"),
        ({}, {"action_share": 1.0}, "1 is not possible"),
        ({}, {"warn_min": math.nan}, "nan is not possible"),
    ],
)
def test_what_cannot_work_is_told(changed: dict[str, object], params: dict[str, object], words: str) -> None:
    problems = list(check(tag(**changed), msgspec.convert(params, Params)))
    assert [words in str(p) for p in problems] == [True], [str(p) for p in problems]


def test_a_rule_without_shifts_is_refused_and_not_planned() -> None:
    with pytest.raises(RuleProblems, match="0 shifts"):
        compile_rules(under(tag(), shifts=[]), 0, 1)


# Bad, late, missing, broken clocks


@pytest.mark.parametrize("quality", [Quality.BAD, Quality.NO_VALUE])
def test_bad_data_neither_raises_nor_clears(quality: Quality) -> None:
    story = Story(of=under(tag(), limit=20.0, shifts=["08:00", "10:00"], warn_min=0.0))
    for minute in range(32):
        story.read(60 * minute, 160.0)
    assert said_of(story.said) == [0, 1]
    for minute in range(32, 200):
        story.read(60 * minute, 400.0 if minute < 120 else 0.0, quality=quality)
    assert said_of(story.said) == [0, 1]


def test_after_an_outage_over_a_change_of_shift_the_alarm_stays_until_enough_is_known() -> None:
    story = Story(of=under(tag(), limit=20.0, shifts=["08:00", "10:00", "20:00"], warn_min=0.0))
    for minute in range(32):
        story.read(60 * minute, 160.0)
    story.pass_time(1861, 8399)
    for minute in range(140, 250):
        story.read(60 * minute, 1.0)
        if said_of(story.said)[-1] == 0:
            break
    assert minute == 200, "60 of 80 minutes since 10:00"


def test_a_fold_that_begins_within_a_shift_says_nothing_of_it_but_a_raise() -> None:
    story = Story(of=under(tag(), limit=20.0, warn_min=0.0))
    for minute in range(120, 240):
        story.read(60 * minute, 1.0)
    assert said_of(story.said) == []
    for minute in range(240, 300):
        story.read(60 * minute, 300.0)
    assert said_of(story.said) == [1, 2]


def test_uncertain_data_raises_but_its_time_is_no_proof() -> None:
    story = Story(of=under(tag(), limit=20.0, shifts=["08:00", "10:00", "20:00"], warn_min=0.0))
    for minute in range(32):
        story.read(60 * minute, 160.0, quality=Quality.UNCERTAIN)
    assert said_of(story.said) == [1]
    for minute in range(32, 140):
        story.read(60 * minute, 0.0, quality=Quality.STALE)
    story.read(60 * 140, 0.0)
    assert said_of(story.said) == [1]


def test_late_readings_are_not_used() -> None:
    story = Story(of=under(tag(), limit=20.0))
    for minute in range(10):
        story.read(60 * minute, 19.0)
    before = exposures.evaluator(story.fold, "twa").memory.tobytes()
    story.read(541, 400.0, event=520)
    assert exposures.evaluator(story.fold, "twa").memory.tobytes() == before


@pytest.mark.parametrize("event", [100, -63_000_000])
def test_a_standing_or_broken_clock_still_adds_to_the_sum(event: int) -> None:
    story = Story(of=under(tag(period_s=1.0, lateness_s=10.0), limit=1.0, warn_min=0.0))
    for second in range(100, 200):
        story.read(second, 400.0, event=event)
    assert said_of(story.said)[-1] == 2


def test_a_clock_that_goes_back_over_the_change_of_shift_keeps_the_sum() -> None:
    story = Story(of=under(tag(), limit=20.0, shifts=["08:00", "10:00"], warn_min=0.0))
    for minute in range(120, 160):
        story.pass_time(60 * minute - 59, 60 * minute)
        story.read(60 * minute, 200.0)
    total = value(story.fold)
    for minute in range(160, 165):
        story.pass_time(60 * minute - 59, 60 * minute)
        story.read(60 * minute, 200.0, event=60 * minute - 3600)
    assert value(story.fold) > total
    assert said_of(story.said)[-1] == 1


def test_a_gateway_that_starts_in_2024_and_is_set_right_keeps_the_sum() -> None:
    story = Story(of=under(tag(period_s=1.0, lateness_s=10.0), limit=20.0, warn_min=0.0))
    for second in range(900):
        story.read(second, 160.0)
    story.pass_time(900, 919)
    for second in range(920, 923):
        story.read(second, 160.0, event=second - 63_000_000)
    story.read(923, 160.0)
    assert value(story.fold) == pytest.approx(160 * 910 / 28_800, abs=0.1)


# Words


def test_the_words() -> None:
    total, left = plan([tag(name="CO-1")], Params())
    action, limit = total.levels
    up = say(Said(total, action, 12.345, 0, 0.0))
    assert up.en == (
        "CO-1 carbon monoxide: dose of this shift 12.345 mg/m3 over 8 h, above the action level 10 mg/m3, "
        "61 % of the 8-hour limit"
    )
    assert up.zh == "CO-1 一氧化碳：本班累积 12.345 mg/m3（按 8 小时计），超过行动水平 10 mg/m3，为 8 小时限值的 61%"
    assert "above the 8-hour limit 20 mg/m3, 105 %" in say(Said(total, limit, 21.0, 0, 0.0)).en
    assert "not enough data of this one" in say(Said(total, limit, 0.5, 0, 0.0)).en
    assert "a new shift began" in say(Said(total, None, 0.1, 0, 0.0)).en
    soon = say(Said(left, left.levels[0], 23.9, 0, 0.0))
    assert "23 min left to stay in this shift (8-hour limit 20 mg/m3)" in soon.en and "约 23 分钟" in soon.zh
    assert "used up" in say(Said(left, left.levels[0], 0.0, 0, 0.0)).en
    assert "not near" in say(Said(left, left.levels[0], math.inf, 0, 0.0)).en
    assert "not near" in say(Said(left, None, 90.0, 0, 0.0)).en
    assert KIND.unit(left) == "min" and KIND.unit(total) == "mg/m3"
    total, left = plan([tag(name="CO-1")], Params(shifts=("08:00", "20:00"), reduction="daily"))
    action, limit = total.levels
    up = say(Said(total, limit, 12.0, 0, 0.0))
    assert up.en == (
        "CO-1 carbon monoxide: dose of this shift 12 mg/m3 over 12 h, above the reduced limit 10 mg/m3, "
        "120 % of the 12-hour limit"
    )
    assert up.zh == "CO-1 一氧化碳：本班累积 12 mg/m3（按 12 小时计），超过折减限值 10 mg/m3，为 12 小时限值的 120%"
    assert "(12-hour limit 10 mg/m3)" in say(Said(left, left.levels[0], 23.9, 0, 0.0)).en
