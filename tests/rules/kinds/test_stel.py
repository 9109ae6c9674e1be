"""The 15-minute mean against a slow oracle, the numbers of the domain, and what bad, late and missing data do."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.engine import Fold
from rules.evaluator import Evaluator
from rules.kinds import Said
from rules.kinds.stel import KIND, Params, check, plan, say
from rules.rolling import WINDOW
from rules.rulebook import RuleProblems, compile_rules
from schemas.batch import batch
from schemas.quality import Quality
from schemas.registry import Revision, Tag
from schemas.time import MS
from tests.laws.settings import PATIENCE_S, traces
from tests.laws.traces import START
from tests.rules.helpers import Story, seen
from tests.rules.kinds import exposures
from tests.rules.kinds.exposures import SPOILT, Reading, is_good, is_usable, point, read, replayed

pytestmark = pytest.mark.timeout(PATIENCE_S)

LIMIT = 30.000123
"""No sum of whole numbers equals it, so rounding decides nothing."""


def under(one: Tag, **params: float | str) -> Revision:
    return exposures.under("stel", one, **params)


def evaluator(fold: Fold) -> Evaluator:
    return exposures.evaluator(fold, "stel")


def value_of(story: Story) -> float:
    return exposures.value(story.fold, "stel")


# The oracle


@dataclass(frozen=True)
class Window:
    dose: float
    covered: float
    good: float

    @property
    def time(self) -> float:
        return self.covered if self.covered >= 0.75 * WINDOW else WINDOW

    def exceeds(self, limit: float) -> bool:
        return self.dose > limit * self.time


def window(usable: Sequence[Reading], hold: int) -> Window:
    """Every overlap of a held reading with the 15 minutes before the last one, added up."""
    until = usable[-1][0]
    usable = usable[bisect_left(usable, until - WINDOW - hold, key=itemgetter(0)) :]
    dose = covered = good = 0.0
    for reading, (after, *_) in pairwise(usable):
        at, value, _ = reading
        overlap = max(0, min(after, at + hold) - max(at, until - WINDOW))
        dose += min(max(value, 0.0), 200.0) * overlap
        covered += overlap
        good += overlap if is_good(reading, 200.0) else 0
    return Window(dose, covered, good)


def minutes_left(usable: Sequence[Reading], hold: int, limit: float, most_min: int) -> float:
    """The present concentration second by second into the future; infinite when it takes longer than `most_min`."""
    at, value, _ = usable[-1]
    present = min(max(value, 0.0), 200.0)
    for second in range(most_min * 60 + 1):
        ahead = at + second * 1000
        past = window([*usable, (ahead, 0.0, 0)], hold)
        own = max(0, min(ahead, at + hold) - max(at, ahead - WINDOW))  # what the hold of the last reading has put in
        if past.dose - present * own + present * second * 1000 > limit * WINDOW:
            return second / 60
    return math.inf


STEPS_S = (10, 10, 30, 60, 60, 60, 61, 120, 121, 200, 400, 1100)
VALUES: tuple[tuple[float, int], ...] = (
    *((float(v), 0) for v in (0, 5, 10, 20, 29, 30, 31, 33, 40, 60, 90, 150, 200, -1, -7, 260)),
    *SPOILT,
)


def readings_of(data: bytes) -> list[Reading]:
    """Two bytes a reading: a step and a value that stays for a while."""
    found, at, value = [], 0, VALUES[0]
    for step, choice in zip(data[::2], data[1::2], strict=False):
        at += 1000 * STEPS_S[step % len(STEPS_S)]
        value = VALUES[choice % len(VALUES)] if choice & 0x80 or choice < 50 else value
        found.append((at, *value))
    return found


@traces(250)
@given(st.binary(min_size=800, max_size=1000))
def test_the_mean_and_its_levels_equal_the_oracle(data: bytes) -> None:
    fold = replayed(under(point(), limit=LIMIT, warn_min=0.0))
    usable: list[Reading] = []
    stated = -1
    for reading in readings_of(data):
        changes = [c for c in read(fold, reading) if c.rule == "stel" and c.basis != "restatement"]
        if not is_usable(reading):
            assert not changes
            continue
        usable.append(reading)
        want = window(usable, 120_000)
        good = is_good(reading, 200.0) and want.good >= 0.75 * WINDOW
        told = float(evaluator(fold).memory[0]["value"])
        if want.covered >= 0.75 * WINDOW or want.exceeds(LIMIT):
            assert told == pytest.approx(want.dose / want.time, rel=1e-9, abs=1e-9)
        else:
            assert math.isnan(told)
        level = stated
        if want.exceeds(LIMIT):
            level = 1
        elif good and (stated < 0 or want.dose <= 0.95 * LIMIT * want.time):
            level = 0
        assert [c.level for c in changes] == ([level] if level != stated else [])
        stated = level


@traces(40)
@given(st.binary(min_size=40, max_size=90))
def test_the_minutes_left_equal_the_oracle(data: bytes) -> None:
    fold = replayed(under(point(), limit=LIMIT, warn_delay_s=0.0))
    usable: list[Reading] = []
    for reading in readings_of(data):
        read(fold, reading)
        if not is_usable(reading):
            continue
        usable.append(reading)
        now = window(usable, 120_000)
        told = float(evaluator(fold).memory[1]["value"])
        present = min(max(reading[1], 0.0), 200.0)
        if now.exceeds(LIMIT):
            assert told == 0
        elif present and (LIMIT * WINDOW - now.dose) / present <= 600_000:
            # the oracle looks at whole seconds
            want = minutes_left(usable, 120_000, LIMIT, 10)
            assert told > 9.98 if math.isinf(want) else -0.001 <= want - told <= 1 / 60 + 0.001
        else:
            assert told > 10
        left, coverage = exposures.figures(fold, "stel", 1)
        assert left == told if told <= 10 else left > 10 or math.isnan(left)
        assert coverage == pytest.approx(now.covered / WINDOW)


@traces(20)
@given(st.binary(min_size=1000, max_size=1300), st.sampled_from([1, 2, 7]))
def test_fast_readings_differ_by_no_more_than_one_step_of_the_ring(data: bytes, period: int) -> None:
    fold = replayed(under(point(period_s=float(period)), limit=199.0))
    usable = [(1000 * period * i, float(v % 200), 0) for i, v in enumerate(data)]
    when = [START + at * MS for at, *_ in usable]
    for first in range(0, len(data), 97):
        part = slice(first, first + 97)
        rows = [v for _, v, _ in usable[part]]
        fold.apply_readings(fold.next_offset, when[part][-1], batch([1] * len(rows), when[part], rows))
        last = min(first + 97, len(data))
        want = window(usable[:last], 120_000)
        told = float(evaluator(fold).memory[0]["value"])
        if want.covered >= 0.75 * WINDOW:
            assert abs(told - want.dose / want.time) <= 200 * 10_000 / WINDOW


# The numbers of the domain


def test_the_worked_series_reaches_44_and_passes_30_at_minute_37() -> None:
    fold = replayed(under(point(), limit=30.0, warn_min=0.0))
    series = [10.0] * 30 + [60.0] * 10 + [12.0] * 31
    means, raised = [], []
    for minute, value in enumerate(series):
        changes = read(fold, (minute * 60_000, value, 0))
        raised += [minute for c in changes if c.rule == "stel" and c.level == 1 and c.basis == "reading"]
        means.append(float(evaluator(fold).memory[0]["value"]))
    assert max(m for m in means if m == m) == pytest.approx(44.0, abs=1e-12)
    assert raised == [37]
    assert means[36] == 30.0, "the limit itself is not above the limit"


def test_the_remaining_minutes_of_the_formula() -> None:
    """(15 STEL - dose in the window) / C, where the window's far end is empty and nothing leaves."""
    story = Story(of=under(point(), limit=30.0))
    for minute in range(12):
        story.read(60 * minute, 0.0)
    for minute in range(12, 15):
        story.read(60 * minute, 100.0)
    left = float(evaluator(story.fold).memory[1]["value"])
    assert left == pytest.approx((15 * 30 - 2 * 100) / 100)


