"""The wind over the park: a daily breeze with gusts, and a direction that wanders. Pure."""

from __future__ import annotations

import math

import numpy as np


class Wind:
    """Speed in m/s at 10 m, direction in degrees that the wind comes *from* (0 north, 90 east)."""

    def __init__(self, seed: int) -> None:
        self.speed_ms = 2.5
        self.direction_deg = 135.0
        self._gust = 0.0
        self._veer = 0.0
        self.mean_direction_deg = 90.0 + seed % 90

    def step(self, now_s: float, rng: np.random.Generator, dt_s: float = 1.0) -> None:
        """`dt_s` seconds: gusts remember 30 s, the direction 10 min."""
        gust_kick, veer_kick = rng.standard_normal(2)
        gust, veer = math.exp(-dt_s / 30), math.exp(-dt_s / 600)
        self._gust = self._gust * gust + gust_kick * 0.6 * math.sqrt(1 - gust * gust)
        self._veer = self._veer * veer + veer_kick * 20.0 * math.sqrt(1 - veer * veer)
        breeze = 2.8 + 1.0 * math.sin(2 * math.pi * (now_s % 86_400) / 86_400 - 1.9)
        self.speed_ms = max(0.3, breeze + self._gust)
        self.direction_deg = (self.mean_direction_deg + self._veer) % 360.0
