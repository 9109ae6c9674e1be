"""Set-point profiles against an independent table, and what is looser than they are."""

from __future__ import annotations

import csv
from pathlib import Path

import msgspec
import pytest

from schemas.gases import gas
from schemas.registry import Limits, Measure, Tag
from schemas.setpoints import PROFILES, default_deadband, default_limits, looser, maxima
from schemas.tiers import GasClass

CO, CL2, O2, PROPANE, BENZENE = "630-08-0", "7782-50-5", "7782-44-7", "74-98-6", "71-43-2"
ORACLE = list(csv.DictReader(Path(__file__).with_name("setpoints_oracle.csv").open(encoding="utf-8")))


def gas_tag(cas: str, unit: str, profile: str = "gb50493", limits: Limits = Limits(), reason: str = "") -> Tag:  # noqa: B008
    return Tag(
        number=1,
        name="G",
        enterprise="e",
        measure=Measure.GAS,
        cas=cas,
        unit=unit,
        profile=profile,
        limits=limits,
        limit_reason=reason,
        range_low=0.0,
        range_high=1000.0,
    )


@pytest.mark.parametrize("row", [r for r in ORACLE if r["oel_basis"]], ids=lambda r: r["cas"])
def test_toxic_maxima_equal_the_independent_table(row: dict[str, str]) -> None:
    in_ppm = maxima(gas_tag(row["cas"], "ppm"))
    in_mg = maxima(gas_tag(row["cas"], "mg/m3"))
    assert in_ppm.high == pytest.approx(float(row["level1_ppm"]), rel=1e-3)
    assert in_ppm.high_high == pytest.approx(float(row["level2_ppm"]), rel=1e-3)
    assert in_mg.high == float(row["oel_mg_m3"]) and in_mg.high_high == 2 * float(row["oel_mg_m3"])


@pytest.mark.parametrize("row", [r for r in ORACLE if r["level1_vol_pct"]], ids=lambda r: r["cas"])
def test_explosive_maxima_equal_the_independent_table(row: dict[str, str]) -> None:
    assert maxima(gas_tag(row["cas"], "%LEL")) == Limits(high=25.0, high_high=50.0)
    found = gas(row["cas"])
    assert found is not None
    if found.gas_class is GasClass.FLAMMABLE:
        in_volume = maxima(gas_tag(row["cas"], "%VOL"))
        assert in_volume.high == pytest.approx(float(row["level1_vol_pct"]), rel=1e-3)
        assert in_volume.high_high == pytest.approx(float(row["level2_vol_pct"]), rel=1e-3)


@pytest.mark.parametrize("row", [r for r in ORACLE if r["pre_alarm_mg_m3"]], ids=lambda r: r["cas"])
def test_the_pre_alarm_profile(row: dict[str, str]) -> None:
    found = maxima(gas_tag(row["cas"], "mg/m3", "gbz_t223"))
    assert found.high == pytest.approx(float(row["pre_alarm_mg_m3"]), rel=1e-3)
    assert found.high_high == pytest.approx(float(row["alarm_mg_m3"]), rel=1e-3)


@pytest.mark.parametrize(
    ("cas", "unit", "profile", "expected"),
    [
        (CO, "ppm", "gb50493", Limits(high=17.18, high_high=34.35)),
        (CO, "mg/m3", "gb50493", Limits(high=20.0, high_high=40.0)),
        (CO, "ppm", "gb6222", Limits(high=24.0, high_high=160.0)),
        (CO, "mg/m3", "gb6222", Limits(high=27.95, high_high=186.3)),
        (CO, "mg/m3", "aq3036", Limits(high=15.0, high_high=40.0)),
        (CL2, "ppm", "gb50493", Limits(high=0.3393, high_high=0.6786)),
        (CL2, "ppm", "gb6222", Limits()),
        (O2, "%VOL", "gb50493", Limits(low=19.5, high=23.5)),
        (PROPANE, "ppm", "gb50493", Limits(high=5250.0, high_high=10500.0)),
        (PROPANE, "ppm", "gbz_t223", Limits()),
        (BENZENE, "%LEL", "gb50493", Limits(high=25.0, high_high=50.0)),
        ("7782-41-4", "ppm", "gb50493", Limits(high=1.25, high_high=2.5)),  # no OEL: a share of the smaller IDLH
        ("50-99-7", "ppm", "gb50493", Limits()),  # not in the table
        (CL2, "%LEL", "gb50493", Limits()),  # does not burn: the unit is refused elsewhere
        (CO, "ppm", "none", Limits()),
        (PROPANE, "LEL·m", "gb50493", Limits(high=1.0, high_high=2.0)),
        (PROPANE, "LEL·m", "aq3036", Limits()),  # the other profiles say nothing about beams
        (CL2, "LEL·m", "gb50493", Limits()),
        ("75-21-8", "mg/m3", "gbz_t223", Limits(high=3.0, high_high=6.0)),  # PC-TWA 2 mg/m3 alone: 3 times that
    ],
)
def test_known_set_points(cas: str, unit: str, profile: str, expected: Limits) -> None:
    assert maxima(gas_tag(cas, unit, profile)) == expected


