"""Anomaly against a slow oracle that keeps every reading, and numpy.linalg for the distances."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.cases import run_example
from rules.engine import Fold
from rules.kinds import kinds
from rules.kinds.anomaly import Params, bind
from rules.projection import diagonals, statistics
from rules.rulebook import RuleProblems, check_rules, compile_rules
from rules.stepping import CLIP
from rules.unitcharts import FIGURES, MARGIN
from schemas.batch import batch
from schemas.changes import Basis, ConditionChange
from schemas.models import FORMAT, Model, ModelInput, faults, stamp
from schemas.quality import Quality
from schemas.records import Kind as RecordKind
from schemas.records import Tick, encode
from schemas.registry import Measure, Revision, Rule, Tag
from schemas.time import DAY, SECOND
from tests.laws.settings import traces
from tests.laws.traces import START, revision

STEP_S = 10.0
TICK = encode(Tick(by="test"))


def model(inputs: int, lags: int = 0, harmonics: int = 0, kept: int | None = None, **fields: Any) -> Model:
    """A model with the components of a fixed covariance."""
    columns = inputs * (lags + 1) + 2 * harmonics
    mixed = np.random.default_rng(columns).normal(size=(3 * columns, columns))
    values, vectors = np.linalg.eigh(np.cov(mixed.T))
    kept = columns if kept is None else min(kept, columns)
    given: dict[str, Any] = {
        "name": "unit",
        "step_s": STEP_S,
        "lags": lags,
        "harmonics": harmonics,
        "weight": 0.3,
        "main": max(1, kept // 2),
        "rest": float(values[::-1][kept:].mean()) if kept < columns else 0.0,
        "ridge": 0.1,
        "limits": (9.0, 4.0, 12.0, 2.0, 6.0),
        "alarms_per_month": 1.0,
        "trained_from": "2026-01-01T00:00:00Z",
        "trained_to": "2026-02-01T00:00:00Z",
        "samples": 1000,
        "held_out_share": 0.0,
        "inputs": tuple(
            ModelInput(tag=f"T-{n}", unit="°C", mean=10.0 * n, scale=1.0 + n, low=low, high=low + 7.0, hold_s=25.0)
            for n in range(1, inputs + 1)
            for low in [10.0 * n - 3]
        ),
        "variances": tuple(values[::-1][:kept].tolist()),
        "loadings": tuple(map(tuple, vectors[:, ::-1].T[:kept].tolist())),
    }  # fmt: skip
    return Model(**{**given, **fields})


def tags(inputs: int, **fields: Any) -> tuple[Tag, ...]:
    plain: dict[str, Any] = {"enterprise": "works", "measure": Measure.TEMPERATURE, "unit": "°C", "period_s": 10.0}
    return tuple(Tag(number=n, name=f"T-{n}", **{**plain, **fields}) for n in range(1, inputs + 1))


def of(given: Model, *listed: Tag, **params: Any) -> Revision:
    rule = Rule(
        id="anomaly", kind="anomaly", tags=tuple(t.name for t in listed), params={"model": given.name, **params}
    )
    return msgspec.structs.replace(revision(*listed), rules=(rule,), models=(given,))


def said(fold: Fold, tag: int, at_ns: int, value: float, quality: int = 0) -> list[ConditionChange]:
    changes = fold.apply_readings(fold.next_offset, at_ns, batch([tag], [at_ns], [value], [quality]))
    return [c for c in changes if c.rule == "anomaly"]


class Oracle:
    """Keeps every good reading and works everything out from the beginning at each judgement."""

    def __init__(self, given: Model) -> None:
        self.model = given
        self.steps: list[dict[int, list[float]]] = [{} for _ in given.inputs]
        self.value = 0.0
        self.clock: int | None = None
        self.done = -1

    def read(self, which: int, at_ns: int, value: float) -> None:
        one, cell = self.model.inputs[which], at_ns // round(self.model.step_s * SECOND)
        if self.clock is not None and cell > self.clock and self.done < self.clock:
            self.judge(self.clock)
        self.clock = cell
        low, high = (one.low - one.mean) / one.scale - MARGIN, (one.high - one.mean) / one.scale + MARGIN
        z = min(max((value - one.mean) / one.scale, low), high)
        first = cell not in self.steps[which]
        self.steps[which].setdefault(cell, []).append(z)
        if first and all(cell in steps for steps in self.steps):
            self.judge(cell)

    def input(self, which: int, cell: int) -> tuple[list[float], list[float]] | None:
        """Value and smoothed value now and at the lags; None when missing."""
        steps, hold = self.steps[which], math.ceil(self.model.inputs[which].hold_s / self.model.step_s)
        heard = sorted(c for c in steps if c <= cell)
        if not heard or cell - heard[-1] > hold:
            return None
        begin = heard[-1]
        for before, after in zip(reversed(heard[:-1]), reversed(heard), strict=False):
            if after - before > hold:
                break
            begin = before
        means: list[float] = []
        smooth = [0.0]
        for c in range(begin, cell + 1):
            here = steps.get(c)
            means.append(sum(here) / len(here) if here else means[-1])
            smooth.append(smooth[-1] + self.model.weight * (min(max(means[-1], -CLIP), CLIP) - smooth[-1]))
        smooth = [0.0, 0.0, *smooth]
        lags = range(self.model.lags + 1)
        # only two steps before the newest reading are remembered, and the first step stands for what was before it
        back = [max(0, len(means) - 1 - lag, heard[-1] - begin - 2) for lag in lags]
        return [means[n] for n in back], [smooth[-1 - lag] for lag in lags]

    def judge(self, cell: int) -> None:
        self.done = cell
        found = [self.input(n, cell) for n in range(len(self.model.inputs))]
        missing = [one is None for one in found]
        if sum(missing) > 0.25 * len(found):
            return
        lags, day = range(self.model.lags + 1), ((cell + 0.5) * self.model.step_s * SECOND % DAY) / DAY
        wave = [
            math.sqrt(2) * turn(2 * math.pi * (n + 1) * day)
            for n in range(self.model.harmonics)
            for turn in (math.sin, math.cos)
        ]
        ratios = []
        for smoothed in (0, 1):
            z = np.array([0.0 if one is None else one[smoothed][lag] for lag in lags for one in found] + wave)
            gone = np.array(missing * len(lags) + [False] * len(wave))
            plane = np.array(self.model.loadings[: self.model.main])
            for _ in range(8):
                z[gone] = (plane.T @ (plane @ z))[gone]
            ratios += distances(self.model, z)[smoothed:]
        self.value = max(r / limit for r, limit in zip(ratios, self.model.limits, strict=True))


def distances(given: Model, z: Any) -> list[float]:
    """T2, SPE and D as z'Mz, with the matrices written out."""
    p, v, k = np.array(given.loadings), np.array(given.variances), given.main
    inside, outside = p[:k], p[k:]
    t2 = inside.T @ np.linalg.inv(np.diag(v[:k])) @ inside
    spe = np.eye(len(z)) - inside.T @ inside
    d = outside.T @ np.linalg.inv(np.diag(v[k:] + given.ridge)) @ outside
    d += (np.eye(len(z)) - p.T @ p) / (given.rest + given.ridge)
    return [float(z @ m @ z) for m in (t2, spe, d)]


