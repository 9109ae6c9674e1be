"""The scenarios of the library: what each must show, beyond the timeline that is written down for it."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from hazwatch.replay.line import Line
from sensors_sim.plant import Plant
from sensors_sim.scenario import Scenario, ScenarioError, at_work, load, names, plant_of, play
from sensors_sim.sites import DEMO
from sensors_sim.upsets import Upset
from tests.sensors_sim.plants import START_S, messages, story, told_of
from tests.sensors_sim.timelines import second

pytestmark = pytest.mark.timeout(240)
Floats = npt.NDArray[np.float64]


@cache
def told(name: str, seconds: int = 1000) -> list[Line]:
    return story(name, seconds)


def first(lines: list[Line], rule: str) -> dict[str, int]:
    """When a rule first said something of each tag, in s."""
    found: dict[str, int] = {}
    for line in lines:
        if line.rule == rule:
            found.setdefault(line.tag, second(line))
    return found


def values(what: Scenario, seconds: int, tags: list[str]) -> Floats:
    """What instruments say, shape (seconds, n)."""
    built = plant_of(what, 1, START_S)
    place = [[tag.name for tag in built.instruments].index(name) for name in tags]
    moments = play(built, what)
    return np.array([next(moments)[1].value[place] for _ in range(seconds)])


def without(what: Scenario, kind: str) -> Scenario:
    left = tuple(table for table in what.effect if table["kind"] != kind)
    assert len(left) < len(what.effect)
    return Scenario(name=what.name, site=what.site, effect=left)


@pytest.mark.parametrize("name", names())
def test_it_says_what_it_is_about_and_ends_in_time(name: str) -> None:
    what = load(name)
    ends = [table["start_s"] + table["duration_s"] for table in what.effect]
    ends += [upset.start_s + upset.duration_s for upset in what.upset]
    if name not in ("sensor-stuck", "gateway-offline", "quiet", "gentle", "co-leak-foundry", "tank-overpressure"):
        assert what.about.zh and what.about.en
        assert max(ends, default=0.0) <= what.lasts_s


@pytest.mark.parametrize("name", [name for name in names() if load(name).site == DEMO])
def test_same_seed_same_messages(name: str) -> None:
    assert list(messages(name, 90)) == list(messages(name, 90))


@pytest.mark.long
def test_chlorine_reaches_the_detectors_one_after_the_other() -> None:
    """In the order of their distance along the wind, and no sooner than the wind could bring it."""
    seen = first(told("chlorine-leak"), "limits")
    along = ["chlorine.CL-107", "chlorine.CL-111", "chlorine.CL-108", "chlorine.CL-101", "chlorine.CL-105"]
    along += ["chlorine.CL-102", "chlorine.CL-115"]
    times = [seen[tag] for tag in along]
    assert times == sorted(times)
    where = {tag.name: tag.x_m for tag in plant_of(load("chlorine-leak"), 1, START_S).instruments}
    gust_ms = 6.0
    for tag, at in zip(along, times, strict=True):
        assert at >= 60 + (1352 - where[tag]) / gust_ms
    assert 60 < seen["chlorine.CL-115"] - seen["chlorine.CL-107"] < 180
    assert not any(tag.startswith("chlorine.CL-2") for tag in seen), "the vaporiser room lies upwind"
    assert first(told("chlorine-leak"), "spread")["chlorine.CL-101"] < seen["chlorine.CL-115"]


@pytest.mark.long
def test_when_the_wind_turns_the_plume_swings_to_other_detectors() -> None:
    """The western fence clears and stays clear; the vaporiser room calls, not before the wind has turned and come."""
    seen = first(told("wind-change"), "limits")
    room = {tag: at for tag, at in seen.items() if tag.startswith("chlorine.CL-2")}
    assert len(room) >= 5
    assert min(room.values()) > 300 + 60
    fence = [(line.change, second(line)) for line in told("wind-change") if line.tag == "chlorine.CL-115"]
    assert fence[0][0] == "raise" and fence[0][1] < 300
    assert fence[-1][0] == "return" and 300 < fence[-1][1] < 600
    calm = without(load("wind-change"), "wind")
    there = values(calm, 900, ["chlorine.CL-201", "chlorine.CL-202"])
    assert there.max() < 0.3, "without the change the room stays out of it"


@pytest.mark.long
def test_lpg_at_running_motors_is_told_before_the_first_limit() -> None:
    """10 % LEL where a motor runs, 25 % is the first limit."""
    lines = told("lpg-leak")
    seen, ignition = first(lines, "limits"), first(lines, "ignition")
    (at,) = ignition.values()
    assert at < min(seen.values())
    assert {"lpg.GD-115", "lpg.GD-117"} <= set(seen)


@pytest.mark.long
def test_a_poisoned_detector_looks_healthy_and_is_silent_when_gas_comes() -> None:
    """Nothing is said of it before the leak, nor in it, though there is gas enough for its second limit; its neighbour
    calls. That is the honest end: only gas could have told."""
    what = load("detector-poisoned")
    real = values(without(what, "poisoned"), 900, ["lpg.GD-117"])
    shown = values(what, 900, ["lpg.GD-117"])
    assert real.max() > 50
    assert shown.max() < 5
    assert np.array_equal(real[:60], shown[:60]), "in clean air it says what it always said"
    assert "lpg.GD-117" not in {line.tag for line in told("detector-poisoned")}
    assert "lpg.GD-115" in first(told("detector-poisoned"), "limits")


@pytest.mark.long
def test_a_drifting_zero_ends_in_a_false_alarm_of_one_detector() -> None:
    lines = told("sensor-drift")
    assert {line.tag for line in lines} == {"metal.CO-203"}
    shown = values(load("sensor-drift"), 940, ["metal.CO-203", "metal.CO-204"])
    assert shown[920, 0] - shown[20, 0] == pytest.approx(80.0 * 890 / 3600, abs=3)
    assert shown[:, 1].max() < 10
    assert [line.change for line in lines if line.rule == "limits"] == ["raise", "return"]


@pytest.mark.long
def test_spikes_are_a_fault_of_the_instrument_and_no_process_alarm() -> None:
    lines = told("sensor-spikes")
    assert {(line.tag, line.rule) for line in lines} == {("lpg.PT-101", "spikes")}
    shown = values(load("sensor-spikes"), 200, ["lpg.PT-101"])[:, 0]
    assert np.flatnonzero(shown > 2).tolist() == [60, 100, 140, 180]


@pytest.mark.long
def test_a_storm_delays_and_doubles_nothing() -> None:
    """The same alarms to the second as without the storm; 50 messages a second, numbered without a gap."""
    quiet = without(load("message-storm"), "storm")
    assert [_said(line) for line in told("message-storm", 400)] == [_said(line) for line in told_of(quiet, 400)]
    up = [(s, json.loads(m.payload)) for s, m in messages("message-storm", 120) if m.topic == "park/metal/gw1/up"]
    assert [body["seq"] for _, body in up] == list(range(1, len(up) + 1))
    assert sum(s == 100 for s, _ in up) == 50
    times = [body["time_ms"] for _, body in up]
    assert times == sorted(times) and len(set(times)) == len(times)


@pytest.mark.long
def test_a_wrong_clock_is_told_and_delays_no_alarm() -> None:
    right = without(load("clock-jump"), "clock")
    wrong = told("clock-jump")
    assert {line.rule for line in wrong} - {line.rule for line in told_of(right, 1000)} == {"gateway-clock"}
    raised = [_said(line) for line in wrong if line.rule == "limits" and line.change in ("raise", "rise")]
    expected = [_said(line) for line in told_of(right, 1000) if line.rule == "limits"]
    assert raised == [said for said in expected if said[2] in ("raise", "rise")]
    up = {s: json.loads(m.payload) for s, m in messages("clock-jump", 700) if m.topic == "park/chlorine/gw1/up"}
    assert [up[s]["time_ms"] // 1000 - START_S - s for s in (59, 60, 659, 660)] == [0, 3600, 3600, 0]


def _said(line: Line) -> tuple[int, str, str, str, int]:
    return second(line), line.tag, line.change, line.level, line.tier


@pytest.mark.parametrize("name", [name for name in names() if load(name).upset])
def test_an_upset_begins_at_its_time_and_not_before(name: str) -> None:
    """Until then the plant is the healthy one to the last digit; afterwards it is another."""
    what = load(name)
    (upset,) = what.upset
    changed = Upset(knob=upset.knob, to=upset.to, start_s=600.0, duration_s=7200)
    soon = Scenario(name=name, site=what.site, upset=(changed,))
    healthy, faulty = (_steps(plant_of(what, 1, START_S), one) for one in (Scenario(name="x", site=what.site), soon))
    assert np.array_equal(healthy[:60], faulty[:60])
    assert not np.allclose(healthy[60:], faulty[60:])


def _steps(built: Plant, what: Scenario) -> Floats:
    moments = play(built, what)
    return np.array([next(moments)[1].value for _ in range(240)])


def test_an_upset_in_a_plant_without_knobs_and_one_that_is_none() -> None:
    upset = Upset(knob="jacket", to=0.5, start_s=0, duration_s=10)
    with pytest.raises(ScenarioError, match=r"\[\[upset\]\] 1: this plant is no process unit"):
        what = Scenario(name="x", upset=(upset,))
        at_work(what, plant_of(what, 1, START_S))
    with pytest.raises(ScenarioError, match=r"there is no knob 'jacket'; known are bias\.reactor\.AT-101"):
        what = Scenario(name="x", site="reactor-unit", upset=(upset,))
        at_work(what, plant_of(what, 1, START_S))
    with pytest.raises(ScenarioError, match=r"there is no site 'moon'; known are demo, ammonia-unit, reactor-unit"):
        plant_of(Scenario(name="x", site="moon"), 1, START_S)


def test_an_upset_goes_and_comes_back_in_straight_lines() -> None:
    upset = Upset(knob="k", to=0.0, start_s=100, rise_s=100, duration_s=300, fall_s=50)
    path = [upset.value(1.0, at) for at in (99.9, 100, 150, 200, 399, 400, 425, 450, 500)]
    assert path == pytest.approx([1, 1, 0.5, 0, 0, 0, 0.5, 1, 1])
