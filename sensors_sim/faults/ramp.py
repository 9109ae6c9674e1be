"""A process value that leaves its normal course: up or down to `to`, held, and back."""

from __future__ import annotations

import numpy as np

from sensors_sim.faults import Seconds, Shown, Timed, matching
from sensors_sim.plant import Plant

KIND = "ramp"


class Spec(Timed, frozen=True, kw_only=True):
    """The instruments `tags` move to `to` (in their unit) over `rise_s`, stay, and are back `fall_s` after the end."""

    tags: tuple[str, ...]
    to: float
    rise_s: Seconds = 60.0
    fall_s: Seconds = 60.0


EXAMPLE = Spec(kind=KIND, start_s=60, duration_s=300, tags=("*",), to=2.1, rise_s=120)


class Effect:
    def __init__(self, spec: Spec, plant: Plant) -> None:
        self._spec = spec
        self._chosen = matching(plant, spec.tags)

    def apply(self, at_s: float, shown: Shown) -> None:
        spec = self._spec
        end = spec.start_s + spec.duration_s
        up = np.clip((at_s - spec.start_s) / max(spec.rise_s, 1e-9), 0.0, 1.0)
        down = np.clip((at_s - end) / max(spec.fall_s, 1e-9), 0.0, 1.0)
        share = float(min(up, 1.0 - down)) if at_s >= spec.start_s else 0.0
        quiet = shown.value[self._chosen]
        shown.value[self._chosen] = quiet + share * (spec.to - quiet)
