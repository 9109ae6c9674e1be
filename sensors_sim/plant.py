"""A healthy plant: every instrument has a normal value, a daily drift and noise that remembers. Pure.

The same instruments, seed and start give the same stream: the noise of a step comes from a generator keyed by
(seed, step), so nothing depends on when or where it is computed. The instruments of a process unit say what its
physics says instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sensors_sim.taglist import Instrument
from sensors_sim.units import Unit
from sensors_sim.wind import Wind

Floats = npt.NDArray[np.float64]
DAY_S = 86_400.0
MEMORY_S = 20.0
"""Correlation time of the noise: process data at 1 s are never white."""

OXYGEN = "7782-44-7"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Normal value, half the daily swing, and standard deviation of the noise, arrays of shape (n,) in tag units."""

    normal: Floats
    swing: Floats
    noise: Floats
    phase: Floats


def behaviour(instruments: Sequence[Instrument], seed: int) -> Behaviour:
    """What each instrument does on a quiet day: well inside its limits by many standard deviations."""
    rng = np.random.Generator(np.random.Philox(key=[seed, 0]))
    n = len(instruments)
    normal, swing, noise = np.zeros(n), np.zeros(n), np.zeros(n)
    for i, tag in enumerate(instruments):
        normal[i], swing[i], noise[i] = _quiet(tag, rng)
    return Behaviour(normal, swing, noise, rng.uniform(0, 2 * np.pi, n))


def _quiet(tag: Instrument, rng: np.random.Generator) -> tuple[float, float, float]:
    span = tag.range_high - tag.range_low
    if tag.measure == "gas":
        if tag.cas == OXYGEN:
            return 20.9, 0.03, 0.03
        ceiling = tag.high if tag.high is not None else 0.2 * span
        base = min(0.01 * span, 0.08 * ceiling) * rng.uniform(0.5, 1.5)
        return tag.range_low + base, 0.2 * base, min(0.002 * span, 0.02 * ceiling)
    low = tag.low if tag.low is not None else tag.range_low
    high = tag.high if tag.high is not None else tag.range_high
    centre = low + (high - low) * rng.uniform(0.42, 0.58)
    room = min(high - centre, centre - low)
    return centre, 0.15 * room, 0.03 * room


class Plant:
    """Steps through time at one step of `step_s` seconds; `step()` returns the true values of all instruments.

    `unit` is a process unit, `sensors` the names of what it measures.
    """

    def __init__(
        self,
        instruments: Sequence[Instrument],
        seed: int,
        start_s: float,
        *,
        step_s: float = 1.0,
        unit: Unit | None = None,
        sensors: Sequence[str] = (),
    ) -> None:
        self.instruments = list(instruments)
        self.wind = Wind(seed)
        self.x_m = np.array([tag.x_m for tag in instruments])
        self.y_m = np.array([tag.y_m for tag in instruments])
        self._quiet = behaviour(instruments, seed)
        self._seed = seed
        self._start_s = start_s
        self.step_s = step_s
        self.unit = unit
        place = {tag.name: i for i, tag in enumerate(instruments)}
        measured = [(place[name], i) for i, name in enumerate(sensors) if name in place]
        self._of_unit = np.array(measured, np.intp).reshape(-1, 2).T
        self._memory = np.zeros(len(instruments))
        self._speeds = np.array([tag.measure == "wind_speed" for tag in instruments])
        self._directions = np.array([tag.measure == "wind_direction" for tag in instruments])
        self.index = 0
        self.healthy = self._quiet.normal.copy()
        """What the last step said, before anything went wrong with the instruments."""

    @property
    def time_s(self) -> float:
        """The time of the step that comes next, seconds since 1970."""
        return self._start_s + self.index * self.step_s

    def step(self) -> Floats:
        """True values at `time_s`, shape (n,), and `step_s` seconds pass."""
        now = self.time_s
        rng = np.random.Generator(np.random.Philox(key=[self._seed, 1], counter=[0, 0, 0, self.index + 1]))
        keep = np.exp(-self.step_s / MEMORY_S)
        kick = rng.standard_normal(len(self.instruments))
        self._memory = keep * self._memory + np.sqrt(1 - keep**2) * kick
        quiet = self._quiet
        values = quiet.normal + quiet.swing * np.sin(2 * np.pi * now / DAY_S + quiet.phase) + quiet.noise * self._memory
        self.wind.step(now, rng, self.step_s)
        values[self._speeds] = self.wind.speed_ms
        values[self._directions] = self.wind.direction_deg
        if self.unit is not None:
            values[self._of_unit[0]] = self.unit.step(now, self.step_s, rng.standard_normal(self.unit.noises()))[
                self._of_unit[1]
            ]
        self.index += 1
        self.healthy = values.copy()
        return values
