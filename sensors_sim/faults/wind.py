"""The wind turns, and may freshen or die: a plume swings to other detectors.

Put it before the leak in the scenario: it is the wind that carries the gas.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from sensors_sim.faults import Seconds, Shown, Timed
from sensors_sim.plant import Plant

KIND = "wind"


class Spec(Timed, frozen=True, kw_only=True):
    """The mean direction (degrees it comes from) goes to `from_deg` the shorter way within `rise_s`, the speed to
    `speed_factor` times what it would be; both are back `fall_s` after the end."""

    from_deg: Annotated[float, msgspec.Meta(ge=0, le=360)]
    speed_factor: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    rise_s: Seconds = 60.0
    fall_s: Seconds = 60.0


EXAMPLE = Spec(kind=KIND, start_s=60, duration_s=600, from_deg=230.0, speed_factor=1.5)


class Effect:
    def __init__(self, spec: Spec, plant: Plant) -> None:
        self._spec = spec
        self._wind = plant.wind
        self._turn = (spec.from_deg - plant.wind.mean_direction_deg + 180.0) % 360.0 - 180.0
        self._speeds = np.array([tag.measure == "wind_speed" for tag in plant.instruments])
        self._directions = np.array([tag.measure == "wind_direction" for tag in plant.instruments])

    def apply(self, at_s: float, shown: Shown) -> None:
        spec = self._spec
        end = spec.start_s + spec.duration_s
        if not spec.start_s <= at_s < end + spec.fall_s:
            return
        up = min(1.0, (at_s - spec.start_s + 1.0) / max(spec.rise_s, 1.0))
        down = (at_s - end) / spec.fall_s if at_s > end else 0.0
        share = min(up, 1.0 - down)
        self._wind.direction_deg = (self._wind.direction_deg + share * self._turn) % 360.0
        self._wind.speed_ms *= 1.0 + share * (spec.speed_factor - 1.0)
        shown.value[self._speeds] = self._wind.speed_ms
        shown.value[self._directions] = self._wind.direction_deg
