"""Units: every pair either converts both ways or is refused with both names and a cure."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.gases import gases
from schemas.registry import Measure
from schemas.units import _ALIASES, UNITS, UNITS_OF, Dimension, UnitError, _folded, conversion, fits, unit

CO = "630-08-0"
ORACLE = list(csv.DictReader(Path(__file__).with_name("setpoints_oracle.csv").open(encoding="utf-8")))

values = st.floats(-1e6, 1e6, allow_nan=False)


@pytest.mark.parametrize("a", sorted(UNITS))
def test_a_pair_converts_both_ways_or_is_refused_with_both_names(a: str) -> None:
    for b in UNITS:
        try:
            there = conversion(a, b, CO)
        except UnitError as error:
            assert a in error.reason and b in error.reason and error.cure
            with pytest.raises(UnitError):
                conversion(b, a, CO)
            continue
        back = conversion(b, a, CO)
        for value in (-40.0, 0.0, 1e-3, 20.0, 4e5):
            assert back(there(value)) == pytest.approx(value, rel=1e-9, abs=1e-9)


@given(a=st.sampled_from(sorted(UNITS)), b=st.sampled_from(sorted(UNITS)), c=st.sampled_from(sorted(UNITS)), v=values)
def test_a_detour_gives_the_same_number(a: str, b: str, c: str, v: float) -> None:
    try:
        first, second, direct = conversion(a, b, CO), conversion(b, c, CO), conversion(a, c, CO)
    except UnitError:
        return
    assert second(first(v)) == pytest.approx(direct(v), rel=1e-9, abs=1e-6)


@given(gas=st.sampled_from(sorted(gases())), v=st.floats(0, 1e5))
def test_every_gas_goes_round(gas: str, v: float) -> None:
    assert conversion("mg/m3", "ppm", gas)(conversion("ppm", "mg/m3", gas)(v)) == pytest.approx(v, rel=1e-12)


@pytest.mark.parametrize("row", ORACLE, ids=lambda r: r["cas"])
def test_factors_equal_the_independent_table(row: dict[str, str]) -> None:
    at_20 = conversion("ppm", "mg/m3", row["cas"]).scale
    at_25 = conversion("ppm", "mg/m3", row["cas"], temperature_c=25.0).scale
    assert at_20 == pytest.approx(float(row["mg_m3_per_ppm_20"]), rel=2e-4)
    assert at_25 == pytest.approx(float(row["mg_m3_per_ppm_25"]), rel=2e-4)


@pytest.mark.parametrize(
    ("value", "a", "b", "cas", "expected"),
    [
        (20.0, "mg/m3", "ppm", CO, 17.176),
        (40.0, "mg/m³", "µmol/mol", CO, 34.352),
        (25.0, "%LEL", "%VOL", "74-82-8", 1.25),
        (25.0, "%LEL", "ppm", "74-98-6", 5250.0),
        (1.0, "%VOL", "ppm", "", 10_000.0),
        (500.0, "ppb", "ppm", "", 0.5),
        (0.0, "°C", "K", "", 273.15),
        (300.15, "K", "℃", "", 27.0),
        (1.6, "MPa", "kPa", "", 1600.0),
        (1.0, "bar", "kPa", "", 100.0),
        (3.6, "t/h", "kg/s", "", 1.0),
        (36.0, "km/h", "m/s", "", 10.0),
    ],
)
def test_known_conversions(value: float, a: str, b: str, cas: str, expected: float) -> None:
    assert conversion(a, b, cas)(value) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", sorted(UNITS))
def test_a_unit_to_itself_changes_not_one_bit(name: str) -> None:
    assert conversion(name, name) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("a", "b", "cas", "cure"),
    [
        ("ppm", "mg/m3", "", "CAS"),
        ("ppm", "mg/m3", "50-99-7", "not in the table"),
        ("ppm", "%LEL", "7782-50-5", "no lower explosive limit"),
        ("kPa", "kPa(g)", "", "kPa(g)"),
        ("MPa(a)", "MPa(g)", "", "air pressure"),
        ("m", "%", "", "height"),
        ("t/h", "m3/h", "", "density"),
        ("%", "%VOL", CO, "%VOL"),
        ("ppm", "°C", CO, "temperature"),
    ],
)
def test_what_is_not_known_is_refused_with_a_cure(a: str, b: str, cas: str, cure: str) -> None:
    with pytest.raises(UnitError) as caught:
        conversion(a, b, cas)
    assert cure in caught.value.cure
    assert a in caught.value.reason and b in caught.value.reason


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("umol/mol", "ppm"),
        ("μmol/mol", "ppm"),
        ("PPM", "ppm"),
        ("C", "°C"),
        ("celsius", "°C"),
        ("℃", "°C"),
        ("mg/m³", "mg/m3"),
        ("Mg/M3", "mg/m3"),
        ("%vol", "%VOL"),
        ("％LEL", "%LEL"),
        ("lel", "%LEL"),
        ("Mpa", "MPa"),
        ("kPaG", "kPa(g)"),
        ("MPa（g）", "MPa(g)"),
        ("m³/h", "m3/h"),
        (" m / s ", "m/s"),
        ("°", "deg"),
        ("%RH", "%"),
    ],
)
def test_spellings(written: str, meant: str) -> None:
    assert unit(written).name == meant


@pytest.mark.parametrize("written", ["", "mPa", "mg/Nm3", "furlong", "ppm mg/m3", "mbar"])
def test_unknown_spellings_name_themselves(written: str) -> None:
    with pytest.raises(UnitError, match=r"accepted|unknown") as caught:
        unit(written)
    assert repr(written) in caught.value.reason and caught.value.cure


def test_no_two_units_share_a_spelling() -> None:
    spelled = [_folded(name) for name in UNITS] + [_folded(alias) for alias in _ALIASES]
    assert len(spelled) == len(set(spelled))


def test_a_bare_percent_is_no_unit_of_a_gas() -> None:
    assert fits(Measure.GAS, "ppm") is None
    refused = fits(Measure.GAS, "%")
    assert refused is not None and "%LEL" in refused.cure
    wrong = fits(Measure.TEMPERATURE, "ppm")
    assert wrong is not None and "temperature" in wrong.reason and "°C" in wrong.cure
    assert fits(Measure.LEVEL, "nonsense") is not None


def test_every_measure_and_dimension_is_covered() -> None:
    assert set(UNITS_OF) == set(Measure)
    assert {u.dimension for u in UNITS.values()} == set(Dimension)
