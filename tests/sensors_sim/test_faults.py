"""Laws over every kind of fault, whichever files lie in the folder."""

from __future__ import annotations

from types import ModuleType

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors_sim.faults import Shown, kinds
from sensors_sim.plant import Plant
from sensors_sim.scenario import ScenarioError, at_work
from tests.laws.settings import traces
from tests.sensors_sim.plants import plant, scenario

KINDS = pytest.mark.parametrize("kind", kinds().values(), ids=list(kinds()))
SETTLED_S = 1800.0
"""So long after its end a fault has left no trace."""


def quiet(of: Plant) -> Shown:
    return Shown.of(of.step())


def copy(shown: Shown) -> Shown:
    return Shown(
        shown.value.copy(),
        shown.over_range.copy(),
        shown.missing.copy(),
        set(shown.offline),
        set(shown.backfill),
        dict(shown.clock_s),
        dict(shown.copies),
    )


def same(one: Shown, other: Shown) -> bool:
    return (
        bool(np.allclose(one.value, other.value, rtol=0, atol=1e-9))
        and np.array_equal(one.over_range, other.over_range)
        and np.array_equal(one.missing, other.missing)
        and one.offline == other.offline
        and one.backfill == other.backfill
        and one.clock_s == other.clock_s
        and one.copies == other.copies
    )


@KINDS
def test_the_example_is_one(kind: ModuleType) -> None:
    example = kind.EXAMPLE
    assert isinstance(example, kind.Spec)
    assert example.kind == kind.KIND
    assert msgspec.convert(msgspec.to_builtins(example), kind.Spec) == example
    assert kind.__doc__


@KINDS
def test_a_scenario_can_name_it(kind: ModuleType) -> None:
    (made,) = at_work(scenario(msgspec.to_builtins(kind.EXAMPLE)), plant()).effects
    assert isinstance(made, kind.Effect)


@KINDS
def test_it_changes_nothing_before_it_starts(kind: ModuleType) -> None:
    built = plant()
    effect = kind.Effect(kind.EXAMPLE, built)
    for second in range(int(kind.EXAMPLE.start_s)):
        shown = quiet(built)
        before = copy(shown)
        effect.apply(float(second), shown)
        assert same(shown, before)


@KINDS
def test_it_changes_something_while_it_lasts_and_keeps_shapes_and_numbers(kind: ModuleType) -> None:
    built = plant()
    effect = kind.Effect(kind.EXAMPLE, built)
    changed = 0
    for second in range(int(kind.EXAMPLE.start_s), int(kind.EXAMPLE.start_s + kind.EXAMPLE.duration_s)):
        shown = quiet(built)
        shown.value += 1.0  # what an effect before it may have done: a poisoned detector needs gas to show
        before = copy(shown)
        effect.apply(float(second), shown)
        assert shown.value.shape == shown.over_range.shape == shown.missing.shape == before.value.shape
        assert [part.dtype.kind for part in (shown.value, shown.over_range, shown.missing)] == ["f", "b", "b"]
        assert np.isfinite(shown.value).all()
        assert shown.backfill <= shown.offline <= {tag.enterprise for tag in built.instruments}
        changed += not same(shown, before)
    assert changed > 0.8 * kind.EXAMPLE.duration_s


@KINDS
def test_it_dies_away_when_it_is_over(kind: ModuleType) -> None:
    built = plant()
    effect = kind.Effect(kind.EXAMPLE, built)
    end = kind.EXAMPLE.start_s + kind.EXAMPLE.duration_s
    for second in range(int(end + SETTLED_S)):
        effect.apply(float(second), quiet(built))
    for second in range(int(end + SETTLED_S), int(end + SETTLED_S) + 60):
        shown = quiet(built)
        before = copy(shown)
        effect.apply(float(second), shown)
        assert same(shown, before)


@KINDS
@given(st.floats(0, 300), st.floats(0, 300), st.integers(0, 2**31))
@traces(30)
def test_whenever_it_comes_the_numbers_stay_numbers(kind: ModuleType, start: float, lasts: float, seed: int) -> None:
    built = plant(seed)
    spec = msgspec.structs.replace(kind.EXAMPLE, start_s=start, duration_s=lasts)
    effect = kind.Effect(spec, built)
    for second in range(0, 700, 7):
        shown = quiet(built)
        effect.apply(float(second), shown)
        assert np.isfinite(shown.value).all()


@KINDS
@pytest.mark.parametrize("field", ["start_s", "duration_s"])
def test_times_are_not_negative(kind: ModuleType, field: str) -> None:
    table = msgspec.to_builtins(kind.EXAMPLE) | {field: -1.0}
    with pytest.raises(ScenarioError, match=rf"test: \[\[effect\]\] 1: .*>= 0.*{field}"):
        at_work(scenario(table), plant())


def test_all_problems_of_a_scenario_are_told_at_once() -> None:
    wrong = scenario(
        {"kind": "leek"},
        {"kind": "stuck", "start_s": 0, "duration_s": 9, "tags": ["nobody.*"]},
        {"kind": "leak", "start_s": 0, "duration_s": 9, "cas": "75-21-8", "x_m": 0, "y_m": 0, "rate_gs": 1},
        {"kind": "offline", "start_s": 0, "duration_s": 9, "enterprise": "bakery"},
        {"kind": "ramp", "start_s": 0, "duration_s": 900, "tags": ["lpg.PT-101"], "to": 1, "speed": 2},
        {"kind": "silent", "start_s": 500, "duration_s": 101, "tags": ["*"]},
        repeat_s=600,
    )
    with pytest.raises(ScenarioError) as caught:
        at_work(wrong, plant())
    said = str(caught.value).splitlines()
    assert [line.partition(": ")[2].partition(": ")[0] for line in said] == [f"[[effect]] {n}" for n in range(1, 7)]
    assert f"kind 'leek' is not one of {', '.join(kinds())}" in said[0]
    assert "no instrument is named 'nobody.*'" in said[1]
    assert "no detector of 75-21-8" in said[2]
    assert "no instrument belongs to enterprise 'bakery'" in said[3]
    assert "unknown field `speed`" in said[4]
    assert "it ends after repeat_s (600 s)" in said[5]
