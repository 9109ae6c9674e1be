"""Process units: the balances against figures known beforehand, and what every unit promises."""

from __future__ import annotations

from functools import cache
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest

from sensors_sim.sites import build, sites
from sensors_sim.units import BIAS, units
from sensors_sim.units.ammonia_unit import saturation_k, saturation_kpa
from sensors_sim.units.parts import Controller, Load, Wander
from sensors_sim.units.reactor_unit import (
    FEED_KMOL_M3,
    HEAT_KJ_KMOL,
    RHO_CP,
    WATER_CP,
    rate_per_h,
    vapour_kpa,
)
from tests.sensors_sim.plants import START_S

UNITS = pytest.mark.parametrize("module", units().values(), ids=list(units()))
Floats = npt.NDArray[np.float64]


@cache
def hours(name: str, count: float, seed: int = 1, **knobs: float) -> Floats:
    """What the instruments of a unit say, shape (steps, n), with knobs turned from the beginning (`__` for the dot)."""
    built = build(name, seed, START_S)
    assert built.unit is not None
    for knob, value in knobs.items():
        built.unit.knobs[knob] = value
    return np.array([built.step() for _ in range(round(count * 3600 / built.step_s))])


def column(name: str, tag: str) -> int:
    return [one.name for one in build(name, 1, START_S).instruments].index(tag)


@UNITS
def test_its_tag_list_has_what_it_measures(module: ModuleType) -> None:
    built = build(module.UNIT, 1, START_S)
    assert [tag.name for tag in built.instruments] == [sensor.name for sensor in module.SENSORS]
    assert 10 <= len(module.SENSORS) <= 15
    assert module.TITLE.zh and module.TITLE.en
    assert len(module.KNOBS) >= 3 and all(knob.meaning for knob in module.KNOBS.values())
    assert (sites()[module.UNIT].folder / "hazwatch.toml").exists()


@UNITS
def test_same_seed_and_start_same_values(module: ModuleType) -> None:
    assert np.array_equal(hours(module.UNIT, 0.5), hours(module.UNIT, 0.5))
    assert not np.allclose(hours(module.UNIT, 0.5), hours(module.UNIT, 0.5, seed=2))


@UNITS
@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_two_healthy_days_stay_within_all_limits(module: ModuleType, seed: int) -> None:
    built = build(module.UNIT, seed, START_S)
    said = hours(module.UNIT, 48, seed)
    low = np.array([-np.inf if tag.low is None else tag.low for tag in built.instruments])
    high = np.array([np.inf if tag.high is None else tag.high for tag in built.instruments])
    assert ((said > low) & (said < high)).all()
    ends = np.array([(tag.range_low, tag.range_high) for tag in built.instruments]).T
    assert ((said >= ends[0]) & (said <= ends[1])).all()


@UNITS
@pytest.mark.long
def test_its_tags_move_together(module: ModuleType) -> None:
    """Loads, the day and the controllers tie them to each other: what a multivariate warning lives on."""
    said = hours(module.UNIT, 24)[::6]
    between = np.abs(np.corrcoef(said.T)) - np.eye(said.shape[1])
    assert (between.max(axis=0) > 0.5).mean() > 0.7


@UNITS
def test_every_sensor_can_be_biased(module: ModuleType) -> None:
    """Of a sensor that no controller works with, the bias is seen as it is."""
    last = module.SENSORS[-1].name
    moved = hours(module.UNIT, 0.1, **{BIAS + last: 1.5}) - hours(module.UNIT, 0.1)
    assert moved[:, -1] == pytest.approx(np.full(len(moved), 1.5))
    assert moved[:, :-1] == pytest.approx(np.zeros_like(moved[:, :-1]))


@pytest.mark.parametrize(("celsius", "kpa"), [(-33.3, 101.5), (-20, 190.1), (0, 429.6), (25, 1003.2), (40, 1555.4)])
def test_saturation_of_ammonia(celsius: float, kpa: float) -> None:
    """Published vapour pressures of ammonia (NIST WebBook, fluid properties), within 3 %."""
    assert saturation_kpa(celsius + 273.15) == pytest.approx(kpa, rel=0.03)
    assert saturation_k(saturation_kpa(celsius + 273.15)) == pytest.approx(celsius + 273.15)


@pytest.mark.long
def test_heat_of_the_reactor_goes_where_it_is_measured() -> None:
    """What the reaction makes by feed and conversion leaves with the product and the jacket's water: over a day, the
    two balances by the instruments agree within a twentieth."""
    said = hours("reactor-unit", 24).mean(axis=0)
    at = {tag: said[column("reactor-unit", f"reactor.{tag}")] for tag in ("FT-101", "AT-101", "TT-101", "TT-102")}
    water = {tag: said[column("reactor-unit", f"reactor.{tag}")] for tag in ("FT-102", "TT-103", "TT-104")}
    made = at["FT-101"] * FEED_KMOL_M3 * at["AT-101"] / 100 * HEAT_KJ_KMOL
    carried = at["FT-101"] * RHO_CP * (at["TT-102"] - at["TT-101"])
    cooled = water["FT-102"] * WATER_CP * (water["TT-104"] - water["TT-103"])
    assert made == pytest.approx(carried + cooled, rel=0.05)


