"""What each scenario raises, in its order and to the second; and how early the early warnings are."""

from __future__ import annotations

import re

import pytest

from sensors_sim.scenario import names
from tests.sensors_sim.timelines import FOLDER, timeline

pytestmark = pytest.mark.timeout(180)
CURE = "if that is meant, run: python -m tests.sensors_sim.timelines"
QUICK = ("chlorine-leak", "gateway-offline", "sensor-stuck")
REST = [pytest.param(name, marks=pytest.mark.long) for name in names() if name not in QUICK]


@pytest.mark.parametrize("name", [*QUICK, *REST])
def test_the_alarms_of_a_scenario_come_as_written(name: str) -> None:
    assert (FOLDER / f"{name}.txt").read_text(encoding="utf-8") == timeline(name), CURE


def test_every_timeline_has_its_scenario() -> None:
    assert {file.stem for file in FOLDER.glob("*.txt")} == set(names())


@pytest.mark.long
def test_the_overpressure_is_foreseen() -> None:
    """The pressure climbs for two minutes; a warning that comes with the limit would be worth nothing."""
    told = re.findall(r"lpg\.PT-101: pressure-ahead (\d+) s before the limit", timeline("tank-overpressure"))
    assert len(told) == 1 and int(told[0]) >= 60
