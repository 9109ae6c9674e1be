"""A gateway's clock that goes wrong: what it sends is stamped with another time than that of the readings."""

from __future__ import annotations

from sensors_sim.faults import Shown, Timed
from sensors_sim.plant import Plant

KIND = "clock"


class Spec(Timed, frozen=True, kw_only=True):
    """The clock of the gateway of `enterprise` jumps by `by_s` s (ahead: positive) and is set right at the end."""

    enterprise: str
    by_s: float


EXAMPLE = Spec(kind=KIND, start_s=60, duration_s=300, enterprise="metal", by_s=-3600.0)


class Effect:
    def __init__(self, spec: Spec, plant: Plant) -> None:
        self._spec = spec
        if spec.enterprise not in {tag.enterprise for tag in plant.instruments}:
            raise ValueError(f"no instrument belongs to enterprise {spec.enterprise!r}")

    def apply(self, at_s: float, shown: Shown) -> None:
        if self._spec.is_on(at_s):
            name = self._spec.enterprise
            shown.clock_s[name] = shown.clock_s.get(name, 0.0) + self._spec.by_s