def test_a_change_carries_the_minutes_left_and_the_coverage() -> None:
    story = Story(of=under(point(), limit=30.0, warn_delay_s=0.0))
    for minute in range(13):
        story.read(60 * minute, 0.0)
    for minute in range(13, 19):
        story.read(60 * minute, 100.0)
    soon, above = [c for c in story.said if c.rule == "stel" and c.level and c.basis == "reading"]
    assert soon.side == "low" and soon.value == pytest.approx(4.5)
    assert soon.figures == {"left": pytest.approx(4.5), "coverage": pytest.approx(13 / 15)}
    assert (above.side, above.figures) == ("high", {"left": 0.0, "coverage": 1.0})


def test_a_steady_concentration_below_the_limit_never_uses_it_up() -> None:
    story = Story(of=under(point(), limit=30.0))
    for minute in range(60):
        story.read(60 * minute, 29.0)
    assert seen(story.said, "stel") == []
    assert math.isinf(evaluator(story.fold).memory[1]["value"])


# Limits and units


def test_the_table_gives_the_limit_and_the_molar_mass_converts_it() -> None:
    (mean, _left) = plan([point(unit="ppm")], Params())
    assert mean.values["limit"] == pytest.approx(30 * 24.055 / 28.01)
    (mean, _left) = plan([point(unit="ppm")], Params(limit=60.0, limit_unit="mg/m3"))
    assert mean.values["limit"] == pytest.approx(60 * 24.055 / 28.01)
    (mean,) = plan([point(unit="ppm")], Params(limit=25.0, warn_min=0.0))
    assert mean.values["limit"] == 25.0


