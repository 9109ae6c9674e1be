"""Process units: apparatus with a few balances and control loops, for early warnings to be tried on. A file per unit.

A unit file has `UNIT` (the name of its site), `TITLE`, `SENSORS` (what it measures, in this order), `KNOBS` (what can
go wrong with it, name -> what it is normally and what it means) and a class `Unit` with `Unit(seed, start_s)`, see the
protocol below. Everything is pure: the same seed, start and steps give the same values. The physics is simple on
purpose (lumped balances, Euler steps of 2 s); it moves a simulation and is no design calculation.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
BIAS = "bias."
"""A knob `bias.<sensor>` adds to what a sensor says, also to the controller that works with it; normally 0."""


@dataclass(frozen=True, slots=True)
class Sensor:
    """A measuring point of a unit: standard deviation of its noise (in its unit) and the time the noise remembers."""

    name: str
    noise: float
    memory_s: float = 20.0


@dataclass(frozen=True, slots=True)
class Knob:
    """What can go wrong: its value when all is well, and what it is."""

    normal: float
    meaning: str


class Unit(Protocol):
    """A unit at work. `knobs` may be turned between two steps."""

    knobs: dict[str, float]

    def step(self, now_s: float, dt_s: float, noise: Floats) -> Floats:
        """What the sensors say at `now_s`, shape (n,), `dt_s` after the step before; `noise` are `noises()` standard
        normal numbers."""
        ...

    def noises(self) -> int:
        """How many random numbers a step takes."""
        ...


@lru_cache(1)
def units() -> dict[str, ModuleType]:
    """Every unit by the name of its site. Raises TypeError for a file that is none."""
    found = {}
    for name in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        if not name.endswith("_unit"):
            continue
        module = importlib.import_module(f"{__name__}.{name}")
        missing = [part for part in ("UNIT", "TITLE", "SENSORS", "KNOBS", "Unit") if not hasattr(module, part)]
        if missing or name.replace("_", "-") != module.UNIT:
            site = name.replace("_", "-")
            raise TypeError(f"sensors_sim/units/{name}.py must have UNIT = {site!r}, TITLE, SENSORS, KNOBS and Unit")
        found[module.UNIT] = module
    return found


def normal(knobs: dict[str, Knob], sensors: Sequence[Sensor]) -> dict[str, float]:
    """Every knob at its normal value, those of the sensors among them."""
    return {name: knob.normal for name, knob in knobs.items()} | {BIAS + sensor.name: 0.0 for sensor in sensors}