def test_wind_has_a_limit_in_one_profile() -> None:
    wind = Tag(number=1, name="W", enterprise="e", measure=Measure.WIND_SPEED, unit="km/h", profile="aq3036")
    assert maxima(wind) == Limits(high=49.68)


def process(measure: Measure, unit: str, profile: str = "aq3036", reason: str = "", **limits: float) -> Tag:
    return Tag(
        number=1, name="P", enterprise="e", measure=measure, unit=unit, profile=profile, limits=Limits(**limits),
        limit_reason=reason,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        (process(Measure.TEMPERATURE, "°C", high=80.0, high_high=160.0), []),
        (process(Measure.TEMPERATURE, "°C", high=80.0, high_high=161.0), ["high_high"]),
        (process(Measure.TEMPERATURE, "°C", high=80.0), ["high_high"]),
        (process(Measure.TEMPERATURE, "K", high=353.15, high_high=433.15), []),
        (process(Measure.TEMPERATURE, "K", high=353.15, high_high=434.15), ["high_high"]),
        (process(Measure.TEMPERATURE, "°C", high=-20.0, high_high=-5.0), []),
        (process(Measure.PRESSURE, "MPa", high=1.0), ["high_high"]),
        (process(Measure.PRESSURE, "MPa", high=1.0, high_high=9.0), []),  # the design pressure is not known
        (process(Measure.LEVEL, "%"), ["low", "high"]),
        (process(Measure.LEVEL, "%", low=10.0, high=80.0), []),
        (process(Measure.LEVEL, "%", reason="overflow pipe"), []),
        (process(Measure.LEVEL, "%", profile="none"), []),
        (process(Measure.FLOW, "m3/h"), []),
    ],
)
def test_process_values_under_aq3036(tag: Tag, said: list[str]) -> None:
    found = list(looser(tag))
    assert [p.path for p in found] == [f"tags[P].{side}" for side in said]
    assert all("limit_reason" in p.cure for p in found)


def test_missing_limits_are_filled_and_given_ones_kept() -> None:
    assert default_limits(gas_tag(CO, "ppm", limits=Limits(high=10.0))) == Limits(high=10.0, high_high=34.35)
    assert default_limits(gas_tag(CO, "ppm")) == Limits(high=17.18, high_high=34.35)


def test_a_looser_limit_is_refused_unless_a_reason_is_given() -> None:
    loose = Limits(high=24.0, high_high=160.0)
    found = list(looser(gas_tag(CO, "ppm", limits=loose)))
    assert [p.path for p in found] == ["tags[G].high", "tags[G].high_high"]
    assert "17.18" in found[0].message and "limit_reason" in found[0].cure
    assert not list(looser(gas_tag(CO, "ppm", limits=loose, reason="blast furnace gas, site procedure 12")))
    assert not list(looser(gas_tag(CO, "ppm", "gb6222", limits=loose)))


def test_a_missing_limit_is_the_loosest_of_all() -> None:
    assert [p.path for p in looser(gas_tag(CO, "ppm", limits=Limits(high=10.0)))] == ["tags[G].high_high"]


def test_oxygen_is_checked_on_both_sides() -> None:
    found = list(looser(gas_tag(O2, "%VOL", limits=Limits(low=18.0, high=25.0))))
    assert [p.path for p in found] == ["tags[G].low", "tags[G].high"]
    assert not list(looser(gas_tag(O2, "%VOL", limits=Limits(low=20.0, high=23.0))))


def test_a_limit_as_printed_in_tables_is_not_called_looser() -> None:
    assert not list(looser(gas_tag(CO, "ppm", limits=Limits(high=17.18, high_high=34.35))))
    assert list(looser(gas_tag(CO, "ppm", limits=Limits(high=17.19, high_high=34.35))))


@pytest.mark.parametrize("profile", sorted(PROFILES))
@pytest.mark.parametrize("cas", [r["cas"] for r in ORACLE])
def test_defaults_are_never_looser_than_their_profile(profile: str, cas: str) -> None:
    for unit in ("ppm", "mg/m3", "%LEL", "%VOL"):
        tag = gas_tag(cas, unit, profile)
        assert not list(looser(msgspec.structs.replace(tag, limits=default_limits(tag))))


def test_the_starting_deadband_leaves_room_between_the_limits() -> None:
    wide = gas_tag(CO, "ppm", limits=Limits(high=17.18, high_high=34.35))  # 2 % of 1000 ppm would be 20
    assert default_deadband(wide) == pytest.approx(8.585, rel=1e-3)
    narrow = msgspec.structs.replace(wide, range_high=100.0)
    assert default_deadband(narrow) == 2.0
    assert default_deadband(msgspec.structs.replace(wide, range_high=None)) == 0.0


def test_no_sentence_claims_conformity() -> None:
    for name in PROFILES:
        for problem in looser(gas_tag(CO, "ppm", name, limits=Limits(high=900.0, high_high=950.0))):
            assert "conform" not in str(problem) and "complian" not in str(problem) and "符合" not in str(problem)
