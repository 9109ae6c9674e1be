"""Scenarios: files that say what goes wrong, when, and for how long."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from schemas.text import Text
from sensors_sim.faults import Effect, Shown, kinds
from sensors_sim.plant import Plant

FOLDER = Path(__file__).parent / "scenarios"


class ScenarioError(ValueError):
    """A scenario cannot be played; the message names the file, the effect and the cure."""


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A scenario file. `repeat_s` plays it again and again; 0 plays it once."""

    name: str
    title: Text = Text()
    repeat_s: float = 0.0
    effect: tuple[dict[str, Any], ...] = ()


def names() -> list[str]:
    """The scenarios that come with the program."""
    return sorted(file.stem for file in FOLDER.glob("*.toml"))


def load(name: str) -> Scenario:
    """A scenario by name or by path. Raises `ScenarioError`."""
    file = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    try:
        return msgspec.convert(tomllib.loads(file.read_text()), Scenario)
    except FileNotFoundError:
        raise ScenarioError(
            f"there is no scenario {name!r}; known are {', '.join(names())}, or give a .toml file"
        ) from None
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, OSError) as error:
        raise ScenarioError(f"{file}: {error}") from None


def effects(scenario: Scenario, plant: Plant) -> list[Effect]:
    """The effects of a scenario at work in `plant`; all problems at once."""
    made: list[Effect] = []
    problems = []
    for number, table in enumerate(scenario.effect, start=1):
        where = f"{scenario.name}: [[effect]] {number}"
        module = kinds().get(str(table.get("kind")))
        if module is None:
            problems.append(f"{where}: kind {table.get('kind')!r} is not one of {', '.join(sorted(kinds()))}")
            continue
        try:
            made.append(module.Effect(msgspec.convert(table, module.Spec), plant))
        except (msgspec.ValidationError, ValueError) as error:
            problems.append(f"{where}: {error}")
    if problems:
        raise ScenarioError("\n".join(problems))
    return made


def play(plant: Plant, scenario: Scenario) -> Iterator[tuple[float, Shown]]:
    """Second by second: the time (s since 1970) and what the instruments say then. Never ends."""
    at_work = effects(scenario, plant)
    start_s = plant.time_s
    step = np.array([tag.resolution for tag in plant.instruments])
    n = len(plant.instruments)
    while True:
        now_s = plant.time_s
        at_s = now_s - start_s
        if scenario.repeat_s:
            at_s %= scenario.repeat_s
        shown = Shown(plant.step(), np.zeros(n, bool), np.zeros(n, bool), set(), set())
        for effect in at_work:
            effect.apply(at_s, shown)
        shown.value = np.round(shown.value / step) * step
        yield now_s, shown
