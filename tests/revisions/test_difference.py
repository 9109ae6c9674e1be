"""What a revision changes of the one before it, and which way it goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hazwatch.config.numbers import renumbered
from hazwatch.revisions import fields
from hazwatch.revisions.difference import Difference, difference
from hazwatch.revisions.strictness import ORDER, Strictness
from hazwatch.revisions.text import lines, summary
from rules.rulebook import check_rules
from schemas.models import Model, ModelInput
from schemas.registry import (
    Enterprise,
    Equipment,
    HazardSource,
    Limits,
    Measure,
    Park,
    Revision,
    Route,
    Rule,
    Tag,
)
from schemas.text import Text

replace = msgspec.structs.replace
LESS, UNCLEAR, STRICTER, NEUTRAL = ORDER

CO = Tag(
    number=1,
    name="e.CO-1",
    title=Text("一氧化碳", "CO"),
    enterprise="e",
    hazard_source="s",
    measure=Measure.GAS,
    cas="630-08-0",
    unit="ppm",
    range_low=0.0,
    range_high=200.0,
    limits=Limits(high=17.0, high_high=34.0),
    deadband=1.0,
    off_delay_s=60.0,
    profile="gb50493",
)
TANK = Tag(
    number=2,
    name="e.L-1",
    enterprise="e",
    hazard_source="s",
    measure=Measure.LEVEL,
    unit="m",
    range_low=0.0,
    range_high=10.0,
    limits=Limits(low=1.0, high=8.0),
)
ROUTE = Route(id="duty", channel="hook", recipients=("li", "wang"), tiers=(1, 2))
RATE = Rule(id="rate", kind="rate", tags=("e.L-*",), params={"rise_per_min": 2.0})


def site(
    *tags: Tag, rules: tuple[Rule, ...] = (RATE,), routes: tuple[Route, ...] = (ROUTE,), grade: int = 3
) -> Revision:
    return Revision(
        number=1,
        parks=(Park(id="p"),),
        enterprises=(Enterprise(id="e", park="p"),),
        hazard_sources=(HazardSource(id="s", enterprise="e", grade=grade),),
        tags=tags or (CO, TANK),
        rules=rules,
        routes=routes,
    )


def between(old: Revision, new: Revision) -> Difference:
    return difference(old, renumbered(new, old), "OLD", "NEW")


def said(found: Difference) -> list[tuple[Strictness, str]]:
    """Every line with its strictness."""
    out: list[tuple[Strictness, str]] = []
    for strictness in Strictness:
        entries = tuple(
            replace(e, fields=tuple(f for f in e.fields if f.strictness is strictness))
            for e in found.entries
            if (any(f.strictness is strictness for f in e.fields) if e.fields else e.strictness is strictness)
        )
        part = replace(found, entries=entries, effects=tuple(e for e in found.effects if e.strictness is strictness))
        out += [(strictness, line.strip()) for line in lines(part) if line.startswith("  ")]
    return out


@dataclass(frozen=True)
class Case:
    new: Revision
    lines: tuple[tuple[Strictness, str], ...]


def co(**changes: Any) -> Revision:
    return site(replace(CO, **changes), TANK)


def tank(**changes: Any) -> Revision:
    return site(CO, replace(TANK, **changes))


CASES: dict[str, Case] = {
    "a higher limit": Case(
        co(limits=Limits(high=20.0, high_high=34.0)), ((LESS, "tag e.CO-1 (CO): level 1 limit 17 ppm -> 20 ppm"),)
    ),
    "a lower limit": Case(
        co(limits=Limits(high=15.0, high_high=34.0)), ((STRICTER, "tag e.CO-1 (CO): level 1 limit 17 ppm -> 15 ppm"),)
    ),
    "a limit taken away": Case(
        co(limits=Limits(high=17.0)), ((LESS, "tag e.CO-1 (CO): level 2 limit 34 ppm -> none"),)
    ),
    "a whole side taken away": Case(tank(limits=Limits(high=8.0)), ((LESS, "tag e.L-1: low limit 1 m -> none"),)),
    "a low limit further down": Case(
        tank(limits=Limits(low=0.5, high=8.0)), ((LESS, "tag e.L-1: low limit 1 m -> 0.5 m"),)
    ),
    "a low limit where none was": Case(
        tank(limits=Limits(low_low=0.2, low=1.0, high=8.0)), ((STRICTER, "tag e.L-1: low-low limit none -> 0.2 m"),)
    ),
    "a longer on-delay": Case(co(on_delay_s=3.0), ((LESS, "tag e.CO-1 (CO): on-delay 0 s -> 3 s"),)),
    "deadband and off-delay hold alarms, nothing else": Case(
        co(deadband=2.0, off_delay_s=0.0),
        (
            (NEUTRAL, "tag e.CO-1 (CO): deadband 1 ppm -> 2 ppm"),
            (NEUTRAL, "tag e.CO-1 (CO): off-delay 60 s -> 0 s"),
        ),
    ),
    "silence may last longer": Case(tank(stale_s=300.0), ((LESS, "tag e.L-1: silence that is a fault 30 s -> 300 s"),)),
    "measured against nothing": Case(
        co(profile="none"), ((LESS, "tag e.CO-1 (CO): set-point profile gb50493 -> none"),)
    ),
    "a tag less": Case(site(CO, rules=()), ((LESS, "tag e.L-1: removed"), (LESS, "rule rate: removed"))),
    "a tag more": Case(site(CO, TANK, replace(TANK, number=3, name="e.L-2")), ((STRICTER, "tag e.L-2: added"),)),
    "the same limits in another unit": Case(
        tank(unit="cm", limits=Limits(low=100.0, high=800.0), range_high=1000.0),
        (
            (UNCLEAR, "tag e.L-1: unit m -> cm"),
            (NEUTRAL, "tag e.L-1: range high 10 m -> 1000 cm"),
            (NEUTRAL, "tag e.L-1: low limit 1 m -> 100 cm"),
            (NEUTRAL, "tag e.L-1: high limit 8 m -> 800 cm"),
        ),
    ),
    "the same numbers in another unit": Case(
        tank(unit="cm"),
        (
            (LESS, "tag e.L-1: low limit 1 m -> 1 cm"),
            (UNCLEAR, "tag e.L-1: unit m -> cm"),
            (UNCLEAR, "tag e.L-1: range high 10 m -> 10 cm"),
            (STRICTER, "tag e.L-1: high limit 8 m -> 8 cm"),
        ),
    ),
    "a higher bound of a rule": Case(
        site(rules=(replace(RATE, params={"rise_per_min": 5.0}),)), ((LESS, "rule rate: rise_per_min 2 -> 5"),)
    ),
    "a parameter that nobody can judge": Case(
        site(rules=(replace(RATE, params={"rise_per_min": 2.0, "window_s": 900.0}),)),
        ((UNCLEAR, "rule rate: window_s none -> 900 s"),),
    ),
    "a default written down is no change": Case(
        site(rules=(RATE, Rule(id="limits", kind="limits"), Rule(id="stale", kind="stale"))), ()
    ),
    "a default narrowed": Case(
        site(rules=(RATE, Rule(id="stale", kind="stale", tags=("e.L-*",)))),
        (
            (LESS, "rule stale, fault: no longer watched (e.CO-1)"),
            (NEUTRAL, "rule stale: tags * -> e.L-*"),
        ),
    ),
    "a delay that a rule gives to all": Case(
        site(rules=(RATE, Rule(id="limits", kind="limits", params={"on_delay_s": 10.0}))),
        (
            (LESS, "rule limits, high side: on-delay 0 -> 10 s (e.CO-1, e.L-1)"),
            (LESS, "rule limits, low side: on-delay 0 -> 10 s (e.L-1)"),
            (NEUTRAL, "rule limits: on-delay none -> 10 s"),
        ),
    ),
    "a silence that a rule gives to all": Case(
        site(rules=(RATE, Rule(id="stale", kind="stale", params={"stale_s": 90.0}))),
        (
            (LESS, "rule stale, fault: silence that is a fault 30 -> 90 s (e.CO-1, e.L-1)"),
            (NEUTRAL, "rule stale: silence that is a fault none -> 90 s"),
        ),
    ),
    "a tier by hand": Case(
        site(
            rules=(
                RATE,
                Rule(id="limits", kind="limits", tier=4, tags=("e.L-1",)),
                Rule(id="gas", kind="limits", tags=("e.CO*",)),
            )
        ),
        (
            (LESS, "rule limits, high side: no longer watched (e.CO-1)"),
            (LESS, "rule limits, high side, high: tier 3 -> 4 (e.L-1)"),
            (LESS, "rule limits, low side, low: tier 3 -> 4 (e.L-1)"),
            (STRICTER, "rule gas: added"),
            (NEUTRAL, "rule limits: tags * -> e.L-1"),
            (NEUTRAL, "rule limits: tier 0 -> 4"),
        ),
    ),
    "a grade makes alarms more urgent": Case(
        site(grade=1),
        (
            (STRICTER, "rule limits, high side, high: tier 2 -> 1 (e.CO-1)"),
            (STRICTER, "rule limits, high side, high: tier 3 -> 2 (e.L-1)"),
            (STRICTER, "rule limits, low side, low: tier 3 -> 2 (e.L-1)"),
            (STRICTER, "rule rate, high side, rise: tier 3 -> 2 (e.L-1)"),
            (NEUTRAL, "hazard source s: grade 3 -> 1"),
        ),
    ),
    "a recipient less": Case(
        site(routes=(replace(ROUTE, recipients=("li",)),)), ((LESS, "route duty: recipients li, wang -> li"),)
    ),
    "a route for every tier": Case(
        site(routes=(replace(ROUTE, tiers=()),)), ((STRICTER, "route duty: tiers 1, 2 -> none"),)
    ),
    "a route gone": Case(site(routes=()), ((LESS, "route duty: removed"),)),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_said(name: str) -> None:
    case = CASES[name]
    assert said(between(site(), case.new)) == list(case.lines)


def test_nothing_differs_from_itself() -> None:
    found = between(site(), site())
    assert found.empty and not found.risky
    assert (list(lines(found)), list(lines(found, chinese=True))) == (["nothing changes"], ["没有变化"])


def test_a_cell_that_moves_is_told_once() -> None:
    found = between(site(), co(cell="kiln"))
    assert said(found) == [(NEUTRAL, "tag e.CO-1 (CO): cell none -> kiln")]


def test_chinese() -> None:
    found = between(site(), CASES["a default narrowed"].new)
    assert list(lines(found, chinese=True)) == [
        "变宽（更危险的方向）: 1",
        "  规则 stale, 故障：不再监视 (e.CO-1)",
        "其他: 1",
        "  规则 stale：位号范围 * -> e.L-*",
    ]
    assert summary(found, chinese=True) == "1 变宽, 1 其他"


def test_long_lists_are_cut_and_counted() -> None:
    many = [replace(TANK, number=i, name=f"e.L-{i}") for i in range(1, 61)]
    calmer = [replace(tag, on_delay_s=5.0) for tag in many]
    found = between(site(*many), site(*calmer))
    text = list(lines(found))
    assert text[0] == "less strict (the dangerous direction): 60"
    assert text[-1] == "  ... and 20 more; --json has all"
    assert found.counts == {LESS: 60}


def test_a_model_learned_anew() -> None:
    """Its numbers are told as one, what people decide by each for itself."""
    one = ModelInput(tag="e.L-1", unit="m", mean=5.0, scale=1.0, low=2.0, high=8.0, hold_s=60.0)
    other = replace(one, tag="e.CO-1", unit="ppm")
    model = Model(
        name="unit", step_s=60.0, weight=0.1, main=1, rest=0.1, ridge=0.01, limits=(9.0,) * 5, alarms_per_month=1.0,
        trained_from="2026-01-01T00:00:00Z", trained_to="2026-01-08T00:00:00Z", samples=1000, held_out_share=0.0,
        inputs=(one, other), variances=(2.0,), loadings=((0.7, 0.7),),
    )  # fmt: skip
    old = replace(site(), models=(model,))
    fewer = replace(model, inputs=(one,), variances=(1.0,), loadings=((1.0,),), alarms_per_month=2.0)
    found = between(old, replace(site(), models=(fewer,)))
    assert [(f.field, f.strictness) for entry in found.entries for f in entry.fields] == [
        ("alarms_per_month", STRICTER),
        ("inputs", LESS),
        ("learned", UNCLEAR),
    ]
    renamed = replace(site(), models=(replace(model, title="Unit 1"),))
    assert said(between(old, renamed)) == [(NEUTRAL, "model unit: title none -> Unit 1")]
    assert said(between(old, site())) == [(LESS, "model unit: removed")]
    assert said(between(site(), old)) == [(STRICTER, "model unit: added")]


LIMITS = st.lists(st.integers(1, 99), min_size=4, max_size=4, unique=True).map(sorted)


@given(LIMITS, LIMITS)
def test_there_and_back_is_the_other_way_round(a: list[int], b: list[int]) -> None:
    def of(values: list[int]) -> Revision:
        low_low, low, high, high_high = map(float, values)
        limits = Limits(low_low=low_low, low=low, high=high, high_high=high_high)
        return tank(limits=limits, range_high=100.0)

    there, back = between(of(a), of(b)).counts, between(of(b), of(a)).counts
    assert there.get(LESS, 0) == back.get(STRICTER, 0)
    assert there.get(STRICTER, 0) == back.get(LESS, 0)
    out = (a[0] > b[0]) + (a[1] > b[1]) + (a[2] < b[2]) + (a[3] < b[3])
    assert there.get(LESS, 0) == out


def test_every_field_has_a_name_and_a_direction() -> None:
    """A new field of the registry must say which way it goes."""
    limits = set(Limits.__struct_fields__)
    tag = set(Tag.__struct_fields__) - {"number", "name", "retired", "limits"}
    assert tag | limits == set(fields.TAG)
    assert set(Rule.__struct_fields__) - {"id", "params"} == set(fields.RULE)
    assert set(Route.__struct_fields__) - {"id"} == set(fields.ROUTE)
    places = {name for kind in (Park, Enterprise, HazardSource, Equipment) for name in kind.__struct_fields__}
    assert places - {"id"} == set(fields.PLACE)
    compared = {"parks", "enterprises", "hazard_sources", "equipment", "tags", "rules", "routes", "models"}
    assert compared == set(Revision.__struct_fields__) - {"number", "made_ns", "made_by", "note"}


# Rules that look at several tags


GROUP = tuple(
    replace(CO, number=number, name=f"e.CO-{number}", cell="k", x_m=10.0 * number, y_m=float(number))
    for number in (1, 2, 3)
)
WIND = (
    Tag(number=8, name="e.WS", enterprise="e", cell="k", measure=Measure.WIND_SPEED, unit="m/s"),
    Tag(number=9, name="e.WD", enterprise="e", cell="k", measure=Measure.WIND_DIRECTION, unit="deg"),
)
STATE = Tag(number=8, name="e.S", enterprise="e", hazard_source="s", measure=Measure.STATE, unit="1")


def asked(kind: str, of: tuple[Tag, ...], *, grade: int = 3, id: str = "one", **more: Any) -> Revision:
    return site(*of, rules=(Rule(id=id, kind=kind, **more),), grade=grade)


@pytest.mark.parametrize("kind", ["vote", "risk"])
def test_a_tag_that_a_group_loses_is_told(kind: str) -> None:
    old = asked(kind, GROUP, tags=("e.CO-*",))
    new = asked(kind, GROUP, tags=("e.CO-1", "e.CO-3"))
    assert said(between(old, new)) == [
        (LESS, "rule one, high side: no longer looked at (e.CO-2)"),
        (NEUTRAL, "rule one: tags e.CO-* -> e.CO-1, e.CO-3"),
    ]
    assert not between(new, old).risky


def test_a_screening_can_be_compared() -> None:
    old = asked("dispersion", (*GROUP, *WIND))
    assert between(old, old).empty
    found = said(between(old, asked("dispersion", (*GROUP, *WIND), tags=("e.CO-1", "e.CO-3", "e.W?"))))
    assert (LESS, "rule one, high side: no longer looked at (e.CO-2)") in found


def test_a_milder_grade_makes_the_index_smaller() -> None:
    found = said(between(asked("risk", GROUP, grade=1), asked("risk", GROUP, grade=4)))
    assert (LESS, "rule one, high side: factor of the index 1 -> 0.7 (e.CO-1)") in found
    assert not any("rule one" in line and "tier" in line for _, line in found)  # the index has tiers of its own


def test_expressions_are_text() -> None:
    def rule(limit: int) -> Revision:
        return asked("expression", (CO,), params={"expr": "{e.CO-1} > 5 ppm", "high_high": f"{{e.CO-1}} > {limit} ppm"})

    assert (UNCLEAR, "rule one: high-high limit {e.CO-1} > 50 ppm -> {e.CO-1} > 60 ppm") in said(
        between(rule(50), rule(60))
    )


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        ({}, {"high": 9.5}, UNCLEAR),
        ({"high": 9.5}, {}, UNCLEAR),
        ({"high": 8.5}, {"high": 9.5}, LESS),
        ({"n": 2, "m": 6}, {"n": 2, "m": 3}, LESS),
        ({"n": 2, "m": 3}, {"n": 2, "m": 6}, STRICTER),
        ({"n": 2, "m": 6}, {"n": 3, "m": 6}, LESS),
    ],
)
def test_limits_by_state(old: dict[str, Any], new: dict[str, Any], verdict: Strictness) -> None:
    """With regimes no level has one limit, so nothing but the parameter shows that it moved."""
    regime = {"state_tag": "e.S", "normal": ["1"], "regimes": ["start-up; state 2; high 9.8"]}

    def rule(params: dict[str, Any]) -> Revision:
        return asked("limits_by_state", (TANK, STATE), id="limits", params={**regime, **params})

    assert not check_rules(rule(old)) and not check_rules(rule(new))
    moved = sum(old.get(name) != new.get(name) for name in old | new)
    assert [strictness for strictness, _ in said(between(rule(old), rule(new)))] == [verdict] * moved
