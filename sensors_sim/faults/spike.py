"""Spikes in a signal: single readings that are wild, as with a loose contact or interference."""

from __future__ import annotations

from sensors_sim.faults import Seconds, Shown, Timed, matching
from sensors_sim.plant import Plant

KIND = "spike"


class Spec(Timed, frozen=True, kw_only=True):
    """The instruments `tags` say `to` (their unit) for `width_s` every `every_s`; 0: all the time."""

    tags: tuple[str, ...]
    to: float
    every_s: Seconds = 0.0
    width_s: Seconds = 1.0


EXAMPLE = Spec(kind=KIND, start_s=60, duration_s=2, tags=("*",), to=99.0)


class Effect:
    def __init__(self, spec: Spec, plant: Plant) -> None:
        self._spec = spec
        self._chosen = matching(plant, spec.tags)

    def apply(self, at_s: float, shown: Shown) -> None:
        spec = self._spec
        if spec.is_on(at_s) and (not spec.every_s or (at_s - spec.start_s) % spec.every_s < spec.width_s):
            shown.value[self._chosen] = spec.to
