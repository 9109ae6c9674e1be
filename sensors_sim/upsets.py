"""Upsets: what goes wrong in a process unit itself, so that its balances and controllers answer to it. Pure."""

from __future__ import annotations

from typing import Annotated

import msgspec

from sensors_sim.plant import Plant

Seconds = Annotated[float, msgspec.Meta(ge=0)]


class Upset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A knob of the unit moves in a straight line to `to` over `rise_s`, stays until `duration_s` is over, and is back
    `fall_s` later. `label` names the event for those who judge warnings by it."""

    knob: str
    to: float
    start_s: Seconds
    duration_s: Seconds
    rise_s: Seconds = 0.0
    fall_s: Seconds = 0.0
    label: str = ""

    def value(self, normal: float, at_s: float) -> float:
        """The knob `at_s` seconds after the start of the scenario."""
        end = self.start_s + self.duration_s
        if at_s < self.start_s or at_s >= end + self.fall_s:
            return normal
        up = min(1.0, (at_s - self.start_s) / self.rise_s) if self.rise_s else 1.0
        down = (at_s - end) / self.fall_s if at_s > end else 0.0
        return normal + (self.to - normal) * min(up, 1.0 - down)


class Turned:
    """An upset at work."""

    def __init__(self, upset: Upset, plant: Plant) -> None:
        if plant.unit is None:
            raise ValueError("this plant is no process unit and has no knobs; name a site that is one")
        if upset.knob not in plant.unit.knobs:
            known = ", ".join(sorted(plant.unit.knobs))
            raise ValueError(f"there is no knob {upset.knob!r}; known are {known}")
        self._upset = upset
        self._knobs = plant.unit.knobs
        self._normal = plant.unit.knobs[upset.knob]

    def apply(self, at_s: float) -> None:
        """Before the step of this moment."""
        self._knobs[self._upset.knob] = self._upset.value(self._normal, at_s)
