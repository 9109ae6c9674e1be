"""A fold to talk to in seconds: what the stories of `tests/rules` are written with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rules.engine import Fold
from rules.rulebook import compile_rules
from schemas.batch import batch
from schemas.changes import ConditionChange
from schemas.quality import Quality
from schemas.records import Kind, Link, Tick, encode
from schemas.registry import Revision, Tag
from schemas.time import SECOND, seconds
from tests.laws.traces import START, gas_tag, revision

Row = tuple[float, float | None] | tuple[float, float | None, Quality]
Seen = tuple[str, str, int, str]
"""(rule, side, level, basis)"""


class Story:
    """One partition as time goes by. Times are seconds since the start."""

    def __init__(self, *tags: Tag, of: Revision | None = None, replay: bool = False, incarnation: int = 1) -> None:
        self.revision = of or revision(*(tags or (gas_tag(),)))
        self.fold = Fold(compile_rules(self.revision, 0, 1), 0, incarnation, replay=replay)
        self.said: list[ConditionChange] = []

    def _keep(self, changes: list[ConditionChange]) -> list[ConditionChange]:
        self.said += changes
        return changes

    def read(self, at: float, *values: float | None, tag: int = 1, quality: Quality = Quality.GOOD, seq: int = 0,
             event: float | None = None) -> list[ConditionChange]:  # fmt: skip
        """A batch of one tag appended at `at`; its rows carry that time, or `event`."""
        when = START + seconds(at if event is None else event)
        rows = [(float("nan") if v is None else v) for v in values]
        n = len(rows)
        readings = batch([tag] * n, [when] * n, rows, [quality] * n, [seq] * n)
        return self._keep(self.fold.apply_readings(self.fold.next_offset, START + seconds(at), readings))

    def rows(self, at: float, rows: Iterable[tuple[int, float, float]]) -> list[ConditionChange]:
        """A batch of (tag, event second, value)."""
        tags, events, values = zip(*rows, strict=True)
        readings = batch(tags, [START + seconds(e) for e in events], values)
        return self._keep(self.fold.apply_readings(self.fold.next_offset, START + seconds(at), readings))

    def tick(self, at: float, by: str = "process") -> list[ConditionChange]:
        return self._apply(at, Kind.TICK, encode(Tick(by=by)))

    def beat(self, at: float, up: bool = True, name: str = "ingest") -> list[ConditionChange]:
        return self._apply(at, Kind.LINK, encode(Link(name=name, up=up)))

    def poison(self, at: float) -> list[ConditionChange]:
        return self._apply(at, Kind.READINGS, b"no batch")

    def _apply(self, at: float, kind: str, value: bytes) -> list[ConditionChange]:
        return self._keep(self.fold.apply(self.fold.next_offset, START + seconds(at), kind, value))

    def activate(self, at: float, of: Revision) -> list[ConditionChange]:
        book = compile_rules(of, 0, 1)
        return self._keep(self.fold.activate(self.fold.next_offset, START + seconds(at), book))

    def pass_time(self, start: int, end: int, *, beats: bool = True) -> list[ConditionChange]:
        """A tick every second and a heartbeat every 5 s, from `start` to `end`."""
        found: list[ConditionChange] = []
        for second in range(start, end + 1):
            if beats and second % 5 == 0:
                found += self.beat(second)
            found += self.tick(second)
        return found


def seen(changes: Iterable[ConditionChange], rule: str = "", first: bool = False) -> list[Seen]:
    """The changes in short; without first words and restatements unless asked for."""
    hidden = () if first else ("first", "restatement")
    return [
        (c.rule, str(c.side), c.level, str(c.basis))
        for c in changes
        if c.basis not in hidden and (not rule or c.rule == rule)
    ]


def at(change: ConditionChange) -> float:
    """The second at which a change's onset lies."""
    return (change.onset_ns - START) / SECOND


def levels_of(changes: Sequence[ConditionChange], rule: str = "limits") -> list[int]:
    return [c.level for c in changes if c.rule == rule]