@traces(150)
@given(
    st.integers(2, 5),
    st.integers(0, 2),
    st.integers(0, 1),
    st.integers(1, 8),
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 9), st.floats(-8, 8), st.integers(0, 9)), min_size=20, max_size=90
    ),
)  # fmt: skip
def test_every_judgement_is_that_of_the_oracle(
    inputs: int, lags: int, harmonics: int, kept: int, steps: list[tuple[int, int, float, int]]
) -> None:
    given_model = model(inputs, lags, harmonics, kept)
    fold, oracle = Fold(compile_rules(of(given_model, *tags(inputs)), 0, 1), 0, 1), Oracle(given_model)
    evaluator = next(e for e in fold.standing.evaluators if e.id == "anomaly")
    at_ns = START
    for which, wait, z, kind in steps:
        which %= inputs
        # rarely a long silence, most often a part of a step
        at_ns += (60 if wait == 9 else wait) * SECOND + 1000
        one = given_model.inputs[which]
        bad = kind == 0
        said(fold, which + 1, at_ns, one.mean + one.scale * z, Quality.BAD if bad else Quality.GOOD)
        if not bad:
            oracle.read(which, at_ns, one.mean + one.scale * z)
        assert float(evaluator.memory["value"][0]) == pytest.approx(oracle.value, rel=1e-9, abs=1e-9)


