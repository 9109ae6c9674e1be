"""Every scenario that comes with the program raises what its title promises, by the demo park's own limits and rules.

The messages are read off the wire as a gateway wrote them; `sensors_sim` itself knows no rule.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hazwatch.cli import main
from hazwatch.replay.line import Line
from sensors_sim.gateway import KEPT, gateways
from sensors_sim.scenario import ScenarioError, at_work, demo_plays, load, names, plant_of
from sensors_sim.sites import DEMO, sites
from tests.sensors_sim.plants import START_S, demo, messages, plant, shown, story

SEEDS = (1, *(pytest.param(seed, marks=pytest.mark.long) for seed in (2, 3)))


def told(lines: Iterable[Line]) -> list[tuple[str, str, str]]:
    return [(line.tag, line.change, line.level) for line in lines]


def of_tag(lines: Sequence[Line], tag: str) -> list[tuple[str, str]]:
    return [(line.change, line.level) for line in lines if line.tag == tag]


def open_at_the_end(lines: Iterable[Line]) -> list[str]:
    last = {(line.tag, line.rule, line.side): line for line in lines}
    return [line.tag for line in last.values() if line.tier > 0]


@pytest.mark.parametrize("name", names())
def test_it_can_be_played_and_says_what_it_is_in_both_languages(name: str) -> None:
    scenario = load(name)
    assert scenario.name == name
    assert scenario.title.zh and scenario.title.en and re.search(r"[一-鿿]", scenario.title.zh)
    at_work(scenario, plant_of(scenario, seed=1, start_s=START_S))
    assert scenario.site in sites()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_quiet_quarter_of_an_hour_says_nothing(seed: int) -> None:
    assert told(story("quiet", 900, seed)) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_co_leak_foundry_brings_tier_1_and_ends(seed: int) -> None:
    lines = story("co-leak-foundry", 900, seed)
    worst = min(lines, key=lambda line: line.tier or 9)
    assert (worst.tier, worst.level, worst.unit, worst.source) == (1, "high_high", "ppm", "foundry")
    assert all(line.tag.startswith("metal.CO-") for line in lines)
    assert {line.rule for line in lines} == {"limits", "leak-confirmed", "exposure"}
    assert open_at_the_end(line for line in lines if line.rule != "exposure") == [], "a quarter of an hour remembers"


def test_tank_overpressure_rises_level_by_level_and_falls_level_by_level() -> None:
    lines = story("tank-overpressure", 1000)
    assert {line.tag for line in lines} == {"lpg.PT-101"}
    assert of_tag([line for line in lines if line.rule == "limits"], "lpg.PT-101") == [
        ("raise", "high"),
        ("rise", "high_high"),
        ("fall", "high"),
        ("return", "normal"),
    ]


def test_a_stuck_sensor_is_no_process_alarm_but_repeats_itself() -> None:
    """It froze where clean air lies, as a healthy detector does: only a bump test could tell. Nothing false is said."""
    assert told(story("sensor-stuck", 600)) == []
    values = defaultdict(set)
    for second, message in messages("sensor-stuck", 300):
        body = json.loads(message.payload)
        if "metal.CO-203" in body["tags"] and second > 30:
            values["metal.CO-203"].add(body["values"][body["tags"].index("metal.CO-203")])
            values["metal.CO-204"].add(body["values"][body["tags"].index("metal.CO-204")])
    assert len(values["metal.CO-203"]) == 1 < len(values["metal.CO-204"])


def test_a_gateway_that_goes_off_line_keeps_what_it_has_and_sends_it_as_history() -> None:
    topics: dict[str, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
    for second, message in messages("gateway-offline", 200):
        topics[message.topic].append((second, json.loads(message.payload)))
    live, kept = topics["park/metal/gw1/up"], topics["park/metal/gw1/backfill"]
    assert [second for second, _ in live] == [*range(60), *range(150, 200)]
    assert [body["seq"] for _, body in live] == list(range(1, 111)), "numbered without a gap"
    assert {second for second, _ in kept} == {150}, "all at once when it is back"
    assert [body["time_ms"] for _, body in kept] == [(START_S + s) * 1000 for s in range(60, 150)]
    assert all("seq" not in body for _, body in kept)
    assert len(topics["park/lpg/gw1/up"]) == len(topics["park/chlorine/gw1/up"]) == 200
    tags = [name for _, body in [*live, *kept] for name in body["tags"]]
    every_second = Counter(tags)["metal.CO-101"]
    assert every_second == 200, "no reading is lost and none comes twice"


def test_while_it_is_off_line_no_process_alarm_comes_or_goes() -> None:
    lines = story("gateway-offline", 300)
    assert {line.rule for line in lines} == {"stale"}
    assert all(line.tag.startswith("metal.") for line in lines)
    assert open_at_the_end(lines) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_gentle_has_a_few_alarms_that_all_return(seed: int) -> None:
    """What a visitor sees: one round of the demo."""
    lines = story("gentle", 900, seed)
    raised = [line for line in lines if line.change in ("raise", "reraise")]
    assert 3 <= len(raised) <= 10
    assert {line.rule for line in raised} == {"limits", "stale", "leak-confirmed"}
    assert {"metal.TT-101", "lpg.GD-115"} < {line.tag for line in raised}
    assert any(line.tag.startswith("metal.CO-") for line in raised)
    assert open_at_the_end(lines) == []


def test_over_range_is_said_by_its_quality() -> None:
    """A leak that is more than a detector can show: its top, and quality 65."""
    scenario = load("co-leak-foundry")
    scenario = type(scenario)(name="big", effect=({**scenario.effect[0], "rate_gs": 5000.0, "start_s": 0},))
    built = plant()
    moment = shown(built, scenario, 120)[-1]
    over = moment.over_range
    assert over.any()
    assert (moment.value[over] == [tag.range_high for tag, so in zip(built.instruments, over, strict=True) if so]).all()
    (metal, *_) = gateways(built.instruments, 1)
    body = json.loads(metal.second(START_S, moment)[-1].payload)
    assert body["quality"].count(65) == over.sum()


def test_a_gateway_keeps_an_hour() -> None:
    built = plant()
    (metal, *_) = gateways(built.instruments, 1)
    moment = shown(built, load("quiet"), 1)[0]
    moment.offline.add("metal")
    moment.backfill.add("metal")
    for second in range(KEPT + 50):
        assert metal.second(START_S + second, moment) == []
    moment.offline.clear()
    out = metal.second(START_S + KEPT + 50, moment)
    assert len(out) == KEPT + 1
    assert json.loads(out[0].payload)["time_ms"] == (START_S + 50) * 1000


def test_the_demo_knows_every_instrument() -> None:
    assert {tag.name for tag in plant().instruments} == {tag.name for tag in demo().tags}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "there is no scenario '{file}'"),
        ("name = ", "Invalid value"),
        ('name = "x"\nspeed = 2\n', "unknown field `speed`"),
        ('name = "x"\nrepeat_s = -1\n', ">= 0"),
        (b'name = "\xff"\n', "decode"),
    ],
)
def test_a_scenario_file_that_is_none(tmp_path: Path, text: str | bytes | None, said: str) -> None:
    file = tmp_path / "mine.toml"
    if text is not None:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ScenarioError) as caught:
        load(str(file))
    assert said.format(file=file) in str(caught.value)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("name", names())
def test_the_demo_plays_what_comes_with_the_program_and_is_made_for_it(name: str) -> None:
    if load(name).site == DEMO:
        demo_plays(name)
        return
    with pytest.raises(ScenarioError, match=rf"plays in the plant .*hazwatch simulate {name} --site-to FOLDER"):
        demo_plays(name)


def test_the_demo_does_not_start_with_a_scenario_that_it_cannot_play(tmp_path: Path) -> None:
    """Nothing is made or started for it: else the plant would be started again for ever."""
    (tmp_path / "mine.toml").write_text('name = "mine"\n[[effect]]\nkind = "leek"\nstart_s = 0\nduration_s = 1\n')
    for scenario, said in (("nope", "there is no scenario 'nope'"), (str(tmp_path / "mine.toml"), "kind 'leek'")):
        ran = CliRunner().invoke(main, ["up", "--demo", "--scenario", scenario, "--data", str(tmp_path / "data")])
        assert ran.exit_code == 1
        assert said in ran.stderr
        assert not (tmp_path / "data").exists()
