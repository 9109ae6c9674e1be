"""What a run of the bench is asked to do, and what its load is: pure, so that bench, load and ledger agree.

The park of the bench has gateways of `WIDTH` tags each. A *sender* is what publishes by itself: a gateway with a batch
of all its tags, or a single tag. Senders take turns, so every tag reads at the same period.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

WIDTH = 100
"""Tags of one gateway, and readings in one batch."""

VARIANTS = 32
"""Different sets of normal values per sender, taken in turn."""

HIGH_GAS, HIGH_PRESSURE = 25.0, 1.6
"""Values past the first limit of a gas point (17.18 ppm CO) and of a pressure (1.5 MPa)."""

HOLD_S = 2.0
"""How long a reading stays over its limit, at least one message long."""

LogKind = Literal["embedded", "kafka"]
Shape = Literal["batch", "single"]


class Step(msgspec.Struct, frozen=True):
    """One run: over which log, in which shape, at how many readings per second."""

    log: LogKind
    shape: Shape
    rate: int

    def __str__(self) -> str:
        what = f"batches of {WIDTH}" if self.shape == "batch" else "single readings"
        return f"{self.log}, {what}, {self.rate} readings/s"


class Load(msgspec.Struct, frozen=True):
    """What the load process is told. `numbers` are the tags' numbers in the registry, in the order of `tag_name`."""

    port: int
    shape: Shape
    rate: int
    alarms_per_s: float
    warm_up_s: float
    seconds: float
    numbers: list[int]
    connections: int = 8
    seed: int = 1

    @property
    def width(self) -> int:
        return WIDTH if self.shape == "batch" else 1

    @property
    def senders(self) -> int:
        return len(self.numbers) // self.width

    @property
    def messages_per_s(self) -> float:
        return self.rate / self.width


def tag_name(index: int) -> str:
    """The name of tag `index`, which is also its key in a batch and a level of its topic."""
    return f"G{index // WIDTH:03d}-{'P' if is_pressure(index) else 'C'}{index % WIDTH:02d}"


def is_pressure(index: int) -> bool:
    """Gateways of gas points and of pressures take turns."""
    return index // WIDTH % 2 == 1


def over_limit(index: int) -> float:
    """A value of tag `index` that raises an alarm."""
    return HIGH_PRESSURE if is_pressure(index) else HIGH_GAS


def normal_values(tags: int, seed: int) -> npt.NDArray[np.float64]:
    """Normal values of shape (VARIANTS, tags), with one decimal (gas) or three (pressure)."""
    chance = np.random.default_rng(seed)
    gas = np.round(chance.uniform(0.0, 9.0, (VARIANTS, tags)), 1)
    pressure = np.round(chance.uniform(0.8, 1.2, (VARIANTS, tags)), 3)
    return np.where([is_pressure(i) for i in range(tags)], pressure, gas)
