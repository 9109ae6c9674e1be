"""What can go wrong in a plant: a file per kind, found by scanning this folder.

A kind file has `KIND` (its name in a scenario), a frozen `Spec` struct, `EXAMPLE` (a `Spec`), and a class `Effect` with
`Effect(spec, plant)` and `apply(at_s, shown)`. `at_s` counts from the start of the scenario; `shown` is what the
instruments are about to say and may be changed in place. Effects are applied in the order of the scenario, every
second.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from types import ModuleType
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from sensors_sim.plant import Plant


@dataclass(slots=True)
class Shown:
    """What the instruments say this second: values and quality words of shape (n,), and which gateways are cut off."""

    value: npt.NDArray[np.float64]
    over_range: npt.NDArray[np.bool_]
    missing: npt.NDArray[np.bool_]
    offline: set[str]
    backfill: set[str]


class Effect(Protocol):
    """A fault at work."""

    def apply(self, at_s: float, shown: Shown) -> None: ...


class Timed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When an effect is on: from `start_s`, for `duration_s`."""

    kind: str
    start_s: float
    duration_s: float


@lru_cache(1)
def kinds() -> dict[str, ModuleType]:
    """Every fault kind by name."""
    modules = [importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)]
    return {module.KIND: module for module in modules}


def matching(plant: Plant, patterns: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """Which instruments the shell patterns name. Raises ValueError for a pattern that names none."""
    chosen = np.zeros(len(plant.instruments), bool)
    for pattern in patterns:
        hits = [fnmatchcase(tag.name, pattern) for tag in plant.instruments]
        if not any(hits):
            raise ValueError(f"no instrument is named {pattern!r}")
        chosen |= hits
    return chosen
