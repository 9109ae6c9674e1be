"""Instruments that say nothing: the gateway is up, their values are missing from its messages."""

from __future__ import annotations

from sensors_sim.faults import Shown, Timed, matching
from sensors_sim.plant import Plant

KIND = "silent"


class Spec(Timed, frozen=True, kw_only=True):
    """The instruments `tags` are left out."""

    tags: tuple[str, ...]


EXAMPLE = Spec(kind=KIND, start_s=60, duration_s=120, tags=("*",))


class Effect:
    def __init__(self, spec: Spec, plant: Plant) -> None:
        self._spec = spec
        self._chosen = matching(plant, spec.tags)

    def apply(self, at_s: float, shown: Shown) -> None:
        if self._spec.is_on(at_s):
            shown.missing |= self._chosen
