"""What can go wrong in a plant: a file per kind, found by scanning this folder.

A kind file has `KIND` (its name in a scenario), a frozen `Spec` struct, `EXAMPLE` (a `Spec`), and a class `Effect` with
`Effect(spec, plant)` and `apply(at_s, shown)`. `at_s` counts from the start of the scenario; `shown` is what the
instruments are about to say and may be changed in place. Effects are applied in the order of the scenario, every
second.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from types import ModuleType
from typing import Annotated, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from sensors_sim.plant import Plant


@dataclass(slots=True)
class Shown:
    """What the instruments say this second: values and quality words of shape (n,), which gateways are cut off, how
    wrong their clocks are (s) and how often they send each message."""

    value: npt.NDArray[np.float64]
    over_range: npt.NDArray[np.bool_]
    missing: npt.NDArray[np.bool_]
    offline: set[str]
    backfill: set[str]
    clock_s: dict[str, float] = field(default_factory=dict)
    copies: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, value: npt.NDArray[np.float64]) -> Shown:
        """Instruments that say `value`, all in range, all on line."""
        return cls(value, np.zeros(len(value), bool), np.zeros(len(value), bool), set(), set())


class Effect(Protocol):
    """A fault at work."""

    def apply(self, at_s: float, shown: Shown) -> None: ...


Seconds = Annotated[float, msgspec.Meta(ge=0)]


class Timed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When an effect is on: from `start_s`, for `duration_s`. Before it changes nothing; after it what it changed
    dies away within minutes. `label` names the event for those who judge warnings by it."""

    kind: str
    start_s: Seconds
    duration_s: Seconds
    label: str = ""

    def is_on(self, at_s: float) -> bool:
        return self.start_s <= at_s < self.start_s + self.duration_s


@lru_cache(1)
def kinds() -> dict[str, ModuleType]:
    """Every fault kind by name. Raises TypeError for a file that is none."""
    found = {}
    for name in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        module = importlib.import_module(f"{__name__}.{name}")
        missing = [part for part in ("KIND", "Spec", "EXAMPLE", "Effect") if not hasattr(module, part)]
        if missing or name != module.KIND:
            raise TypeError(f"sensors_sim/faults/{name}.py must have KIND = {name!r}, Spec, EXAMPLE and Effect")
        found[name] = module
    return found


def matching(plant: Plant, patterns: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """Which instruments the shell patterns name. Raises ValueError for a pattern that names none."""
    chosen = np.zeros(len(plant.instruments), bool)
    for pattern in patterns:
        hits = [fnmatchcase(tag.name, pattern) for tag in plant.instruments]
        if not any(hits):
            raise ValueError(f"no instrument is named {pattern!r}")
        chosen |= hits
    return chosen
