"""Checks of a revision: each fault found, with its place and a cure, and all of them at once."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.advice import advice
from schemas.checks import changed, check
from schemas.problems import Problem
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
    RuleCase,
    Tag,
)
from schemas.text import Text

replace = msgspec.structs.replace

GAS = Tag(
    number=1,
    name="CO-101",
    enterprise="metal",
    hazard_source="foundry",
    equipment="furnace",
    measure=Measure.GAS,
    cas="630-08-0",
    unit="ppm",
    range_low=0.0,
    range_high=500.0,
    limits=Limits(high=17.18, high_high=34.35),
    deadband=2.0,
    profile="gb50493",
    action=Text("撤离", "leave"),
    calibration_due=date(2027, 3, 31),
)
TEMPERATURE = Tag(number=2, name="TT-1", enterprise="metal", measure=Measure.TEMPERATURE, unit="°C")
GOOD = Revision(
    number=1,
    parks=(Park(id="demo"),),
    enterprises=(Enterprise(id="metal", park="demo"), Enterprise(id="gas", park="demo")),
    hazard_sources=(
        HazardSource(id="foundry", enterprise="metal", grade=3),
        HazardSource(id="store", enterprise="gas"),
    ),
    equipment=(Equipment(id="furnace", hazard_source="foundry"),),
    tags=(GAS, TEMPERATURE),
    rules=(Rule(id="limits", kind="limits"), Rule(id="stale", kind="stale")),
    routes=(Route(id="duty", channel="console"),),
)


def with_tag(tag: Tag = GAS, **fields: Any) -> Revision:
    return replace(GOOD, tags=(replace(tag, **fields), TEMPERATURE))


def with_limits(**fields: float) -> Revision:
    return with_tag(limits=Limits(**fields), profile="none")


def paths(problems: tuple[Problem, ...]) -> list[str]:
    return [p.path for p in problems]


def test_the_example_is_good() -> None:
    assert check(GOOD, channels={"console"}, recipients=set(), kinds={"limits", "stale"}) == ()
    assert advice(GOOD) == ()


TAG_FAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"number": 0}, "number", "registry"),
    ({"number": 2**31}, "number", "registry"),
    ({"number": 2}, "number", "never shared"),
    ({"name": "TT-1"}, "name", "own name"),
    ({"name": "CO 101"}, "name", "letters"),
    ({"name": "CO*"}, "name", "letters"),
    ({"name": "a/b"}, "name", "letters"),
    ({"enterprise": "nobody"}, "enterprise", "metal"),
    ({"hazard_source": "foundy"}, "hazard_source", "foundry"),
    ({"hazard_source": "store"}, "hazard_source", "correct"),
    ({"equipment": "furnace-9"}, "equipment", "furnace"),
    ({"hazard_source": ""}, "equipment", "correct"),
    ({"longitude": 119.9}, "longitude", "neither"),
    ({"longitude": 31.7, "latitude": 119.9}, "latitude", "swapped"),
    ({"longitude": 190.0, "latitude": 0.0}, "longitude", "180"),
    ({"cell": "a b"}, "cell", "letters"),
    ({"link": ""}, "link", "ingest"),
    ({"unit": "furlong"}, "unit", "ppm"),
    ({"unit": "°C"}, "unit", "ppm"),
    ({"unit": "%"}, "unit", "%LEL"),
    ({"unit": "µmol/mol"}, "unit", "write ppm"),
    ({"cas": ""}, "cas", "630-08-0"),
    ({"cas": "630-08-1"}, "cas", "check digit"),
    ({"profile": "gb504"}, "profile", "gb50493"),
    ({"range_high": float("inf")}, "range_high", "number"),
    ({"bad_values": (float("nan"),)}, "bad_values", "numbers only"),
    ({"bad_values": (-200.0, 400.0)}, "bad_values", "thrown away"),
    ({"deadband": float("nan")}, "deadband", "number"),
    ({"deadband": -1.0}, "deadband", "0 or more"),
    ({"deadband": 17.2}, "deadband", "below 17.17"),
    ({"range_low": 500.0}, "range_high", "below"),
    ({"range_high": 30.0}, "high_high", "never be reached"),
    ({"resolution": 0.0}, "resolution", "empty"),
    ({"on_delay_s": -1.0}, "on_delay_s", "0 or more"),
    ({"on_delay_s": 120.0, "response_s": 60.0}, "on_delay_s", "shorten"),
    ({"response_s": 0.0}, "response_s", "empty"),
    ({"calibration_due": date(1899, 12, 31)}, "calibration_due", "2027-03-31"),
    ({"calibration_due": date(2207, 3, 31)}, "calibration_due", "2027-03-31"),
    ({"period_s": 0.0}, "period_s", "seconds"),
    ({"period_s": 60.0}, "stale_s", "three periods"),
    ({"limits": Limits(high=24.0, high_high=34.35)}, "high", "limit_reason"),
    ({"limits": Limits(high=17.18)}, "high_high", "limit_reason"),
]


@pytest.mark.parametrize(("fields", "field", "cure"), TAG_FAULTS, ids=lambda v: str(v)[:40])
def test_a_fault_of_a_tag_is_found_at_its_place_with_a_cure(fields: dict[str, Any], field: str, cure: str) -> None:
    found = check(with_tag(**fields))
    name = fields.get("name", "CO-101")
    there = [p for p in found if p.path == f"tags[{name}].{field}"]
    assert there and any(cure in p.cure for p in there), paths(found)


@pytest.mark.parametrize(
    ("limits", "where"),
    [
        ({"low": 20.0, "high": 10.0}, "low"),
        ({"high": 20.0, "high_high": 20.0}, "high"),
        ({"low_low": 5.0, "low": 1.0}, "low_low"),
        ({"low_low": 5.0, "high": 1.0}, "low_low"),
        ({"low": -1.0}, "low"),
    ],
)
def test_limits_stand_in_order_and_inside_the_range(limits: dict[str, float], where: str) -> None:
    assert paths(check(with_limits(**limits))) == [f"tags[CO-101].{where}"]


def test_numbers_for_no_value_lie_outside_of_the_range_or_among_the_healthy_ones() -> None:
    assert check(with_tag(bad_values=(-200.0, 0.0, 999.0, 10.0))) == ()
    (problem,) = check(with_tag(bad_values=(34.0, 999.0)))
    assert str(problem) == (
        "tags[CO-101].bad_values: 34 counts as no value, but lies within the range and beyond high 17.18; take it out: "
        "a real reading would be thrown away; have the source send a quality instead"
    )


def test_a_limit_that_is_not_finite() -> None:
    assert "tags[CO-101].high" in paths(check(with_limits(high=float("nan"))))


def test_times_that_pass_64_bits() -> None:
    assert paths(check(with_tag(stale_s=1e12))) == ["tags[CO-101].stale_s"]
    assert "tags[CO-101].off_delay_s" in paths(check(with_tag(off_delay_s=float("nan"))))


def test_all_problems_at_once() -> None:
    broken = with_tag(unit="furlong", cas="", enterprise="nobody", period_s=0.0, hazard_source="", equipment="")
    assert {p.path for p in check(broken)} == {
        "tags[CO-101].unit",
        "tags[CO-101].cas",
        "tags[CO-101].enterprise",
        "tags[CO-101].period_s",
    }


def test_every_problem_names_place_and_cure() -> None:
    for fields, _, _ in TAG_FAULTS:
        for problem in check(with_tag(**fields)):
            assert problem.path and problem.message and problem.cure
            assert str(problem).startswith(problem.path)


def test_places_hang_together() -> None:
    broken = replace(
        GOOD,
        parks=(Park(id="demo"), Park(id="demo")),
        enterprises=(Enterprise(id="metal", park="dem"), Enterprise(id="g s", park="demo")),
        hazard_sources=(HazardSource(id="foundry", enterprise="metal", grade=5),),
        equipment=(Equipment(id="furnace", hazard_source="nowhere"),),
        tags=(),
    )
    assert paths(check(broken)) == [
        "parks[demo].id",
        "enterprises[g s].id",
        "enterprises[metal].park",
        "hazard_sources[foundry].grade",
        "equipment[furnace].hazard_source",
    ]


def test_a_park_is_needed() -> None:
    assert paths(check(Revision(number=1, parks=()))) == ["parks"]


def test_a_cell_does_not_hold_two_enterprises_by_accident() -> None:
    stranger = Tag(number=3, name="TT-9", enterprise="gas", measure=Measure.TEMPERATURE, unit="°C", cell="foundry")
    assert paths(check(replace(GOOD, tags=(GAS, stranger)))) == ["tags[CO-101].cell"]
    on_purpose = replace(GAS, cell="foundry")
    assert check(replace(GOOD, tags=(on_purpose, stranger))) == ()
    two_parks = replace(
        GOOD,
        parks=(Park(id="demo"), Park(id="other")),
        enterprises=(Enterprise(id="metal", park="demo"), Enterprise(id="gas", park="other")),
        tags=(on_purpose, stranger),
    )
    (problem,) = check(two_parks)
    assert "crosses parks" in problem.message


def test_a_retired_tag_keeps_its_number_and_frees_its_name() -> None:
    old = replace(GAS, number=7, retired=True, unit="whatever it was")
    assert check(replace(GOOD, tags=(GAS, TEMPERATURE, old))) == ()
    assert paths(check(replace(GOOD, tags=(GAS, TEMPERATURE, replace(old, number=1))))) == ["tags[CO-101].number"] * 2


def test_rules_and_routes_point_at_what_exists() -> None:
    broken = replace(
        GOOD,
        rules=(
            Rule(id="limits", kind="limts", case=(RuleCase(name="a", tag="CO-999", readings=()),)),
            Rule(id="limits", kind="stale", tags=()),
            Rule(id="x", kind="stale", params={"window_s": float("nan")}),
        ),
        routes=(
            Route(id="duty", channel="fax", tiers=(1, 5), classes=("gas",), on=("raised",), enterprises=("nobody",)),
            Route(id="none", channel="console", recipients=()),
            Route(id="who", channel="console", recipients=("", "officer")),
        ),
    )
    found = check(broken, channels={"console"}, recipients={"chief"}, kinds={"limits", "stale"})
    assert paths(found) == [
        "rules[limits].id",
        "rules[limits].kind",
        "rules[limits].case[1].tag",
        "rules[limits].tags",
        "rules[x].params.window_s",
        "routes[duty].channel",
        "routes[duty].tiers",
        "routes[duty].classes",
        "routes[duty].on",
        "routes[duty].enterprises",
        "routes[none]",
        "routes[who].recipients",
    ]


def test_gas_points_without_a_day_of_calibration_are_named_together_where_others_have_one() -> None:
    undated = tuple(replace(GAS, number=n, name=f"CO-{n}", calibration_due=None) for n in range(1, 6))
    retired = replace(GAS, number=6, name="CO-6", calibration_due=None, retired=True)
    other = replace(GAS, number=7)
    (found,) = advice(replace(GOOD, tags=(*undated, retired, other)))
    assert found.path == "tags.calibration_due" and "CO-1, CO-2, CO-3 and 2 more" in found.message
    assert advice(replace(GOOD, tags=undated)) == (), "nobody keeps them here"
    rule = Rule(id="due", kind="calibration_due")
    assert paths(advice(replace(GOOD, tags=undated, rules=(rule,)))) == ["tags.calibration_due"]
    assert advice(replace(GOOD, tags=(retired, other))) == ()


def test_a_day_of_calibration_changes_no_revision_that_has_none() -> None:
    assert b"calibration_due" not in msgspec.json.encode(replace(GAS, calibration_due=None))
    dated = msgspec.json.encode(GAS)
    assert b'"calibration_due":"2027-03-31"' in dated and msgspec.json.decode(dated, type=Tag) == GAS
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(dated.replace(b"2027-03-31", b"31.3.2027"), type=Tag)


def test_advice() -> None:
    quiet = replace(
        GOOD,
        tags=(
            replace(GAS, action=Text(), on_delay_s=10.0, range_high=None),
            replace(GAS, number=2, name="co-101", profile="none"),
            replace(GAS, number=3, name="CO-103", limits=Limits(), profile="none", cas="50-99-7"),
            replace(GAS, number=4, name="CO-101", retired=True, range_high=None),
        ),
    )
    assert paths(advice(quiet)) == [
        "tags[CO-101].name",
        "tags[CO-101].on_delay_s",
        "tags[CO-101].range_high",
        "tags[CO-101].action",
        "tags[co-101].name",
        "tags[co-101].profile",
        "tags[CO-103].high",
        "tags[CO-103].cas",
    ]


# From one revision to the next


def after(*tags: Tag, number: int = 2) -> Revision:
    return replace(GOOD, number=number, tags=tags)


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (after(GAS, TEMPERATURE), []),
        (after(GAS, TEMPERATURE, number=1), ["number"]),
        (after(GAS), ["tags[TT-1].number"]),
        (after(GAS, replace(TEMPERATURE, retired=True)), []),
        (after(GAS, replace(TEMPERATURE, name="TT-2")), ["tags[TT-2].number"]),
        (after(GAS, replace(TEMPERATURE, cell="other")), ["tags[TT-1].cell"]),
        (after(GAS, replace(TEMPERATURE, retired=True), replace(TEMPERATURE, number=3, cell="other")), []),
        (after(GAS, TEMPERATURE, replace(TEMPERATURE, number=9, name="TT-9")), []),
    ],
)
def test_what_a_revision_may_do_to_the_one_before(new: Revision, expected: list[str]) -> None:
    assert paths(changed(GOOD, new)) == expected


def test_a_number_is_retired_for_good_and_new_ones_are_higher() -> None:
    before = after(GAS, replace(TEMPERATURE, number=5, retired=True))
    assert paths(changed(before, after(GAS, replace(TEMPERATURE, number=5), number=3))) == ["tags[TT-1].retired"]
    low = after(GAS, replace(TEMPERATURE, number=5, retired=True), replace(TEMPERATURE, number=3), number=3)
    assert paths(changed(before, low)) == ["tags[TT-1].number"]


@given(st.data())
def test_checking_never_throws_whatever_the_numbers(data: st.DataObject) -> None:
    number = st.floats(allow_nan=True, allow_infinity=True) | st.none()
    tag = replace(
        GAS,
        unit=data.draw(st.sampled_from(["ppm", "%LEL", "mg/m3", "°C", "?", ""])),
        cas=data.draw(st.sampled_from(["630-08-0", "7782-50-5", "", "x"])),
        limits=Limits(
            low_low=data.draw(number), low=data.draw(number), high=data.draw(number), high_high=data.draw(number)
        ),
        range_low=data.draw(number),
        range_high=data.draw(number),
        deadband=data.draw(st.floats()),
        period_s=data.draw(st.floats()),
    )
    found = check(replace(GOOD, tags=(tag,)))
    advice(replace(GOOD, tags=(tag,)))
    given_limits = [v for v in msgspec.structs.astuple(tag.limits) if v is not None]
    if given_limits != sorted(set(given_limits)) or any(v != v for v in given_limits):
        assert found
