"""Noise: what sigma is, what is learned and what is not, and the fold against a slow reference."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given

from rules.rulebook import compile_rules
from schemas.batch import batch
from schemas.quality import Quality
from schemas.registry import Measure, Tag
from schemas.time import seconds
from tests.laws.settings import traces as laws
from tests.laws.traces import START, gas_tag, level_tag
from tests.rules.kinds.instruments import (
    NO_PARAMS,
    SPANS,
    Params,
    Reading,
    Told,
    changes,
    every_place,
    healthy,
    in_order,
    names,
    new_fold,
    problems,
    raised_by,
    told,
    traces,
    under,
)

WEEK_S = 7 * 86_400
TAG = level_tag(1)
SOON: Params = {"learn_s": 100.0}
GIVEN: Params = {"usual": 0.5}


def slow(tag: Tag, ratio: float, usual: float, lessons: int, least: float, readings: Sequence[Reading]) -> Told:
    """By lists: all differences since the last hole; every tenth is judged. `usual` 0 is to be learned."""
    near, differences = list[float](), list[float]()
    known, learned, taught, verdict = usual, 0.0, 0, ""
    last, caused, active, found = None, -math.inf, False, []
    for number, r in in_order(tag, readings):
        if r.quality >= Quality.UNCERTAIN or not math.isfinite(r.value):
            continue
        hole = max(10, 3 * tag.period_s)
        if last is not None and (r.event < last.event or r.event - last.event > hole or r.now - last.now > hole):
            near, differences, verdict = [], [], ""
        last = r
        near = [*near, r.value][-3:]
        if len(near) == 3:
            differences.append(abs(near[2] - 2 * near[1] + near[0]))
            if len(differences) >= 30 and len(differences) % 10 == 0:
                sigma = 1.4826 / math.sqrt(6) * statistics.median(differences[-30:])
                x, share = max(sigma, least), math.log(2) * 10 * tag.period_s / 86_400
                learning = not usual and taught < lessons
                if learning:
                    taught += 1
                    share = max(1 / taught, share)
                compared = max(known, least)
                if learning or (not usual and sigma <= 2 * compared and verdict != "noisy"):
                    moved = known * (1 + share) if x > known else known / (1 + share) if x < known else known
                    known = moved if known else x
                    learned = known if learning else learned
                    known = min(max(known, learned / 2), 2 * learned)
                verdict = "" if learning else "noisy" if sigma > ratio * compared else "between"
                verdict = "calm" if verdict == "between" and sigma <= ratio / 2 * compared else verdict
        if verdict == "noisy":
            caused = r.now
            if not active:
                found.append((number, 1))
            active = True
        elif active and verdict == "calm" and r.now - caused >= 60:
            active = False
            found.append((number, 0))
    return found


STRETCHES = (1.0, 1.0, 12.0, 1.0, 0.5, 8.0, 1.0, 3.0)
NUMBERS = tuple(round(4 * math.sin(1.7 * k) * math.cos(k), 2) for k in range(97))


def stretched(readings: Iterable[Reading]) -> list[Reading]:
    """The same with calm and noisy stretches of 80 readings each."""
    return [r._replace(value=50.0 + 0.25 * r.value * STRETCHES[n // 80 % 8]) for n, r in enumerate(readings)]


@laws(18)
@given(traces(NUMBERS, (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 3.0), 900, 1800).map(stretched))
def test_the_fold_says_what_the_slow_reference_says(readings: list[Reading]) -> None:
    for params, usual, lessons in ((GIVEN, 0.5, 0), (SOON, 0.0, 10)):
        assert told("noise", TAG, params, readings) == slow(TAG, 4.0, usual, lessons, 0.1, readings)


def white(sigmas: Iterable[float], seed: int = 1, every_s: float = 1.0) -> list[Reading]:
    noise = np.random.default_rng(seed).standard_normal(1_000_000)
    return [Reading(t * every_s, t * every_s, 50.0 + float(s * noise[t])) for t, s in enumerate(sigmas)]


def kept(params: Params, readings: Sequence[Reading], field: str, tag: Tag = TAG) -> float:
    """What the rule has in mind after these readings."""
    fold = new_fold("noise", tag, params)
    for n, r in enumerate(readings):
        now = START + seconds(r.now)
        fold.apply_readings(n, now, batch([1], [now], [r.value]))
    (evaluator,) = (e for e in fold.standing.evaluators if e.id == "noise")
    return float(evaluator.memory[0][field])


@pytest.mark.long
def test_sigma_of_white_noise_is_its_standard_deviation() -> None:
    found = [kept(GIVEN, white([2.0] * 32, seed), "value") for seed in range(100)]
    assert statistics.mean(found) == pytest.approx(2.0, rel=0.08)


def test_the_usual_noise_is_learned_as_the_median() -> None:
    assert kept({"learn_s": 2000.0}, white([2.0] * 2100), "usual") == pytest.approx(2.0, rel=0.15)


def test_a_noisy_part_of_the_lessons_is_not_what_is_learned() -> None:
    sigmas = [2.0] * 900 + [40.0] * 300 + [2.0] * 900
    assert kept({"learn_s": 2000.0}, white(sigmas), "usual") == pytest.approx(2.0, rel=0.3)


def test_a_noisy_stretch_teaches_nothing() -> None:
    """The usual noise is the same at its end as at its begin, however long it lasts."""
    calm = white([1.0] * 500)
    both = white([1.0] * 500 + [6.0] * 3000)
    assert kept(SOON, both, "usual") == pytest.approx(kept(SOON, calm, "usual"), rel=0.01)
    assert told("noise", TAG, SOON, both)[-1][1] == 1


@pytest.mark.long
def test_noise_that_grows_for_weeks_is_found() -> None:
    """A reading a minute; the noise doubles every four days."""
    sigmas = [0.5 * 2 ** (t / 5760) for t in range(14 * 1440)]
    raised, level = told("noise", level_tag(1, period_s=60.0), NO_PARAMS, white(sigmas, 1, 60.0))[0]
    assert level == 1 and 8 * 1440 < raised < 14 * 1440


@pytest.mark.long
def test_what_changes_slowly_is_followed() -> None:
    """Up to double of what was learned."""
    sigmas = [0.5 * min(2.0, 2 ** (t / 5760)) for t in range(8 * 1440)]
    tag = level_tag(1, period_s=60.0)
    assert kept(NO_PARAMS, white(sigmas, 1, 60.0), "usual", tag) == pytest.approx(1.0, rel=0.15)
    assert told("noise", tag, NO_PARAMS, white(sigmas, 1, 60.0)) == []


@pytest.mark.parametrize(
    "shape",
    [
        lambda t: 2.0 * max(0, t - 100),
        lambda t: 0.02 * max(0, t - 100) ** 2,
        lambda t: 40.0 * (t >= 100),
        lambda t: 40.0 * (t % 10 == 0),
        lambda t: 30.0 * math.sin(2 * math.pi * t / 120),
    ],
    ids=["ramp", "runaway", "step", "spikes", "slow swing"],
)
def test_what_the_process_does_is_no_noise(shape: object) -> None:
    readings = [r._replace(value=r.value + shape(r.now)) for r in white([0.5] * 160)]  # type: ignore[operator]
    assert told("noise", TAG, GIVEN, readings) == []


def test_five_times_the_usual_noise_is_told_within_a_window() -> None:
    (raised,) = told("noise", TAG, GIVEN, white([0.5] * 100 + [2.5] * 60))
    assert raised[1] == 1 and 100 < raised[0] <= 140


def test_noise_below_a_thousandth_of_the_span_or_half_a_step_is_none() -> None:
    quiet = [0.001] * 150
    assert told("noise", TAG, SOON, white(quiet + [0.2] * 100)) == []
    assert told("noise", TAG, SOON, white(quiet + [0.8] * 100)) != []
    assert told("noise", level_tag(1, resolution=1.0), SOON, white(quiet + [0.8] * 100)) == []
    assert told("noise", level_tag(1, range_high=None), SOON, white(quiet + [0.2] * 100)) != []


def test_without_any_measure_of_noise_nothing_is_judged() -> None:
    tag = level_tag(1, range_high=None)
    assert told("noise", tag, SOON, [Reading(t, t, 50.0) for t in range(300)]) == []
    assert kept(SOON, [Reading(t, t, 50.0) for t in range(300)], "taught", tag) == 0


@pytest.mark.parametrize("quality", [Quality.BAD, Quality.STALE, Quality.FUNCTION_CHECK])
def test_what_is_not_good_is_not_judged(quality: Quality) -> None:
    readings = [r._replace(quality=quality) for r in white([5.0] * 200)]
    assert told("noise", TAG, GIVEN, readings) == []


def test_late_readings_are_passed_over() -> None:
    readings = white([0.3] * 200)
    for late in range(20, 200, 2):
        readings.insert(late, Reading(readings[late - 1].now, readings[late - 1].now - 3.25, 90.0))
    assert told("noise", TAG, GIVEN, readings) == []


def test_a_hole_empties_the_window_and_ends_nothing() -> None:
    noisy = white([5.0] * 60)
    after = [r._replace(now=r.now + 100, event=r.event + 100) for r in white([0.3] * 30, 2)]
    assert told("noise", TAG, GIVEN, noisy + after) == [(31, 1)]


@pytest.mark.parametrize("measure", [Measure.STATE, Measure.WIND_SPEED, Measure.WIND_DIRECTION])
def test_what_trembles_by_nature_is_not_watched(measure: Measure) -> None:
    assert told("noise", level_tag(1, measure=measure), GIVEN, white([5.0] * 100)) == []


def test_a_healthy_week_raises_nothing() -> None:
    assert raised_by("noise", 60, healthy(60, WEEK_S)) == []


def test_six_hours_of_a_healthy_plant_at_a_second_raise_nothing() -> None:
    assert raised_by("noise", 1, healthy(1, 6 * 3600), {"learn_s": 3600.0}) == []


def test_every_place_of_the_plant_that_grows_noisy_is_told() -> None:
    values = healthy(10, 4 * 3600).copy()
    values[800:] += 0.05 * SPANS * np.random.default_rng(1).standard_normal((640, len(SPANS)))
    assert names(raised_by("noise", 10, values, {"learn_s": 7200.0})) == every_place("WS-1", "WD-1")


def test_what_check_refuses() -> None:
    assert problems("noise", TAG, NO_PARAMS) == []
    wrong: tuple[Params, ...] = (
        {"ratio": 1.5, "learn_s": 50.0, "usual": 0.0, "least": -0.1},
        {"ratio": math.inf, "learn_s": math.inf, "usual": math.nan, "least": math.nan},
    )
    for params in wrong:
        found = problems("noise", TAG, params)
        assert [p.path for p in found] == ["params.ratio", "params.learn_s", "params.usual", "params.least"]
        assert all(p.message and p.cure for p in found)


def test_its_words() -> None:
    said = [c for _, c in changes("noise", gas_tag(), GIVEN, white([5.0] * 60 + [0.2] * 120))]
    first, raised, ended = said
    assert first.value is None  # nothing was judged yet
    assert raised.text.zh.startswith("CO-1 一氧化碳：噪声标准差 ")
    assert raised.text.zh.endswith(" ppm，超过平时的 4 倍，检查接线和仪表")
    assert "more than 4 times the usual" in raised.text.en
    assert raised.value == pytest.approx(5.0, rel=0.4)
    assert (raised.limit, raised.unit, raised.level_name, raised.tier) == (2.0, "ppm", "noisy", 3)
    assert ended.text.zh == "CO-1 一氧化碳：噪声恢复正常"


def test_a_limit_is_told_where_it_is_known() -> None:
    for params, limit in ((GIVEN, 2.0), (SOON, None)):
        (compiled,) = (r for r in compile_rules(under("noise", params, TAG), 0, 1).rules if r.rule.id == "noise")
        (level,) = compiled.watched[0].plan.levels
        assert level is not None and level.limit == limit
