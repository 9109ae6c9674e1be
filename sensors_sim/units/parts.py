"""What process units are put together from: controllers, slow wanderings, loads that change, noise that remembers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sensors_sim.units import Floats, Sensor

HOUR_S = 3600.0
DAY_S = 86_400.0


@dataclass(slots=True)
class Controller:
    """A PI controller, output in %, with the integral held while the output is at its end (anti-windup).

    `gain` in % per unit of the measured value, positive when a value that is too high opens the valve; `reset_s` is the
    integral time.
    """

    gain: float
    reset_s: float
    output: float
    low: float = 0.0
    high: float = 100.0
    _integral: float = math.nan

    def step(self, error: float, dt_s: float) -> float:
        """`error` is measured less set-point."""
        if math.isnan(self._integral):
            self._integral = self.output
        wanted = self._integral + self.gain * error
        if self.low < wanted < self.high or (wanted - self._integral) * (50.0 - wanted) > 0:
            self._integral += self.gain * error * dt_s / self.reset_s
            self._integral = min(self.high, max(self.low, self._integral))
        self.output = min(self.high, max(self.low, wanted))
        return self.output


@dataclass(slots=True)
class Wander:
    """A slow random disturbance (Ornstein-Uhlenbeck): standard deviation `size`, remembers `memory_s`."""

    size: float
    memory_s: float
    value: float = 0.0

    def step(self, kick: float, dt_s: float) -> float:
        keep = math.exp(-dt_s / self.memory_s)
        self.value = self.value * keep + self.size * math.sqrt(1 - keep * keep) * kick
        return self.value


@dataclass(slots=True)
class Load:
    """A load that operators change: about every `hold_s` to a new share between `low` and `high`, in ramps of
    `per_h` a step an hour. It depends on the seed and the time alone."""

    seed: int
    low: float
    high: float
    hold_s: float = 5 * HOUR_S
    per_h: float = 0.3
    value: float = math.nan

    def step(self, now_s: float, dt_s: float) -> float:
        wanted = self.wanted(now_s)
        if math.isnan(self.value):
            self.value = wanted
        most = self.per_h * dt_s / HOUR_S
        self.value += min(most, max(-most, wanted - self.value))
        return self.value

    def wanted(self, now_s: float) -> float:
        """What the operators have asked for at `now_s`."""
        number = int(now_s // self.hold_s)
        share, moment = _draw(self.seed, number)
        if now_s - number * self.hold_s < 0.6 * moment * self.hold_s:
            share, _ = _draw(self.seed, number - 1)
        return self.low + (self.high - self.low) * share


def _draw(seed: int, number: int) -> tuple[float, float]:
    rng = np.random.Generator(np.random.Philox(key=[seed, 2], counter=[0, 0, 0, number % 2**62]))
    share, moment = rng.uniform(size=2)
    return float(share), float(moment)


class Noise:
    """Measuring noise that remembers: AR(1) per sensor, shape (n,)."""

    def __init__(self, sensors: Sequence[Sensor]) -> None:
        self._size = np.array([sensor.noise for sensor in sensors])
        self._memory_s = np.array([sensor.memory_s for sensor in sensors])
        self._value = np.zeros(len(sensors))

    def step(self, kicks: Floats, dt_s: float) -> Floats:
        keep = np.exp(-dt_s / self._memory_s)
        self._value = keep * self._value + self._size * np.sqrt(1 - keep**2) * kicks
        return self._value


def daily(now_s: float, peak_h: float = 15.0) -> float:
    """A daily cycle between -1 and 1, highest at `peak_h` hours UTC."""
    return math.cos(2 * math.pi * (now_s / DAY_S - peak_h / 24))


def towards(value: float, goal: float, lag_s: float, dt_s: float) -> float:
    """A first-order lag."""
    return value + (goal - value) * (1 - math.exp(-dt_s / lag_s))
