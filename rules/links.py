"""The supervised paths by which readings come, and the time during which silence counts (LAWS T5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from schemas.time import SECOND

BEATS_APART = 15 * SECOND
"""Silence between two `up` heartbeats further apart than this does not count."""


class Links:
    """The last heartbeat of every link that feeds this partition: name -> (up, `now`)."""

    def __init__(self, names: Iterable[str], now_ns: int, up: bool) -> None:
        self.last: dict[str, tuple[bool, int]] = dict.fromkeys(names, (up, now_ns))

    def heard(self, name: str, up: bool, now_ns: int) -> int | None:
        """Note a heartbeat; returns the `now` since which silence counts, None when it does not count.

        A link that feeds no tag of this partition is ignored.
        """
        if name not in self.last:
            return None
        was_up, before_ns = self.last[name]
        self.last[name] = (up, now_ns)
        return before_ns if up and was_up and now_ns - before_ns <= BEATS_APART else None

    def recorded(self, now_ns: int) -> Iterator[tuple[str, int]]:
        """Replay: every link counts as up without bounds; its name, and since when silence counts."""
        for name, (_, before_ns) in self.last.items():
            self.last[name] = (True, now_ns)
            yield name, before_ns

    def follow(self, names: Iterable[str], now_ns: int, up: bool) -> None:
        """Keep what is known of these links, begin with those that are new, drop the others."""
        self.last = {name: self.last.get(name, (up, now_ns)) for name in names}