@pytest.mark.parametrize(
    ("changed", "params", "words"),
    [
        ({"cas": "7783-06-4"}, {}, "no short-term limit (PC-STEL) of 7783-06-4"),
        ({"cas": "", "unit": "ppm"}, {"limit": 9.0, "limit_unit": "mg/m3"}, "mg/m3 cannot be converted to ppm"),
        ({}, {"limit": -1.0}, "-1 is no limit"),
        ({}, {"limit": math.inf}, "inf is no limit"),
        ({}, {"limit_unit": "mg/m3"}, "a unit without a limit"),
        ({}, {"limit": 200.0}, "not below the end of the range 200"),
        ({"period_s": 300.0}, {}, "too seldom"),
        ({}, {"coverage": 0.2}, "0.2 is not possible"),
        ({}, {"coverage": math.nan}, "nan is not possible"),
        ({}, {"clear_share": 1.5}, "1.5 is not possible"),
        ({}, {"warn_min": -1.0}, "-1 is not possible"),
        ({}, {"warn_delay_s": 600.0}, "too late"),
    ],
)
def test_what_cannot_work_is_told(changed: dict[str, object], params: dict[str, float | str], words: str) -> None:
    problems = list(check(point(**changed), msgspec.convert(params, Params)))
    assert [words in str(p) for p in problems] == [True], [str(p) for p in problems]


def test_a_rule_over_the_wrong_tags_is_refused_in_one_go() -> None:
    wrong = msgspec.structs.replace(point(), measure="temperature", unit="°C")
    with pytest.raises(RuleProblems, match="measures no gas"):
        compile_rules(under(wrong), 0, 1)


# Bad, late, missing


def said_of(story: Story) -> list[int]:
    return exposures.said_of(story.said, "stel")


def filled(story: Story, value: float, minutes: int = 15) -> None:
    for minute in range(minutes + 1):
        story.read(60 * minute, value)


def test_no_word_before_three_quarters_are_covered() -> None:
    story = Story(of=under(point(), limit=30.0))
    for minute in range(12):
        story.read(60 * minute, 5.0)
    assert seen(story.said, "stel", first=True) == []
    story.read(720, 5.0)
    assert seen(story.said, "stel", first=True) == [("stel", "high", 0, "first"), ("stel", "low", 0, "first")]


def test_a_gap_is_missing_and_not_zero() -> None:
    """Three minutes of silence, of which the last reading holds for two: 14 of 15 minutes are known."""
    story = Story(of=under(point(), limit=30.0, warn_min=0.0))
    filled(story, 29.0)
    story.read(1080, 29.0)
    assert value_of(story) == pytest.approx(29.0)
    assert evaluator(story.fold).memory[0]["covered"] == 17 * 60_000


@pytest.mark.parametrize("quality", [Quality.BAD, Quality.NO_VALUE, Quality.SENSOR_FAILURE])
def test_bad_data_neither_raises_nor_clears(quality: Quality) -> None:
    story = Story(of=under(point(), limit=30.0, warn_min=0.0))
    filled(story, 29.0)
    for second in range(910, 1000, 10):
        story.read(second, 150.0, quality=quality)
    assert seen(story.said, "stel") == []
    filled(story := Story(of=under(point(), limit=30.0, warn_min=0.0)), 40.0)
    for second in range(910, 3600, 10):
        story.read(second, 0.0, quality=quality)
    assert said_of(story) == [1]


