"""A message storm: a gateway whose loop has lost its pause and sends the same readings again and again."""

from __future__ import annotations

from typing import Annotated

import msgspec

from sensors_sim.faults import Shown, Timed
from sensors_sim.plant import Plant

KIND = "storm"


class Spec(Timed, frozen=True, kw_only=True):
    """The gateway of `enterprise` sends every message `per_second` times, numbered on and stamped evenly over the
    second."""

    enterprise: str
    per_second: Annotated[int, msgspec.Meta(ge=2, le=1000)]


EXAMPLE = Spec(kind=KIND, start_s=60, duration_s=120, enterprise="metal", per_second=50)


class Effect:
    def __init__(self, spec: Spec, plant: Plant) -> None:
        self._spec = spec
        if spec.enterprise not in {tag.enterprise for tag in plant.instruments}:
            raise ValueError(f"no instrument belongs to enterprise {spec.enterprise!r}")

    def apply(self, at_s: float, shown: Shown) -> None:
        if self._spec.is_on(at_s):
            name = self._spec.enterprise
            shown.copies[name] = max(shown.copies.get(name, 1), self._spec.per_second)
