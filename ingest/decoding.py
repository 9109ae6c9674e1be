"""What a payload format is, and what it answers: readings in columns, or a reason why there are none.

A format is one file in `ingest/formats/`, found by scanning; `decode` is pure, quick, and raises nothing whatever the
bytes are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ingest.config import SourceConfig
from schemas.text import Text

FloatArray = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]
Int16Array = npt.NDArray[np.int16]


class Reason(StrEnum):
    """Why a message or a part of it became a dead letter."""

    MALFORMED = "malformed"
    DUPLICATE_KEY = "duplicate_key"
    TOO_LARGE = "too_large"
    UNKNOWN_NAME = "unknown_name"
    WRONG_UNIT = "wrong_unit"
    WRONG_ENTERPRISE = "wrong_enterprise"
    RETAINED = "retained"


class Names(NamedTuple):
    """What the readings of a message are called: `keys` and, when the payload states any, as many `units`."""

    keys: tuple[str, ...]
    units: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """A part of a message that was refused; the rest of the message stands.

    `name` is the key in the payload, or the name of a tag where the key had become one.
    """

    reason: Reason
    name: str
    detail: str
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message that was refused whole."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """The readings of a message in columns, all of length n = len(names.keys); n is 0 when all of it is ignored.

    `value` is NaN where there is none, `event_ns` one time for all or one each (0: none), `quality` None when all are
    good, `sequence` is `boot_id << 32 | seq` of the gateway contract or 0.
    """

    names: Names
    value: FloatArray
    event_ns: int | Int64Array = 0
    quality: Int16Array | None = None
    sequence: int = 0
    refused: tuple[Refused, ...] = ()

    def __len__(self) -> int:
        return len(self.value)


Decode = Callable[[bytes, SourceConfig], Decoded | Rejected]


@dataclass(frozen=True, slots=True)
class Reading:
    """One expected reading of an example; `time` as ISO 8601, empty when the payload has none."""

    key: str
    value: float | None
    time: str = ""
    unit: str = ""
    quality: str = "GOOD"
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Example:
    """A payload and what must come of it; the laws run it, the reference prints it."""

    title: Text
    payload: bytes
    readings: tuple[Reading, ...] = ()
    rejected: Reason | None = None
    source: dict[str, object] = field(default_factory=dict)
    """Fields of `SourceConfig` that the example needs."""


@dataclass(frozen=True, slots=True)
class Format:
    """A payload format: its name in `[[source]] format = ...`, its documentation, its examples and its code."""

    name: str
    title: Text
    doc: str
    examples: tuple[Example, ...]
    decode: Decode
