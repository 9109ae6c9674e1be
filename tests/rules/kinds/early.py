"""What the tests of the early warnings share: a rule's kernel alone, fed with rows whose flags the test chooses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np

from rules.admission import LIVE
from rules.evaluator import Evaluator
from rules.rulebook import compile_rules
from schemas.quality import Quality
from schemas.registry import Rule, Tag
from schemas.time import SECOND, seconds
from tests.laws.traces import START, revision

NUMBERS: dict[str, Any] = json.loads((Path(__file__).parent / "numbers.json").read_text("utf-8"))
"""Published and computed figures, each with its source."""

Reading = tuple[float, float, int, int]
"""(second, value, quality, flags)"""
GOOD, UNCERTAIN, BAD = int(Quality.GOOD), int(Quality.UNCERTAIN), int(Quality.BAD)


def good(at: float, value: float) -> Reading:
    return at, value, GOOD, LIVE


class Kernel:
    """The conditions of one tag under one rule."""

    def __init__(self, kind: str, tag: Tag, params: Mapping[str, Any]) -> None:
        of = msgspec.structs.replace(revision(tag), rules=(Rule(id=kind, kind=kind, params=dict(params)),))
        (compiled,) = (r for r in compile_rules(of, 0, 1).rules if r.rule.id == kind)
        self.evaluator = Evaluator(compiled)

    @property
    def sides(self) -> tuple[str, ...]:
        return tuple(w.plan.side for w in self.evaluator.compiled.watched)

    def feed(self, readings: Sequence[Reading], batch: int = 50) -> list[tuple[int, str, int, float]]:
        """(row, side, level, value) of every change of level; each batch is appended at its first time, so
        that nothing waits for fresher data (LAWS L5)."""
        said: list[tuple[int, str, int, float]] = []
        for begin in range(0, len(readings), batch):
            rows = readings[begin : begin + batch]
            at, value, quality, flags = zip(*rows, strict=True)
            fake: Any = SimpleNamespace(
                index=np.zeros(len(rows), np.int32),
                flags=np.array(flags, np.uint8),
                at=np.array([START + seconds(a) for a in at]),
                value=np.array(value, np.float64),
                quality=np.array(quality, np.int16),
            )
            now_ns = min(fake.at.tolist())
            found = self.evaluator.rows(len(rows), fake, now_ns, now_ns)
            for change in found:
                row, side = begin + int(change["row"]), self.sides[int(change["condition"])]
                said.append((row, side, int(change["level"]), float(change["value"])))
        return said


def second_of(at: float) -> int:
    return START + seconds(at)


def in_seconds(ns: int) -> float:
    return ns / SECOND
