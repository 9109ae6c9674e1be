"""Scenarios: files that say what goes wrong, when, and for how long."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from schemas.text import Text
from sensors_sim.faults import Effect, Shown, kinds
from sensors_sim.plant import Plant
from sensors_sim.taglist import read_instruments

FOLDER = Path(__file__).parent / "scenarios"
DEMO_TAGS = Path(__file__).parent.parent / "hazwatch" / "demo" / "tags.csv"


class ScenarioError(ValueError):
    """A scenario cannot be played; the message names the file, the effect and the cure."""


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A scenario file. `repeat_s` plays it again and again, effects must be over by then; 0 plays it once."""

    name: str
    title: Text = Text()
    repeat_s: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    effect: tuple[dict[str, Any], ...] = ()


def names() -> list[str]:
    """The scenarios that come with the program."""
    return sorted(file.stem for file in FOLDER.glob("*.toml"))


def load(name: str) -> Scenario:
    """A scenario by name or by path. Raises `ScenarioError`."""
    file = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    try:
        return msgspec.convert(tomllib.loads(file.read_bytes().decode("utf-8-sig")), Scenario)
    except FileNotFoundError:
        raise ScenarioError(
            f"there is no scenario {name!r}; known are {', '.join(names())}, or give a .toml file"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError, OSError) as error:
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
            spec = msgspec.convert(table, module.Spec)
            if 0 < scenario.repeat_s < spec.start_s + spec.duration_s:
                raise ValueError(f"it ends after repeat_s ({scenario.repeat_s:g} s)")
            made.append(module.Effect(spec, plant))
        except (msgspec.ValidationError, ValueError) as error:
            problems.append(f"{where}: {error}")
    if problems:
        raise ScenarioError("\n".join(problems))
    return made


def demo_plays(name: str) -> None:
    """Raises `ScenarioError` with all that is wrong with a scenario in the demo plant."""
    effects(load(name), Plant(read_instruments(DEMO_TAGS), seed=1, start_s=0.0))


def play(plant: Plant, scenario: Scenario) -> Iterator[tuple[float, Shown]]:
    """Second by second: the time (s since 1970) and what the instruments say then. Never ends.

    Raises `ScenarioError` at once, with all problems of the scenario.
    """
    return _played(plant, effects(scenario, plant), scenario.repeat_s)


def _played(plant: Plant, at_work: list[Effect], repeat_s: float) -> Iterator[tuple[float, Shown]]:
    start_s = plant.time_s
    step = np.array([tag.resolution for tag in plant.instruments])
    while True:
        now_s = plant.time_s
        at_s = now_s - start_s
        shown = Shown.of(plant.step())
        for effect in at_work:
            effect.apply(at_s % repeat_s if repeat_s else at_s, shown)
        shown.value = np.round(shown.value / step) * step
        yield now_s, shown
