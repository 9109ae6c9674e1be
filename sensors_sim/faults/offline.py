"""A gateway that loses its line and comes back, with or without what it kept meanwhile."""

from __future__ import annotations

from sensors_sim.faults import Shown, Timed
from sensors_sim.plant import Plant

KIND = "offline"


class Spec(Timed, frozen=True, kw_only=True):
    """The gateway of `enterprise` publishes nothing; with `backfill` it sends what it kept as history afterwards."""

    enterprise: str
    backfill: bool = True


EXAMPLE = Spec(kind=KIND, start_s=60, duration_s=90, enterprise="metal")


class Effect:
    def __init__(self, spec: Spec, plant: Plant) -> None:
        self._spec = spec
        if spec.enterprise not in {tag.enterprise for tag in plant.instruments}:
            raise ValueError(f"no instrument belongs to enterprise {spec.enterprise!r}")

    def apply(self, at_s: float, shown: Shown) -> None:
        if self._spec.is_on(at_s):
            shown.offline.add(self._spec.enterprise)
            if self._spec.backfill:
                shown.backfill.add(self._spec.enterprise)
