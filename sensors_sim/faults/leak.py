"""A gas leak: every detector of that gas sees the plume when the wind has brought it, through the lag of its sensor."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from schemas.units import UnitError, conversion
from sensors_sim.faults import Seconds, Shown, Timed
from sensors_sim.plant import Plant
from sensors_sim.plume import Carrier, Floats, concentration

KIND = "leak"
LAG_S = 13.0
"""First-order lag of an electrochemical cell with T90 = 30 s."""


class Spec(Timed, frozen=True, kw_only=True):
    """`rate_gs` g/s of gas `cas` at (x_m, y_m), reached linearly over `rise_s`."""

    cas: str
    x_m: float
    y_m: float
    rate_gs: Annotated[float, msgspec.Meta(ge=0)]
    rise_s: Seconds = 30.0


EXAMPLE = Spec(kind=KIND, start_s=60, duration_s=300, cas="630-08-0", x_m=306, y_m=1503, rate_gs=5.0)


class Effect:
    def __init__(self, spec: Spec, plant: Plant) -> None:
        self._spec = spec
        self._plant = plant
        self._seen = np.array([tag.measure == "gas" and tag.cas == spec.cas for tag in plant.instruments])
        if not self._seen.any():
            raise ValueError(f"no detector of {spec.cas}")
        detectors = [tag for tag, seen in zip(plant.instruments, self._seen, strict=True) if seen]
        self._scale = np.array([_from_mg(tag.unit, spec.cas) for tag in detectors])
        self._top = np.array([tag.range_high for tag in detectors])
        self._level = np.zeros(len(detectors))
        self._dx, self._dy = plant.x_m[self._seen] - spec.x_m, plant.y_m[self._seen] - spec.y_m
        self._distance = np.hypot(self._dx, self._dy)
        self._carrier = Carrier()

    def apply(self, at_s: float, shown: Shown) -> None:
        plant = self._plant
        self._carrier.step(plant.wind.speed_ms, plant.wind.direction_deg, plant.step_s)
        age, speed, from_deg = self._carrier.over(self._distance)
        rate = self._rate(at_s - age)
        gas = 1000.0 * concentration(rate, self._dx, self._dy, speed, from_deg) * self._scale
        self._level += (gas - self._level) * (1 - np.exp(-plant.step_s / LAG_S))
        value = shown.value[self._seen] + self._level
        over = value > self._top
        shown.value[self._seen] = np.where(over, self._top, value)
        shown.over_range[self._seen] |= over

    def _rate(self, at_s: Floats) -> Floats:
        """g/s that left the source then, shape (n,)."""
        spec = self._spec
        since = at_s - spec.start_s
        rising = np.minimum(1.0, np.maximum(since, 0.0) / max(spec.rise_s, 1.0))
        return np.where((since >= 0) & (since < spec.duration_s), spec.rate_gs * rising, 0.0)


def _from_mg(unit: str, cas: str) -> float:
    try:
        return conversion("mg/m3", unit, cas).scale
    except UnitError as error:
        raise ValueError(str(error)) from None
