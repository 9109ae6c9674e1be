"""An instrument that says the same for ever: its last value, to the last digit."""

from __future__ import annotations

import numpy as np

from sensors_sim.faults import Shown, Timed, matching
from sensors_sim.plant import Plant

KIND = "stuck"


class Spec(Timed, frozen=True, kw_only=True):
    """The instruments `tags` repeat the value that they had at `start_s`."""

    tags: tuple[str, ...]


EXAMPLE = Spec(kind=KIND, start_s=60, duration_s=600, tags=("*",))


class Effect:
    def __init__(self, spec: Spec, plant: Plant) -> None:
        self._spec = spec
        self._chosen = matching(plant, spec.tags)
        self._held = np.full(int(self._chosen.sum()), np.nan)

    def apply(self, at_s: float, shown: Shown) -> None:
        if not self._spec.is_on(at_s):
            self._held[:] = np.nan
            return
        if np.isnan(self._held).any():
            self._held = shown.value[self._chosen].copy()
        shown.value[self._chosen] = self._held
