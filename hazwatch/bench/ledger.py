"""The load's own account: every reading that it published, as the database must hold it."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from historian.frames import Rows
from historian.verify import Ledger, ledger_of

_CHUNK_ROWS = 1 << 20
_MODULUS = 1 << 64


class Account:
    """Notes messages while the load runs (cheaply), and counts and hashes their readings afterwards.

    `values` has shape (variants, tags), `numbers` the tags' numbers; a sender publishes `width` neighbouring tags.
    Readings are distinct because a sender never uses a millisecond twice.
    """

    def __init__(self, numbers: list[int], values: npt.NDArray[np.float64], width: int) -> None:
        self._numbers = np.array(numbers, np.int32)
        self._values = values
        self._width = width
        self._sender = array("i")
        self._time_ms = array("q")
        self._variant = array("b")
        self._changed: list[tuple[int, int, float]] = []

    def message(self, sender: int, time_ms: int, variant: int) -> None:
        self._sender.append(sender)
        self._time_ms.append(time_ms)
        self._variant.append(variant)

    def changed(self, column: int, value: float) -> None:
        """In the message noted last, this column had another value than its variant says."""
        self._changed.append((len(self._sender) - 1, column, value))

    @property
    def messages(self) -> int:
        return len(self._sender)

    @property
    def readings(self) -> int:
        return self.messages * self._width

    def ledger(self) -> Ledger:
        """Count and hash of all readings. Takes a second for 4 million."""
        total = Ledger(0, 0)
        for rows in self._chunks():
            part = ledger_of(rows)
            total = Ledger(total.rows + part.rows, (total.digest + part.digest) % _MODULUS)
        return total

    def _chunks(self) -> Iterator[Rows]:
        sender = np.frombuffer(self._sender, np.int32)
        time_ms = np.frombuffer(self._time_ms, np.int64)
        variant = np.frombuffer(self._variant, np.int8)
        changed = np.array([(m, c) for m, c, _ in self._changed], np.int64).reshape(-1, 2)
        instead = np.array([value for *_, value in self._changed])
        step = max(1, _CHUNK_ROWS // self._width)
        for start in range(0, len(sender), step):
            part = slice(start, start + step)
            tags = sender[part, None] * self._width + np.arange(self._width)
            values = self._values[variant[part, None], tags]
            here = (changed[:, 0] >= start) & (changed[:, 0] < start + step)
            values[changed[here, 0] - start, changed[here, 1]] = instead[here]
            us = np.repeat(time_ms[part] * 1000, self._width)
            yield Rows(us, values.ravel(), self._numbers[tags].ravel(), np.zeros(tags.size, np.int16))
