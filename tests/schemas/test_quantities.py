"""Arithmetic of quantities: what may meet what, in which unit it comes out, and the cure where it may not."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.quantities import BARE, Quantity, common, kind_of, minus, named, of_tag, over, plain, plus, times, written
from schemas.units import UNITS, Dimension, UnitError

CO, H2S = "630-08-0", "7783-06-4"
NAMES = sorted(UNITS)


def unit_of(quantity: Quantity) -> str:
    return named(quantity)[0]


@pytest.mark.parametrize("name", NAMES)
def test_every_unit_is_told_as_itself(name: str) -> None:
    assert named(of_tag(name)) == (name, (1.0, 0.0))


@pytest.mark.parametrize(
    ("what", "unit"),
    [
        (minus(of_tag("°C"), of_tag("K")).result, "K"),
        (minus(of_tag("MPa(g)"), of_tag("kPa(g)")).result, "MPa"),
        (plus(of_tag("°C"), written("K")).result, "°C"),
        (plus(written("MPa"), of_tag("kPa(g)")).result, "kPa(g)"),
        (over(of_tag("m3/h"), times(of_tag("m"), of_tag("m"))), "m/s"),
        (over(times(of_tag("m"), written("m2")), of_tag("m3/h")), "h"),
        (over(of_tag("m"), times(written("s"), written("s"))), "m/s2"),
        (times(of_tag("mg/m3"), of_tag("m3/h")), "kg/s"),
        (times(of_tag("MPa(g)"), BARE), "MPa(g)"),
        (times(of_tag("%"), of_tag("MPa(g)")), "Pa(g)"),
        (over(of_tag("m3/h"), of_tag("m3/h")), "1"),
        (over(BARE, written("s")), "1/s"),
    ],
)
def test_what_comes_out(what: Quantity, unit: str) -> None:
    assert unit_of(what) == unit


@pytest.mark.parametrize(
    ("make", "reason", "cure"),
    [
        (lambda: common(of_tag("°C"), written("K")), "a temperature meets a difference of temperatures", "degC"),
        (lambda: common(minus(of_tag("°C"), of_tag("°C")).result, written("°C")), "a difference of temperatures", "K"),
        (lambda: plus(of_tag("°C"), of_tag("°C")), "the sum of a temperature and a temperature", "mean"),
        (lambda: minus(written("K"), of_tag("°C")), "cannot be taken from", "turn the two around"),
        (lambda: times(of_tag("°C"), BARE), "where zero lies", "difference"),
        (lambda: over(of_tag("m"), of_tag("K")), "where zero lies", "difference"),
        (lambda: plain(of_tag("MPa(a)"), "abs"), "abs of an absolute pressure", "subtract"),
        (lambda: common(of_tag("MPa"), of_tag("MPa(g)")), "a pressure meets a gauge pressure", "MPa(g)"),
        (lambda: common(of_tag("MPa(a)"), of_tag("MPa(g)")), "an absolute pressure meets a gauge", "MPa(g)"),
        (lambda: common(of_tag("%"), BARE), "a number without a unit stands beside a %", "80 %"),
        (lambda: common(times(of_tag("%"), BARE), BARE), "beside a %", "80 %"),
        (lambda: common(of_tag("MPa"), BARE), "a pressure meets a number without a unit", "such as MPa"),
        (lambda: common(of_tag("m3/h"), of_tag("Nm3/h")), "a volume flow meets a standard volume flow", "one kind"),
        (lambda: common(of_tag("ppm", CO), of_tag("mg/m3", H2S)), CO, "one unit"),
        (lambda: common(of_tag("ppm"), written("mg/m3")), "cannot be converted", "CAS"),
        (lambda: over(of_tag("ppm", CO), of_tag("mg/m3", CO)), "is divided by", "one unit"),
        (
            lambda: common(times(of_tag("m"), of_tag("kg/s")), of_tag("m")),
            "a quantity in kg·m/s meets a length",
            "kind",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_cure(make: object, reason: str, cure: str) -> None:
    with pytest.raises(UnitError) as caught:
        make()  # type: ignore[operator]
    assert reason in caught.value.reason and cure in caught.value.cure


def test_a_percentage_may_meet_a_quotient() -> None:
    met = common(over(of_tag("m3/h"), of_tag("m3/h")), written("%"))
    assert met.right(5.0) == pytest.approx(0.05)


def test_a_gas_is_compared_in_the_unit_of_its_tag() -> None:
    met = common(of_tag("ppm", CO), written("mg/m3"))
    assert met.right(20.0) == pytest.approx(17.176, rel=1e-4)
    assert common(written("%LEL"), of_tag("ppm", "74-98-6"), to_right=True).left(25.0) == pytest.approx(5250.0)


def test_two_gases_in_one_unit_may_meet_and_the_sum_is_of_neither() -> None:
    assert common(of_tag("%LEL", "74-82-8"), of_tag("%LEL", "74-98-6")).result.cas == ""
    assert common(of_tag("ppm", CO), of_tag("ppb", CO)).result.cas == CO


GASES = (Dimension.GAS_FRACTION, Dimension.GAS_MASS, Dimension.GAS_EXPLOSIVE)
PLAIN = [n for n in NAMES if UNITS[n].dimension not in GASES]


@given(st.sampled_from(PLAIN), st.sampled_from(PLAIN), st.floats(-1e6, 1e6), st.booleans())
def test_a_conversion_keeps_what_is_measured(a: str, b: str, value: float, to_right: bool) -> None:
    """Against the table: value * scale + offset, in exact numbers."""
    try:
        met = common(of_tag(a), of_tag(b), to_right=to_right)
    except UnitError:
        assert UNITS[a].dimension is not UNITS[b].dimension
        return
    source, to = (UNITS[a], UNITS[b]) if to_right else (UNITS[b], UNITS[a])
    moved = (met.left if to_right else met.right)(value)
    if source.dimension is to.dimension:
        base = Fraction(value) * Fraction(source.scale) + Fraction(source.offset)
        wanted = (base - Fraction(to.offset)) / Fraction(to.scale)
        assert moved == pytest.approx(float(wanted), rel=1e-12, abs=1e-9)
    else:
        assert {source.dimension, to.dimension} == {Dimension.RATIO, Dimension.COUNT}


@given(st.lists(st.tuples(st.sampled_from(["m", "m3/h", "kg/s", "MPa", "mA", "deg"]), st.booleans()), max_size=6))
def test_products_and_quotients_undo_each_other(steps: list[tuple[str, bool]]) -> None:
    made = BARE
    for name, multiplied in steps:
        made = times(made, of_tag(name)) if multiplied else over(made, of_tag(name))
    for name, multiplied in reversed(steps):
        made = over(made, of_tag(name)) if multiplied else times(made, of_tag(name))
    assert made.powers == () and made.scale == pytest.approx(1.0) and kind_of(made) == "a number without a unit"
