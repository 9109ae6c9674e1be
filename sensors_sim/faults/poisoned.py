"""A catalytic detector that is poisoned (silicone, sulphur): it reads clean air as before, and gas as next to nothing.

It fails to the dangerous side and looks healthy. Only gas tells: a bump test, or neighbours that see what it does not.
It is replaced at the end. Put it behind the leak in the scenario: it changes what the detector would have said.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from sensors_sim.faults import Seconds, Shown, Timed, matching
from sensors_sim.plant import Plant

KIND = "poisoned"


class Spec(Timed, frozen=True, kw_only=True):
    """The detectors `tags` come to say only `share` of the gas that they should, within `rise_s`."""

    tags: tuple[str, ...]
    share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.05
    rise_s: Seconds = 0.0


EXAMPLE = Spec(kind=KIND, start_s=60, duration_s=600, tags=("lpg.GD-115",), rise_s=120)


class Effect:
    def __init__(self, spec: Spec, plant: Plant) -> None:
        self._spec = spec
        self._plant = plant
        self._chosen = matching(plant, spec.tags)
        others = [
            tag.name for tag, so in zip(plant.instruments, self._chosen, strict=True) if so and tag.measure != "gas"
        ]
        if others:
            raise ValueError(f"{others[0]} is no gas detector")
        self._top = np.array([tag.range_high for tag in plant.instruments])[self._chosen]

    def apply(self, at_s: float, shown: Shown) -> None:
        spec = self._spec
        if not spec.is_on(at_s):
            return
        lost = min(1.0, (at_s - spec.start_s + 1.0) / max(spec.rise_s, 1.0)) * (1.0 - spec.share)
        clean = self._plant.healthy[self._chosen]  # its noise is that of the electronics and stays
        shown.value[self._chosen] -= lost * (shown.value[self._chosen] - clean)
        shown.over_range[self._chosen] &= shown.value[self._chosen] >= self._top
