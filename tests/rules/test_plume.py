"""The plume: published numbers, an independent formula, and the simulator as a twin."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.plume import CLASSES, FARTHEST_M, STEPS, dilution, locate, misfit, reach, sigma_y, sigma_z
from sensors_sim.plume import concentration as simulated
from tests.laws.settings import traces as laws

Floats = npt.NDArray[np.float64]
SIGMAS = Path(__file__).with_name("sigmas.csv")
PPM_CO, PPM_CL2 = 28.01 / 24.465e3, 70.9 / 24.465e3
"""g/m3 of 1 ppm at 25 °C."""


def test_sigmas_are_those_of_the_published_curves() -> None:
    with SIGMAS.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 42
    for row in rows:
        stability, x_m = CLASSES.index(row["class"]), float(row["x_m"])
        assert sigma_y(stability, x_m) == pytest.approx(float(row["sigma_y_m"]), rel=1e-3)
        assert sigma_z(stability, x_m) == pytest.approx(float(row["sigma_z_m"]), rel=1e-3)


def test_two_problems_of_turners_workbook() -> None:
    """Turner (1970): 3 g/s at the ground, D, 7 m/s, 3 km: 1.1e-5; 80 g/s at 60 m, D, 6 m/s, 500 m: 3.3e-5 g/m3."""
    assert 3 * dilution(7.0, 3, 3000.0, 0.0, 0.0, 0.0, 0.0) == pytest.approx(1.1e-5, rel=0.15)
    assert 80 * dilution(6.0, 3, 500.0, 0.0, 0.0, 60.0, 0.0) == pytest.approx(3.3e-5, rel=0.15)


@pytest.mark.parametrize(
    ("rate", "wind", "stability", "threshold", "metres"),
    [
        (100.0, 5.0, "D", 83 * PPM_CO, 137.0),
        (100.0, 5.0, "D", 330 * PPM_CO, 63.0),
        (100.0, 2.0, "F", 83 * PPM_CO, 532.0),
        (100.0, 2.0, "F", 330 * PPM_CO, 237.0),
        (1000.0, 5.0, "D", 20 * PPM_CL2, 671.0),
        (1000.0, 5.0, "D", 2 * PPM_CL2, 2830.0),
        (1000.0, 2.0, "F", 20 * PPM_CL2, 3232.0),
        (1000.0, 2.0, "F", 2 * PPM_CL2, FARTHEST_M),
    ],
)
def test_reference_distances(rate: float, wind: float, stability: str, threshold: float, metres: float) -> None:
    found = reach(rate, wind, CLASSES.index(stability), threshold, 0.0, 0.0, 0.0)
    assert found == pytest.approx(metres, rel=0.01)


def slow(wind: float, stability: int, x: float, y: float, z: float, height: float, initial: float) -> float:
    wide = math.hypot(float(sigma_y(stability, x)), initial)
    high = math.hypot(float(sigma_z(stability, x)), initial)

    def bell(d: float, spread: float) -> float:
        return math.exp(-((d / spread) ** 2) / 2) / (math.sqrt(2 * math.pi) * spread)

    return bell(y, wide) * (bell(z - height, high) + bell(z + height, high)) / wind


@laws(300)
@given(
    st.floats(1, 20), st.integers(0, 5), st.floats(1, 9999), st.floats(-300, 300), st.floats(0, 30), st.floats(0, 60),
    st.floats(0.1, 5),
)  # fmt: skip
def test_dilution_is_two_bells_over_the_wind(
    wind: float, stability: int, x: float, y: float, z: float, height: float, initial: float
) -> None:
    wanted = slow(wind, stability, x, y, z, height, initial)
    assert dilution(wind, stability, x, y, z, height, initial) == pytest.approx(wanted, rel=1e-9, abs=1e-300)
    assert dilution(wind, stability, -x, y, z, height, initial) == 0.0


@laws(100)
@given(st.floats(0.01, 1e5), st.floats(1, 20), st.integers(0, 5), st.floats(-7, 1), st.floats(0, 30), st.floats(0.1, 5))
def test_beyond_its_reach_a_plume_is_below_the_threshold(
    rate: float, wind: float, stability: int, exponent: float, height: float, initial: float
) -> None:
    threshold = 10.0**exponent
    metres = reach(rate, wind, stability, threshold, 0.0, height, initial)
    scan = np.geomspace(1.0, FARTHEST_M, 400)
    above = [x for x in scan if rate * slow(wind, stability, float(x), 0.0, 0.0, height, initial) >= threshold]
    if metres >= FARTHEST_M:
        assert above[-1] == scan[-1]
    elif metres == 0.0:
        assert not above
    else:
        assert rate * slow(wind, stability, metres, 0.0, 0.0, height, initial) >= threshold * 0.98
        assert not above or above[-1] <= metres * 1.05


# The source

FIELD = np.array([(e, n) for e in (0.0, 40.0, 80.0) for n in (-40.0, -15.0, 0.0, 15.0, 40.0)])
TO_EAST, TO_NORTH, WIND, INITIAL, MARGIN = 1.0, 0.0, 3.0, 1.0, 150.0
FLOOR = 1e-4
"""g/m3: a tenth of what a detector sees."""


def found(c: Floats, stability: int = 3) -> tuple[float, float, float, float]:
    n = len(FIELD)
    seen = np.where(c >= 2.5 * FLOOR, 2, 1)
    return locate(  # type: ignore[no-any-return]
        n, seen, FIELD[:, 0].copy(), FIELD[:, 1].copy(), np.zeros(n), c, np.full(n, FLOOR), WIND, TO_EAST, TO_NORTH,
        stability, 0.0, INITIAL, MARGIN,
    )  # fmt: skip


def rank(c: Floats, source: tuple[float, float]) -> float:
    """The share of cells of the grid that fit better than the one of the source."""
    n = len(FIELD)
    seen = np.where(c >= 2.5 * FLOOR, 2, 1)
    east, north = FIELD[:, 0].copy(), FIELD[:, 1].copy()
    west, wide = east.min() - MARGIN, (np.ptp(east) + 2 * MARGIN) / STEPS
    south, high = north.min() - MARGIN, (np.ptp(north) + 2 * MARGIN) / STEPS

    def cost(e: float, o: float) -> float:
        return float(
            misfit(e, o, n, seen, east, north, np.zeros(n), c, np.full(n, FLOOR), WIND, TO_EAST, TO_NORTH, 3, 0.0,
                   INITIAL)[0]
        )  # fmt: skip

    mine = cost(
        west + (math.floor((source[0] - west) / wide) + 0.5) * wide,
        south + (math.floor((source[1] - south) / high) + 0.5) * high,
    )
    costs = [cost(west + (i + 0.5) * wide, south + (j + 0.5) * high) for i in range(STEPS) for j in range(STEPS)]
    return sum(1 for one in costs if one < mine) / len(costs)


def own(source: tuple[float, float], rate: float) -> Floats:
    """What the detectors read of a source of this rate (g/s), by the independent formula."""
    return np.array(
        [
            rate * slow(WIND, 3, e - source[0], n - source[1], 0.0, 0.0, INITIAL) if e > source[0] else 0.0
            for e, n in FIELD
        ]
    )


@pytest.mark.parametrize("source", [(-60.0, 0.0), (-100.0, 10.0), (-40.0, -20.0), (10.0, 5.0)])
def test_without_noise_the_source_is_found(source: tuple[float, float]) -> None:
    east, north, rate, spread = found(own(source, 20.0))
    assert math.dist((east, north), source) < 12.0
    assert rate == pytest.approx(20.0, rel=0.4)
    assert 0 <= spread < 100


def test_with_noise_the_true_cell_is_among_the_best_twentieth() -> None:
    """Lognormal noise of 0.5 on every detector, 40 draws."""
    luck = np.random.default_rng(5)
    ranks = []
    for _ in range(40):
        source = (luck.uniform(-120.0, -20.0), luck.uniform(-25.0, 25.0))
        c = own(source, 20.0) * np.exp(0.5 * luck.standard_normal(len(FIELD)))
        if np.count_nonzero(c >= 2.5 * FLOOR) >= 3:
            ranks.append(rank(c, source))
    assert len(ranks) >= 35
    assert max(ranks) <= 0.05


def test_the_simulators_plume_is_located_too() -> None:
    """The simulator has other sigmas (Briggs), and close to a leak gas that goes everywhere. So the leak is small
    enough for that gas not to be seen 80 m away: where all detectors see gas alike no direction can be found."""
    luck = np.random.default_rng(6)
    ranks, misses = [], []
    for _ in range(40):
        source = (luck.uniform(-140.0, -80.0), luck.uniform(-25.0, 25.0))
        offsets = FIELD - np.array(source)
        c = simulated(2.0, offsets[:, 0], offsets[:, 1], WIND, 270.0) * np.exp(0.5 * luck.standard_normal(len(FIELD)))
        ranks.append(rank(c, source))
        east, north, _, _ = found(c)
        misses.append(math.dist((east, north), source))
    assert max(ranks) <= 0.05
    assert np.median(misses) < 25.0


@laws(60)
@given(
    st.lists(st.floats(0, 50), min_size=15, max_size=15),
    st.integers(0, 5),
    st.lists(st.integers(0, 1), min_size=15, max_size=15),
)
def test_whatever_detectors_read_the_answer_is_a_number(c: list[float], stability: int, works: list[int]) -> None:
    n = len(FIELD)
    density = np.array(c)
    seen = np.array(works) * np.where(density >= 2.5 * FLOOR, 2, 1)
    if np.count_nonzero(seen == 2) < 3:
        return
    answer = locate(
        n, seen, FIELD[:, 0].copy(), FIELD[:, 1].copy(), np.zeros(n), density, np.full(n, FLOOR), WIND, TO_EAST,
        TO_NORTH, stability, 0.0, INITIAL, MARGIN,
    )  # fmt: skip
    assert all(math.isfinite(x) for x in answer) and answer[2] > 0
    assert -MARGIN - 20 <= answer[0] <= 80 + MARGIN + 20
