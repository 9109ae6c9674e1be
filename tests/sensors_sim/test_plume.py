"""The plume against the published figures of Gaussian dispersion, and against its own conservation of mass."""

from __future__ import annotations

import numpy as np
import pytest

from schemas.units import conversion
from sensors_sim.plume import Carrier, concentration, sigma_y, sigma_z

WEST, NORTH = 270.0, 0.0
BRIGGS_D = {
    100: (7.96, 5.595),
    200: (15.84, 10.52),
    500: (39.04, 22.68),
    1000: (76.28, 37.95),
    2000: (146.1, 60.0),
    5000: (326.6, 102.9),
    10000: (565.7, 150.0),
}
"""x in m -> sigma_y, sigma_z in m: Briggs (1973), rural, class D."""
CO = "630-08-0"


def at(x: float, y: float = 0.0, rate: float = 1.0, wind: float = 5.0, wind_from: float = WEST) -> float:
    return float(concentration(rate, np.array([x]), np.array([y]), wind, wind_from)[0])


@pytest.mark.parametrize("x", BRIGGS_D)
def test_spread_over_the_published_grid(x: int) -> None:
    distance = np.array([float(x)])
    assert (sigma_y(distance)[0], sigma_z(distance)[0]) == pytest.approx(BRIGGS_D[x], rel=1e-3)


@pytest.mark.parametrize("x", BRIGGS_D)
def test_the_plume_uses_that_spread(x: int) -> None:
    """On the axis Q / (pi u sy sz); at one sigma to the side exp(-1/2) of it."""
    wide, high = BRIGGS_D[x]
    centre = 7.0 / (np.pi * 5.0 * wide * high)
    assert at(x, rate=7.0) == pytest.approx(centre, rel=2e-3)
    assert at(x, wide, rate=7.0) == pytest.approx(centre * np.exp(-0.5), rel=2e-3)


def test_the_workbook_example() -> None:
    """Turner (1970): 3 g/s at the ground, class D, 7 m/s, 3 km downwind: 1.1e-5 g/m3, read off his curves. Briggs'
    curves are a little wider at that distance."""
    assert at(3000.0, rate=3.0, wind=7.0) == pytest.approx(1.1e-5, rel=0.25)


@pytest.mark.parametrize(("x", "ppm"), [(63.0, 330.0), (137.0, 83.0)])
def test_the_reference_distances_of_carbon_monoxide(x: float, ppm: float) -> None:
    """100 g/s of CO, class D, 5 m/s, by the curves of Pasquill and Gifford."""
    found = conversion("mg/m3", "ppm", CO).scale * 1000 * at(x, rate=100.0)
    assert found == pytest.approx(ppm, rel=0.25)


def test_across_the_wind_the_plume_holds_its_mass() -> None:
    """The integral over y of the ground-level plume is sqrt(2 / pi) Q / (u sz)."""
    y = np.linspace(-400, 400, 8001)
    for x in (200.0, 1000.0):
        found = np.trapezoid(concentration(2.0, np.full(8001, x), y, 4.0, WEST), y)
        expected = np.sqrt(2 / np.pi) * 2.0 / (4.0 * sigma_z(np.array([x]))[0])
        assert found == pytest.approx(expected, rel=0.02)


def test_it_goes_where_the_wind_goes() -> None:
    """A wind from the west blows east, one from the north south."""
    assert at(200, 0, wind_from=WEST) > 100 * at(-200, 0, wind_from=WEST)
    assert at(0, -200, wind_from=NORTH) > 100 * at(0, 200, wind_from=NORTH)
    assert at(0, -200, wind_from=NORTH) == pytest.approx(at(200, 0, wind_from=WEST))


def test_a_detector_beside_the_leak_sees_it_whatever_the_wind_does() -> None:
    for wind_from in range(0, 360, 15):
        assert at(3.0, 0.0, rate=5.0, wind_from=wind_from) * 1000 > 100, "mg/m3"


def test_nothing_comes_of_nothing_and_everything_is_finite() -> None:
    x, y = (part.reshape(-1) for part in np.meshgrid(np.linspace(-500, 500, 41), np.linspace(-500, 500, 41)))
    assert (concentration(0.0, x, y, 3.0, 10.0) == 0).all()
    for wind in (0.0, 0.3, 12.0):
        found = concentration(50.0, x, y, wind, 123.0)
        assert np.isfinite(found).all() and (found >= 0).all() and found.shape == x.shape


def test_gas_comes_when_the_wind_has_brought_it() -> None:
    """Steady wind: distance over speed, from where it blows. What left before all that is known never came."""
    carrier = Carrier()
    for _ in range(100):
        carrier.step(2.0, 270.0, 1.0)
    age, speed, from_deg = carrier.over(np.array([10.0, 150.0, 200.0, 201.0]))
    assert age[:3] == pytest.approx([5, 75, 100])
    assert age[3] == np.inf
    assert speed == pytest.approx(np.full(4, 2.0), rel=0.01)
    assert from_deg[:3] == pytest.approx([270, 270, 270])


def test_a_plume_swings_near_its_source_first() -> None:
    """60 s after the wind has turned from west to south: at 50 m it comes from the south, at 500 m still from the west,
    and between by the mean of the way; it changed its speed with the wind."""
    carrier = Carrier()
    for second in range(300):
        carrier.step(2.0, 270.0 if second < 240 else 180.0, 1.0)
    _, speed, from_deg = carrier.over(np.array([50.0, 240.0, 500.0]))
    assert from_deg[:2] == pytest.approx([180, 225])
    assert from_deg[2] > 240
    assert speed[1] == pytest.approx(2.0 * np.sqrt(0.5))


def test_it_forgets_what_is_too_long_ago() -> None:
    carrier = Carrier(keep=50)
    for _ in range(1000):
        carrier.step(1.0, 0.0, 1.0)
    assert np.isinf(carrier.over(np.array([60.0]))[0][0])
    assert carrier.over(np.array([40.0]))[0][0] == pytest.approx(40)