def test_uncertain_data_raises_but_its_time_is_no_proof() -> None:
    story = Story(of=under(point(), limit=30.0, warn_min=0.0))
    for minute in range(20):
        story.read(60 * minute, 40.0, quality=Quality.UNCERTAIN)
    assert said_of(story) == [1]
    for minute in range(20, 60):
        story.read(60 * minute, 0.0, quality=Quality.STALE)
    story.read(3600, 0.0)
    assert said_of(story) == [1], "a good reading after an hour of stale ones does not clear"
    for minute in range(61, 73):
        story.read(60 * minute, 0.0)
    assert said_of(story) == [1, 0]


def test_over_range_counts_as_the_end_of_the_range() -> None:
    story = Story(of=under(point(), limit=30.0, warn_min=0.0))
    for minute in range(4):
        story.read(60 * minute, None, quality=Quality.OVER_RANGE)
    assert [c.value for c in story.said if c.rule == "stel"] == [pytest.approx(40.0)]
    assert said_of(story) == [1]


def test_late_readings_are_not_used() -> None:
    story = Story(of=under(point(), limit=30.0))
    filled(story, 29.0)
    before = evaluator(story.fold).memory.copy()
    assert not [c for c in story.read(901, 190.0, event=880) if c.rule == "stel"]
    assert evaluator(story.fold).memory.tobytes() == before.tobytes()


@pytest.mark.parametrize("event", [100, -63_000_000])
def test_a_standing_or_broken_clock_still_adds_to_the_dose(event: int) -> None:
    story = Story(of=under(point(period_s=1.0, lateness_s=10.0), limit=30.0, warn_min=0.0))
    for second in range(100, 800):
        story.read(second, 60.0, event=event)
    assert said_of(story)[-1] == 1


def test_a_clock_that_goes_back_an_hour_keeps_the_window() -> None:
    story = Story(of=under(point(), limit=30.0, warn_min=0.0))
    filled(story, 29.0)
    for minute in range(16, 25):
        story.pass_time(60 * minute - 59, 60 * minute)
        story.read(60 * minute, 40.0, event=60 * minute - 3600)
    assert said_of(story) == [0, 1]


def test_a_gateway_that_starts_in_2024_and_is_set_right_keeps_the_window() -> None:
    story = Story(of=under(point(period_s=1.0, lateness_s=10.0), limit=30.0, warn_min=0.0))
    for second in range(890):
        story.read(second, 30.0)
    story.pass_time(890, 919)
    for second in range(920, 923):
        story.read(second, 30.0, event=second - 63_000_000)
    story.read(923, 30.0)
    assert value_of(story) == pytest.approx(30.0)
    assert evaluator(story.fold).memory[0]["covered"] == pytest.approx(923_000 - 21_000, abs=12_000)


def test_after_an_outage_the_window_is_empty_again() -> None:
    story = Story(of=under(point(), limit=30.0, warn_min=0.0))
    filled(story, 29.0)
    story.pass_time(901, 9_999)
    story.read(10_000, 10.0)
    assert math.isnan(value_of(story))
    for minute in range(1, 13):
        story.read(10_000 + 60 * minute, 10.0)
    assert value_of(story) == pytest.approx(10.0)


# Words


def test_the_words() -> None:
    mean, left = plan([point(unit="mg/m3", name="CO-1")], Params())
    up = say(Said(mean, mean.levels[0], 33.333, 0, 0.0))
    assert up.en == "CO-1 carbon monoxide: 15-minute mean 33.333 mg/m3, above the short-term limit 30 mg/m3"
    assert up.zh == "CO-1 一氧化碳：15 分钟平均 33.333 mg/m3，超过短时间接触限值 30 mg/m3"
    assert "still in alarm" in say(Said(mean, mean.levels[0], 29.0, 0, 0.0)).en
    assert "not enough data" in say(Said(mean, mean.levels[0], math.nan, 0, 0.0)).en
    assert "back below" in say(Said(mean, None, 20.0, 0, 0.0)).en
    soon = say(Said(left, left.levels[0], 4.27, 0, 0.0))
    assert "4.2 min left to the short-term limit 30 mg/m3" in soon.en and "约 4.2 分钟后" in soon.zh
    assert "used up" in say(Said(left, left.levels[0], 0.0, 0, 0.0)).en
    assert "not near" in say(Said(left, left.levels[0], math.inf, 0, 0.0)).en
    assert "not near" in say(Said(left, None, 12.0, 0, 0.0)).en
    assert KIND.unit(left) == "min" and KIND.unit(mean) == "mg/m3"
    assert KIND.window_dtype is not None and KIND.window_dtype.itemsize == 16
