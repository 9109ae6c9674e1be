"""What could not be read or mapped, per source, in bounded memory. Pure.

A gateway with ten thousand unknown names, or one broken name for a year, costs the same small room: at most 100 names
with their last values and 1 000 dead letters are kept, after that only counters run.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable

from ingest.decoding import Reason, Refused
from schemas.time import MINUTE

MAX_NAMES = 100
MAX_LETTERS = 1000
NAME_LENGTH = 100
LASTS = 10 * MINUTE
"""Without new trouble for so long, the condition is over."""


class Troubles:
    """The troubles of one source."""

    def __init__(self) -> None:
        self.counts: Counter[Reason] = Counter()
        self.last_values: OrderedDict[str, float | None] = OrderedDict()
        self.more_names = False
        self._letters_left = MAX_LETTERS
        self._last_ns: int | None = None
        self._first_ns: int | None = None

    def note(self, reason: Reason, parts: Iterable[Refused], now_ns: int) -> bool:
        """A message, or these parts of it, could not be used; whether its dead letter may still be kept."""
        self.counts[reason] += 1
        if not self.standing(now_ns):
            self._first_ns = now_ns
        self._last_ns = now_ns
        for part in parts:
            name = part.name[:NAME_LENGTH]
            if name in self.last_values or len(self.last_values) < MAX_NAMES:
                self.last_values[name] = part.value
                self.last_values.move_to_end(name)
            else:
                self.more_names = True
        if self._letters_left <= 0:
            return False
        self._letters_left -= 1
        return True

    def standing(self, now_ns: int) -> bool:
        """Whether there was trouble lately."""
        return self._last_ns is not None and now_ns - self._last_ns < LASTS

    @property
    def since_ns(self) -> int:
        """When the present trouble began, 0 without any."""
        return self._first_ns or 0
