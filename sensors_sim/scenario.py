"""Scenarios: files that say in which plant what goes wrong, when, and for how long."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from schemas.text import Text
from sensors_sim.faults import Effect, Shown, kinds
from sensors_sim.plant import Plant
from sensors_sim.sites import DEMO, build, sites
from sensors_sim.upsets import Turned, Upset

FOLDER = Path(__file__).parent / "scenarios"


class ScenarioError(ValueError):
    """A scenario cannot be played; the message names the file, the effect and the cure."""


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A scenario file. It plays in the plant `site`; what there is to see is over after `lasts_s`.

    `effect` are faults of instruments, gateways and air, `upset` those of the process itself. `repeat_s` plays it again
    and again, all must be over by then; 0 plays it once.
    """

    name: str
    title: Text = Text()
    about: Text = Text()
    site: str = DEMO
    lasts_s: Annotated[float, msgspec.Meta(gt=0)] = 1000.0
    repeat_s: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    effect: tuple[dict[str, Any], ...] = ()
    upset: tuple[Upset, ...] = ()


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


@dataclass(frozen=True, slots=True)
class AtWork:
    """What a scenario does to a plant."""

    upsets: Sequence[Turned]
    effects: Sequence[Effect]


def at_work(scenario: Scenario, plant: Plant) -> AtWork:
    """The upsets and effects of a scenario at work in `plant`. Raises `ScenarioError` with all problems at once."""
    turned: list[Turned] = []
    made: list[Effect] = []
    problems = []
    if scenario.site not in sites():
        problems.append(f"{scenario.name}: there is no site {scenario.site!r}; known are {', '.join(sites())}")
    for number, upset in enumerate(scenario.upset, start=1):
        try:
            _ends_in_time(scenario, upset.start_s + upset.duration_s + upset.fall_s)
            turned.append(Turned(upset, plant))
        except ValueError as error:
            problems.append(f"{scenario.name}: [[upset]] {number}: {error}")
    for number, table in enumerate(scenario.effect, start=1):
        where = f"{scenario.name}: [[effect]] {number}"
        module = kinds().get(str(table.get("kind")))
        if module is None:
            problems.append(f"{where}: kind {table.get('kind')!r} is not one of {', '.join(sorted(kinds()))}")
            continue
        try:
            spec = msgspec.convert(table, module.Spec)
            _ends_in_time(scenario, spec.start_s + spec.duration_s)
            made.append(module.Effect(spec, plant))
        except (msgspec.ValidationError, ValueError) as error:
            problems.append(f"{where}: {error}")
    if problems:
        raise ScenarioError("\n".join(problems))
    return AtWork(turned, made)


def _ends_in_time(scenario: Scenario, end_s: float) -> None:
    if 0 < scenario.repeat_s < end_s:
        raise ValueError(f"it ends after repeat_s ({scenario.repeat_s:g} s)")


def plant_of(scenario: Scenario, seed: int, start_s: float, tags: Path | None = None) -> Plant:
    """The plant that a scenario plays in, with another tag list if one is given. Raises `ScenarioError`, ValueError."""
    if scenario.site not in sites():
        raise ScenarioError(f"{scenario.name}: there is no site {scenario.site!r}; known are {', '.join(sites())}")
    return build(scenario.site, seed, start_s, tags)


def demo_plays(name: str) -> None:
    """Raises `ScenarioError` with all that is wrong with a scenario in the demo plant."""
    scenario = load(name)
    if scenario.site != DEMO:
        raise ScenarioError(
            f"scenario {name!r} plays in the plant {scenario.site!r}, which is not in the demo; see `hazwatch simulate "
            f"{name} --site-to FOLDER`"
        )
    at_work(scenario, build(DEMO, seed=1, start_s=0.0))


def play(plant: Plant, scenario: Scenario) -> Iterator[tuple[float, Shown]]:
    """Step by step: the time (s since 1970) and what the instruments say then. Never ends.

    Raises `ScenarioError` at once, with all problems of the scenario.
    """
    return _played(plant, at_work(scenario, plant), scenario.repeat_s)


def _played(plant: Plant, work: AtWork, repeat_s: float) -> Iterator[tuple[float, Shown]]:
    start_s = plant.time_s
    step = np.array([tag.resolution for tag in plant.instruments])
    while True:
        now_s = plant.time_s
        at_s = now_s - start_s
        at_s = at_s % repeat_s if repeat_s else at_s
        for upset in work.upsets:
            upset.apply(at_s)
        shown = Shown.of(plant.step())
        for effect in work.effects:
            effect.apply(at_s, shown)
        shown.value = np.round(shown.value / step) * step
        yield now_s, shown
