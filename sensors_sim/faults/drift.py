"""An instrument whose zero wanders off: it says more and more, or less and less, than there is."""

from __future__ import annotations

import numpy as np

from sensors_sim.faults import Shown, Timed, matching
from sensors_sim.plant import Plant

KIND = "drift"


class Spec(Timed, frozen=True, kw_only=True):
    """The instruments `tags` move off by `per_h` (their unit) an hour, and are set right at the end."""

    tags: tuple[str, ...]
    per_h: float


EXAMPLE = Spec(kind=KIND, start_s=60, duration_s=600, tags=("*",), per_h=30.0)


class Effect:
    def __init__(self, spec: Spec, plant: Plant) -> None:
        self._spec = spec
        self._chosen = matching(plant, spec.tags)
        self._low = np.array([tag.range_low for tag in plant.instruments])[self._chosen]
        self._high = np.array([tag.range_high for tag in plant.instruments])[self._chosen]

    def apply(self, at_s: float, shown: Shown) -> None:
        spec = self._spec
        if spec.is_on(at_s):
            moved = shown.value[self._chosen] + spec.per_h * (at_s - spec.start_s) / 3600.0
            shown.value[self._chosen] = np.clip(moved, self._low, self._high)
