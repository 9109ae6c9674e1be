"""Drift of zeros: against a slow reference that keeps every night, on simulated months, and in words."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from statistics import median

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import arl
from rules.engine import Fold
from rules.kinds.drift import neighbours
from rules.rulebook import compile_rules
from schemas.batch import batch
from schemas.changes import AlarmClass, ConditionChange
from schemas.quality import Quality
from schemas.registry import Measure, Tag
from schemas.time import SECOND
from tests.laws.settings import traces as laws
from tests.laws.traces import START, gas_tag
from tests.rules.kinds.instruments import Params, new_fold, problems, under

KIND = "drift"
WEEK: Params = {"nights": 7}
STEP_S = 600
DAY_S = 86_400
EVENING_S = 14 * 3600
"""From the start (08:00 in China) until 22:00."""
Nights = Sequence[Sequence[float]]
"""The zero of every tag in every night, shape (nights, tags)."""


def co(number: int, **changed: object) -> Tag:
    return msgspec.structs.replace(gas_tag(number, resolution=0.1, stale_s=3600.0, period_s=600.0), **changed)


Row = tuple[int, float, float, int]
"""Number of the tag, second, value, quality."""


def rows_of(nights: Nights, wobble: np.random.Generator | None = None) -> list[Row]:
    """From 22:00 to 08:00 a reading of every tag in ten minutes."""
    found = []
    for night, zeros in enumerate(nights):
        for k in range(60):
            second = night * DAY_S + EVENING_S + k * STEP_S
            for tag, zero in enumerate(zeros, 1):
                more = 0.0 if wobble is None else 0.2 * float(wobble.standard_normal())
                found.append((tag, float(second), zero + more, int(Quality.GOOD)))
    return found


def told(tags: Sequence[Tag], params: Params, rows: Sequence[Row]) -> list[ConditionChange]:
    """What the fold says of the kind; the rows of one second are one record."""
    fold = Fold(compile_rules(under(KIND, params, *tags), 0, 1), 0, 1)
    by_second: dict[float, list[Row]] = defaultdict(list)
    for row in rows:
        by_second[row[1]].append(row)
    found = []
    for offset, (second, group) in enumerate(by_second.items()):
        now = START + round(second * SECOND)
        number, _, value, quality = zip(*group, strict=True)
        found += fold.apply_readings(offset, now, batch(number, [now] * len(group), value, quality))
    return [c for c in found if c.rule == KIND and c.basis != "restatement"]


def levels(changes: Sequence[ConditionChange]) -> list[tuple[str, int, int]]:
    """(tag, day, level), without the first words that all is normal."""
    return [(c.subject, (c.event_ns - START) // (DAY_S * SECOND), c.level) for c in changes if c.basis != "first"]


class Slow:
    """One detector by lists: every night with its readings, and the baseline looked up in the list of medians."""

    def __init__(self, tag: Tag, others: Sequence[Tag], nights: int = 7, least: float = 0.5) -> None:
        self.tag, self.others, self.learn, self.least = tag, others, nights, least
        self.night: dict[int, tuple[float, float | None]] = {}  # by stretch of the night
        self.number = 0
        self.medians: list[list[float]] = [[], []]
        self.sums = [[0.0, 0.0], [0.0, 0.0]]
        self.calm = [0, 0]
        self.drifting = [False, False]

    def take(self, second: float, value: float, last: dict[int, tuple[float, float]], now: float) -> bool:
        local = second + 8 * 3600  # the start is 08:00 in China, nights begin at 00:00
        number, inside = int(local // DAY_S), local % DAY_S
        if self.night and (number != self.number or inside >= 6 * 3600):
            self.close()
            self.night = {}
        elif inside < 6 * 3600:
            self.number = number
            fresh = [last[t.number][0] for t in self.others if t.number in last and now - last[t.number][1] <= 3600]
            away = value - median(fresh) if len(fresh) >= 3 else None
            self.night.setdefault(int(inside // 300), (value, away))
        return any(self.drifting)

    def close(self) -> None:
        if len(self.night) < 18:
            return
        aways = [away for _, away in self.night.values() if away is not None]
        values = [median(v for v, _ in self.night.values()), median(aways) if len(aways) >= 18 else None]
        owns = len(self.medians[0])
        for which, x in enumerate(values):
            if x is None:
                continue
            learned = self.medians[which]
            if which == 1 and owns < self.learn and len(learned) != owns:
                continue  # theirs was not learned in step: it waits until its own is
            learned.append(x)
            if len(learned) <= self.learn:
                continue
            base = median(learned[: self.learn])
            sigma = max(2.5 * 1.4826 * median(abs(y - base) for y in learned[: self.learn]), self.least)
            z = min(max((x - base) / sigma, -4.0), 4.0)
            self.calm[which] = self.calm[which] + 1 if abs(z) <= 1 else 0
            up, down = self.sums[which]
            self.sums[which] = [max(0.0, up + z - 0.5), max(0.0, down - z - 0.5)]
            if self.drifting[which] and self.calm[which] >= 3:
                self.drifting[which], self.sums[which] = False, [0.0, 0.0]
            elif max(self.sums[which]) > 10:
                self.drifting[which] = True


def slow(tags: Sequence[Tag], rows: Sequence[Row], alone: bool = False) -> list[tuple[str, int, int]]:
    all_of = {t.number: Slow(t, () if alone else [o for o in tags if o != t]) for t in tags}
    last: dict[int, tuple[float, float]] = {}
    level = dict.fromkeys(all_of, False)
    found, now, before = [], 0.0, rows[0][1]
    for number, second, value, quality in rows:
        now, before = now + min(second - before, 10.0), second
        if quality != Quality.GOOD:
            continue
        drifting = all_of[number].take(second, value, last, now)
        last[number] = (value, now)
        if drifting != level[number]:
            found.append((all_of[number].tag.name, int(second // DAY_S), int(drifting)))
        level[number] = drifting
    return found


@laws(60)
@given(
    st.integers(1, 5).filter(lambda n: n != 2),
    st.lists(st.lists(st.sampled_from((0.0, 0.0, 0.0, 0.3, 0.6, 1.5, -1.5, 4.0)), min_size=5, max_size=5), min_size=8,
             max_size=22),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_the_fold_says_what_the_slow_reference_says(count: int, steps: Nights, seed: int) -> None:
    """Zeros that go up and down night by night; some readings bad, some missing for a night."""
    source = np.random.default_rng(seed)
    zeros = np.cumsum(np.array(steps), axis=0)[:, :count] % 9.0
    rows = [
        (tag, second, value, int(Quality.BAD if luck < 0.1 else quality))
        for (tag, second, value, quality), luck in zip(
            rows_of(zeros.tolist(), source), source.random(zeros.size * 60), strict=True
        )
        if luck < 0.95 and (second // DAY_S * 31 + tag * 17 + seed) % 23
    ]
    tags = [co(n) for n in range(1, count + 1)]
    assert levels(told(tags, WEEK, rows)) == slow(tags, rows, alone=count < 4)


def steady(nights: int, *zeros: float) -> list[list[float]]:
    return [list(zeros)] * nights


def test_a_zero_that_creeps_is_told_in_the_morning() -> None:
    creep = [[1.0 + 0.25 * n] for n in range(12)]
    raised = told([co(1)], WEEK, rows_of([*steady(7, 1.0), *creep]))[-1]
    assert (raised.level, raised.level_name, raised.alarm_class, raised.tier) == (1, "drift", AlarmClass.INSTRUMENT, 3)
    assert (raised.event_ns // SECOND - START // SECOND) % DAY_S == EVENING_S + 8 * 3600, "06:00 in China"
    assert levels([raised]) == [("CO-1", 14, 1)]
    assert levels([raised]) == slow([co(1)], rows_of([*steady(7, 1.0), *creep]), True)
    assert raised.text.zh == "CO-1 一氧化碳：零点漂移，夜间中位数 2.75 ppm，比基准高 1.75 ppm；安排检定"
    assert raised.text.en.endswith(
        "its zero drifts, 2.75 ppm at night, 1.75 ppm above its baseline; have it calibrated"
    )
    assert raised.figures == {"night": 2.75, "shift": 1.75} and raised.value == 1.75


def test_a_calibration_ends_it_after_three_nights() -> None:
    nights = [*steady(7, 1.0), *steady(4, 5.0), *steady(5, 1.0)]
    changes = told([co(1)], WEEK, rows_of(nights))
    assert levels(changes) == [("CO-1", 9, 1), ("CO-1", 13, 0)]
    assert changes[-1].text.en == "CO-1 carbon monoxide: its zero agrees with the baseline"


def test_downward_drift_is_told_too() -> None:
    (_, raised) = told([co(1)], WEEK, rows_of([*steady(7, 0.0), *steady(4, -3.0)]))
    assert raised.text.en.endswith("-3 ppm at night, 3 ppm below its baseline; have it calibrated")


def test_one_or_two_nights_of_gas_are_no_drift() -> None:
    assert levels(told([co(1)], WEEK, rows_of([*steady(7, 1.0), *steady(2, 60.0), *steady(6, 1.0)]))) == []


def test_what_all_do_together_is_the_weather_and_one_alone_stands_out() -> None:
    tags = [co(n) for n in range(1, 5)]
    weather = [1.0 + 1.5 * math.cos(2.0 * n) for n in range(27)]
    assert levels(told(tags, WEEK, rows_of([[w] * 4 for w in weather]))) == []
    one_off = [[w, w, w, w + (0.9 if n >= 7 else 0.0)] for n, w in enumerate(weather)]
    changes = told(tags, WEEK, rows_of(one_off))
    assert levels(changes) == [("CO-4", 14, 1)], "1.8 sigma beside the others, eight nights"
    raised = changes[-1]
    assert raised.value == pytest.approx(0.9) and raised.figures["beside"] == pytest.approx(0.9)
    assert "比周围探测器高 0.9 ppm" in raised.text.zh and "0.9 ppm above its neighbours" in raised.text.en


def test_a_given_zero_needs_no_learning() -> None:
    assert levels(told([co(1)], {"zero": 0.0}, rows_of(steady(4, 5.0)))) == [("CO-1", 2, 1)]


def test_too_few_readings_say_nothing_about_a_night() -> None:
    rows = [r for r in rows_of([*steady(7, 1.0), *steady(6, 9.0)]) if r[1] < 8 * DAY_S or r[1] % 1800 == 0]
    assert levels(told([co(1)], WEEK, rows)) == [], "twelve a night"


def test_oxygen_has_its_zero_at_clean_air() -> None:
    tag = co(1, cas="7782-44-7", unit="%VOL", range_high=30.0)
    assert levels(told([tag], {"zero": 20.9}, rows_of([*steady(6, 20.9), *steady(4, 19.9)]))) == [("CO-1", 8, 1)]


def test_neighbours() -> None:
    cell = [co(n, x_m=float(10 * n), y_m=0.0) for n in range(1, 13)]
    assert [t.number for t in neighbours(cell[5], cell)] == [5, 7, 4, 8, 3, 9, 2, 10]
    assert neighbours(cell[0], cell[:3]) == ()
    others = [co(2, cas="74-82-8"), co(3, unit="mg/m3"), co(4, measure=Measure.OTHER), *cell[4:7]]
    assert [t.number for t in neighbours(cell[0], others)] == [5, 6, 7]
    unplaced = [co(n) for n in range(1, 6)]
    assert [t.number for t in neighbours(unplaced[2], unplaced)] == [2, 4, 1, 5]


def test_false_alarms_and_the_time_to_find_a_shift_are_those_of_the_chart() -> None:
    assert arl.cusum_two_sided(10.0, 0.5) > 2 * 10_000
    assert arl.cusum(10.0, 0.5, 1.0) == pytest.approx(20.4, abs=0.1)
    assert arl.cusum(10.0, 0.5, 2.0) == pytest.approx(7.3, abs=0.1)


def test_three_hundred_nights_of_noise_raise_nothing() -> None:
    """Nights that scatter by half of the least sigma (0.5 ppm): four detectors, half of it the same weather for all."""
    source = np.random.default_rng(3)
    nights = 1.0 + 0.18 * source.standard_normal((300, 4)) + 0.18 * source.standard_normal((300, 1))
    rows = [r for r in rows_of(nights.tolist(), source) if 2 * 3600 <= r[1] % DAY_S - EVENING_S < 9 * 3600]
    assert levels(told([co(n) for n in range(1, 5)], {}, rows)) == []


def test_what_check_refuses() -> None:
    assert problems(KIND, co(1), {}) == []
    assert [p.path for p in problems(KIND, co(1, measure=Measure.LEVEL), {})] == ["measures"]
    bare = co(1, range_high=None, resolution=None)
    assert [p.path for p in problems(KIND, bare, {})] == ["params.least"]
    wrong = problems(
        KIND,
        co(1),
        {"hours": 30.0, "from_h": 24.0, "nights": 2, "zero": math.inf, "least": 2.0, "threshold": 1.0},
    )
    assert [p.path.rpartition(".")[2] for p in wrong] == ["hours", "from_h", "nights", "zero", "least", "threshold"]
    assert all(p.message and p.cure for p in wrong)
    assert [p.path for p in problems(KIND, co(1), {"hours": 2.0})] == ["params.hours"], "12 readings"


def test_its_memory_is_small() -> None:
    evaluator = next(e for e in new_fold(KIND, co(1), {}).standing.evaluators if e.id == KIND)
    assert sum(a[:1].nbytes for a in (evaluator.conditions, evaluator.gates, evaluator.memory)) <= 400
    assert evaluator.windows is not None and evaluator.windows.samples.itemsize == 16