@pytest.mark.long
def test_the_conversion_is_that_of_a_stirred_tank() -> None:
    """First order, well mixed: k tau / (1 + k tau)."""
    said = hours("reactor-unit", 24).mean(axis=0)
    tau_h = 6.0 / said[column("reactor-unit", "reactor.FT-101")]
    k = rate_per_h(said[column("reactor-unit", "reactor.TT-102")] + 273.15)
    expected = 100 * k * tau_h / (1 + k * tau_h)
    assert said[column("reactor-unit", "reactor.AT-101")] == pytest.approx(expected, rel=0.03)


def test_without_coolant_the_reactor_heats_itself_to_what_its_feed_can_give() -> None:
    """No hotter than feed and conversion allow (adiabatic), and hotter than anything that a limit is set to."""
    said = hours("reactor-unit", 8, coolant_supply=0.02)[-360:].mean(axis=0)
    adiabatic = said[column("reactor-unit", "reactor.TT-101")] + FEED_KMOL_M3 * HEAT_KJ_KMOL / RHO_CP
    hot = said[column("reactor-unit", "reactor.TT-102")]
    assert 110 < hot < adiabatic + 1
    assert said[column("reactor-unit", "reactor.AT-101")] > 95
    pressure = said[column("reactor-unit", "reactor.PT-101")] + 101.3
    assert pressure > vapour_kpa(hot + 273.15)


@pytest.mark.long
def test_water_takes_the_heat_of_the_condenser() -> None:
    """Heat by the water, 4.18 kJ/(kg K), against the boil-off that is condensed: 1 300 to 1 500 kJ/kg."""
    said = hours("ammonia-unit", 24).mean(axis=0)
    at = {tag: said[column("ammonia-unit", f"ammonia.{tag}")] for tag in ("FT-201", "FT-202", "TT-204", "TT-205")}
    kilowatt = at["FT-202"] / 3.6 * 4.18 * (at["TT-205"] - at["TT-204"])
    assert 1300 < kilowatt / (at["FT-201"] / 3600) < 1500


@pytest.mark.long
def test_the_liquid_boils_at_the_pressure_of_the_tank() -> None:
    said = hours("ammonia-unit", 24).mean(axis=0)
    celsius = said[column("ammonia-unit", "ammonia.TT-201")]
    pressure = said[column("ammonia-unit", "ammonia.PT-201B")] + 101.3
    assert saturation_kpa(celsius + 273.15) == pytest.approx(pressure, rel=0.005)


@pytest.mark.long
def test_a_biased_controller_hides_its_fault() -> None:
    """A reads 3 kPa low: it shows its set-point, and B what is true."""
    said = hours("ammonia-unit", 24, **{f"{BIAS}ammonia.PT-201A": -3.0})[-2160:].mean(axis=0)
    assert said[column("ammonia-unit", "ammonia.PT-201A")] == pytest.approx(6.0, abs=0.3)
    assert said[column("ammonia-unit", "ammonia.PT-201B")] == pytest.approx(9.0, abs=0.3)


def test_a_controller_does_not_wind_up() -> None:
    """Held at its end for an hour it leaves it as soon as the error turns."""
    one = Controller(gain=2.0, reset_s=60.0, output=50.0)
    for _ in range(360):
        assert 0 <= one.step(10.0, 10.0) <= 100
    assert one.output == 100
    for _ in range(3):
        one.step(-10.0, 10.0)
    assert one.output < 100


def test_a_controller_takes_away_a_lasting_error() -> None:
    one, value = Controller(gain=2.0, reset_s=60.0, output=50.0), 8.0
    for _ in range(2000):
        value += (20.0 - 0.3 * one.step(value - 5.0, 5.0) - value) * 0.05
    assert value == pytest.approx(5.0, abs=1e-3)


def test_a_wander_has_its_size_and_its_memory() -> None:
    rng = np.random.default_rng(1)
    one = Wander(2.0, 60.0)
    seen = np.array([one.step(kick, 10.0) for kick in rng.standard_normal(200_000)])
    assert seen.std() == pytest.approx(2.0, rel=0.03)
    assert np.corrcoef(seen[6:], seen[:-6])[0, 1] == pytest.approx(np.exp(-1), abs=0.02)


def test_a_load_is_a_matter_of_seed_and_time_alone() -> None:
    """However the plant came there."""
    one, other = Load(1, 0.9, 1.1), Load(1, 0.9, 1.1)
    for minute in range(6000):
        one.step(START_S + 60.0 * minute, 60.0)
    assert one.wanted(START_S + 360_000.0) == other.wanted(START_S + 360_000.0)
    wanted = {round(one.wanted(START_S + 3600.0 * hour), 6) for hour in range(240)}
    assert len(wanted) > 40 and min(wanted) >= 0.9 and max(wanted) <= 1.1