@traces(100)
@given(st.integers(2, 5), st.integers(0, 2), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_distances_are_quadratic_forms(inputs: int, lags: int, kept: int, seed: int) -> None:
    given_model = model(inputs, lags, 1, kept)
    states = np.random.default_rng(seed).normal(size=(5, given_model.columns))
    for state, found in zip(states, statistics(given_model, states), strict=True):
        assert found.tolist() == pytest.approx(distances(given_model, state), rel=1e-9, abs=1e-9)
    units = np.eye(given_model.columns)
    wanted = np.array([distances(given_model, unit) for unit in units]).T
    assert diagonals(given_model) == pytest.approx(np.maximum(wanted, 1e-9), rel=1e-9, abs=1e-9)


def test_the_input_that_is_moved_is_named_with_its_direction() -> None:
    """Four inputs that say the same; the third is read too low."""
    ways = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
    together = model(
        4,
        variances=(3.9, 0.03, 0.03, 0.03),
        main=1,
        limits=(50.0, 2.0, 20.0, 1.0, 10.0),
        loadings=tuple(map(tuple, ways.tolist())),
    )
    fold = Fold(compile_rules(of(together, *tags(4)), 0, 1), 0, 1)
    found: list[ConditionChange] = []
    for second in range(0, 100, 10):
        for n, one in enumerate(together.inputs, 1):
            low = -2.5 * one.scale if n == 3 and second >= 50 else 0.0
            found += said(fold, n, START + second * SECOND, one.mean + low)
    raised, *again = [c for c in found if c.level]
    assert {c.basis for c in again} <= {Basis.RESTATEMENT}, "an onset is told once"
    assert raised.event_ns == START + 50 * SECOND and raised.tier == 3 and raised.level_name == "anomaly"
    assert raised.figures["first"] == -3 and raised.figures["first_share"] > 0.5
    assert set(raised.figures) <= set(FIGURES) and raised.figures["missing"] == 0
    assert "T-3 low" in raised.text.en and "T-3 偏低" in raised.text.zh


def test_missing_inputs_are_made_up_for_until_too_many_are() -> None:
    given_model = model(4)
    fold = Fold(compile_rules(of(given_model, *tags(4)), 0, 1), 0, 1)
    memory = next(e for e in fold.standing.evaluators if e.id == "anomaly").memory
    for second in range(0, 200, 10):
        for n, one in enumerate(given_model.inputs, 1):
            silent = (n == 4 and second >= 50) or (n == 3 and second >= 120)
            said(fold, n, START + second * SECOND, one.mean, Quality.BAD if silent else Quality.GOOD)
        if second == 100:
            assert memory["figures"][0][6] == 1 and memory["done"][0] == (START + 90 * SECOND) // (10 * SECOND)
    was = memory["value"][0]
    said(fold, 1, START + 200 * SECOND, given_model.inputs[0].high)
    assert memory["value"][0] == was, "with two of four missing nothing is judged"


class Clocks:
    """A fold of a unit whose four inputs may have wrong clocks; every reading has a higher sequence than the last."""

    def __init__(self, given: Model) -> None:
        self.model = given
        self.fold = Fold(compile_rules(of(self.model, *tags(4)), 0, 1), 0, 1)
        self.memory = next(e for e in self.fold.standing.evaluators if e.id == "anomaly").memory
        self.number = 1 << 32

    def read(self, second: int, offs: tuple[int, ...], z: float = 0.0) -> list[ConditionChange]:
        """Every input once at this second; clock n is off by `offs[n]` s."""
        told: list[ConditionChange] = []
        for n, (one, off) in enumerate(zip(self.model.inputs, offs, strict=True), 1):
            at_ns, self.number = START + second * SECOND, self.number + 1
            row = batch([n], [at_ns + off * SECOND], [one.mean + z * one.scale], [Quality.GOOD], [self.number])
            told += self.fold.apply_readings(self.fold.next_offset, at_ns, row)
        told += self.fold.apply(self.fold.next_offset, START + second * SECOND, RecordKind.TICK, TICK)
        return [c for c in told if c.rule == "anomaly" and c.basis is not Basis.RESTATEMENT]


@pytest.mark.parametrize("wrong", [(1, 2, 3, 4), (2, 3, 4), (1, 2, 3), (4,), (1,)])
def test_a_unit_whose_gateways_are_set_back_by_an_hour_is_judged_again(wrong: tuple[int, ...]) -> None:
    """Whichever inputs are behind, the unit is judged by the clock that most of them keep."""
    unit = Clocks(model(4))
    for second in range(0, 60, 10):
        unit.read(second, (0,) * 4)
    offs = tuple(-3600 if n in wrong else 0 for n in (1, 2, 3, 4))
    for second in range(60, 130, 10):
        unit.read(second, offs)
    steps = []
    for second in range(130, 200, 10):
        unit.read(second, offs)
        steps.append(int(unit.memory["clock"][0]))
    assert [b - a for a, b in pairwise(steps)] == [1] * 6, "it goes on step by step"
    off = -3600 if len(wrong) > 2 else 0
    assert steps[-1] == (START + (190 + off) * SECOND) // (10 * SECOND)
    told = [c for second in (200, 210, 220) for c in unit.read(second, offs, 5.0)]
    assert [c.level for c in told] == [1]
    for second in range(230, 400, 10):
        told += unit.read(second, (0,) * 4)
    assert [c.level for c in told] == [1, 0], "and again when the clocks are right"
    told += [c for second in (400, 410) for c in unit.read(second, (0,) * 4, 5.0)]
    assert [c.level for c in told] == [1, 0, 1]


def test_half_a_unit_with_another_clock_is_not_judged_and_nothing_is_told() -> None:
    unit = Clocks(model(4))
    for second in range(0, 60, 10):
        unit.read(second, (0,) * 4)
    told = [c for second in range(100, 900, 10) for c in unit.read(second, (0, 0, -3600, -3600), 5.0)]
    assert not [c for c in told if c.level]


@pytest.mark.parametrize("ahead", [1, 4])
def test_an_input_whose_clock_runs_ahead_takes_nothing_from_the_others(ahead: int) -> None:
    """4 s are more than the hold of 2 s; further ahead its time is replaced on admission."""
    inputs = tuple(msgspec.structs.replace(one, hold_s=2.0) for one in model(4).inputs)
    unit = Clocks(msgspec.structs.replace(model(4), step_s=1.0, inputs=inputs))
    for second in range(60):
        unit.read(second, (ahead, 0, 0, 0))
        if second:
            assert unit.memory["figures"][0][6] == 0, "none is missing"
            assert unit.memory["clock"][0] == START // SECOND + second
    told = [c for second in (60, 61) for c in unit.read(second, (ahead, 0, 0, 0), 5.0)]
    assert [c.level for c in told] == [1]


def test_another_model_begins_anew() -> None:
    old, new = model(2), model(2, weight=0.5)
    assert stamp(old) != stamp(new)
    fold = Fold(compile_rules(of(old, *tags(2)), 0, 1), 0, 1)
    for second in range(0, 50, 10):
        for n, one in enumerate(old.inputs, 1):
            said(fold, n, START + second * SECOND, one.mean + 3 * one.scale)
    fresh = Fold(compile_rules(msgspec.structs.replace(of(new, *tags(2)), number=2), 0, 1), 0, 1)
    fold.activate(fold.next_offset, START + 50 * SECOND, fresh.rulebook)
    for second in range(60, 100, 10):
        for n, one in enumerate(new.inputs, 1):
            for each in (fold, fresh):
                said(each, n, START + second * SECOND, one.mean + one.scale)
    values = [next(e for e in f.standing.evaluators if e.id == "anomaly").memory["value"][0] for f in (fold, fresh)]
    assert values[0] == values[1]


# What `check` says

THREE = tags(3)


@pytest.mark.parametrize(
    ("given", "listed", "params", "wanted"),
    [
        (model(3), THREE[:2], {}, "needs tag 'T-3', which is not in the tag list"),
        (model(3), (*THREE[:2], msgspec.structs.replace(THREE[2], unit="K")), {}, "T-3 in °C, but the tag is in K"),
        (model(3), (*THREE[:2], msgspec.structs.replace(THREE[2], cell="other")), {}, "are in 2 cells"),
        (model(3, form=FORMAT + 1), THREE, {}, f"form {FORMAT + 1}, this program reads form {FORMAT}"),
        (model(3), THREE, {"model": "nothing"}, "there is no model 'nothing'"),
        (model(3), THREE, {"model": ""}, "it names no model"),
        (model(3), THREE, {"model": "{}"}, "this is not a model"),
        (model(3), THREE, {"off_delay_s": -1.0}, "-1 is no length of time"),
        (model(3, limits=(1.0,)), THREE, {}, "1 limits for 5 charts"),
    ],
)
def test_problems_are_told(given: Model, listed: tuple[Tag, ...], params: dict[str, Any], wanted: str) -> None:
    problems = check_rules(of(given, *listed, **params))
    assert any(wanted in p.message for p in problems), problems
    assert all(p.cure for p in problems)
    with pytest.raises(RuleProblems):
        compile_rules(of(given, *listed, **params), 0, 1)


def test_a_rule_that_is_not_asked_of_all_inputs() -> None:
    asked = of(model(3), *THREE)
    narrow = msgspec.structs.replace(asked, rules=(msgspec.structs.replace(asked.rules[0], tags=("T-1", "T-2")),))
    assert [p.message for p in check_rules(narrow)] == ["model 'unit' also needs T-3, which this rule is not asked of"]
    wide = msgspec.structs.replace(asked, rules=(msgspec.structs.replace(asked.rules[0], tags=("*",)),))
    assert check_rules(wide) == ()


def test_a_model_can_stand_in_the_parameters() -> None:
    text = msgspec.json.encode(model(3)).decode()
    assert bind(Params(model=text), revision(*THREE)).model == model(3)
    assert check_rules(of(model(2), *THREE, model=text)) == ()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"inputs": model(2).inputs[:1]}, "inputs"),
        ({"lags": 3}, "lags"),
        ({"main": 0}, "loadings"),
        ({"ridge": 0.0}, "loadings"),
        ({"weight": 1.5}, "weight"),
        ({"step_s": 1e-10}, "step_s"),
        ({"step_s": 1e12}, "step_s"),
        (
            {"step_s": 0.001, "inputs": (*model(2).inputs, msgspec.structs.replace(model(3).inputs[2], hold_s=1e6))},
            "inputs",
        ),
        ({"inputs": ()}, "inputs"),
        ({"inputs": (*model(2).inputs, model(2).inputs[0])}, "inputs"),
    ],
)
def test_a_model_that_is_wrong_by_itself(wrong: dict[str, Any], field: str) -> None:
    assert field in [name for name, _, _ in faults(msgspec.structs.replace(model(3), **wrong))]
    assert not list(faults(model(3)))


def test_the_examples_say_it_in_both_languages() -> None:
    kind = kinds()["anomaly"]
    assert len(kind.examples) >= 3
    for example in kind.examples:
        assert run_example("anomaly", example).problems == ()
