"""One gas point that reads every minute, read one by one: for kinds that add up what people may be exposed to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from rules.engine import Fold
from rules.evaluator import Evaluator
from rules.rulebook import compile_rules
from schemas.batch import batch
from schemas.changes import ConditionChange
from schemas.quality import Quality
from schemas.registry import Revision, Rule, Tag
from schemas.time import MS, in_zone
from tests.laws.traces import START, gas_tag, revision

Reading = tuple[int, float, int]
"""(ms since the start, value, quality). START is 08:00 in China: a shift begins."""
HOLD = 120_000
"""How long a reading of `point` holds (ms)."""
SHIFTS: tuple[tuple[list[str], float], ...] = (
    (["00:00", "08:00", "16:00"], 8.0),
    (["08:30", "20:30"], 8.0),
    (["06:00", "7:15", "14:00", "22:00"], -3.5),
    (["12:00"], 5.75),
)
"""Schedules with their zones."""


def point(range_high: float = 200.0, **changed: object) -> Tag:
    """A carbon monoxide point."""
    return gas_tag(**{"unit": "mg/m3", "range_high": range_high, "period_s": 60.0, "lateness_s": 120.0, **changed})


def under(kind: str, one: Tag, **params: float | str | list[str]) -> Revision:
    """The point under one rule, by the name of the kind."""
    return msgspec.structs.replace(revision(one), rules=(Rule(id=kind, kind=kind, params=dict(params)),))


def replayed(of: Revision) -> Fold:
    """A fold whose time is that of the readings."""
    return Fold(compile_rules(of, 0, 1), 0, 1, replay=True)


def evaluator(fold: Fold, kind: str) -> Evaluator:
    return next(e for e in fold.standing.evaluators if e.id == kind)


def value(fold: Fold, kind: str, condition: int = 0) -> float:
    """What the kind has judged last; condition 1 is that of the minutes left."""
    return float(evaluator(fold, kind).memory[condition]["value"])


def figures(fold: Fold, kind: str, condition: int = 0) -> list[float]:
    return [float(f) for f in evaluator(fold, kind).figures(condition)]


def said_of(said: Sequence[ConditionChange], kind: str, side: str = "high") -> list[int]:
    """The levels that a condition has said, restatements left out."""
    return [c.level for c in said if (c.rule, c.side) == (kind, side) and c.basis != "restatement"]


def read(fold: Fold, reading: Reading) -> list[ConditionChange]:
    at, number, quality = reading
    when = START + at * MS
    return fold.apply_readings(fold.next_offset, when, batch([1], [when], [number], [quality]))


def is_usable(reading: Reading) -> bool:
    return reading[2] < 128 and reading[1] > -math.inf


def is_good(reading: Reading, range_high: float) -> bool:
    return reading[2] < 64 and -0.0125 * range_high <= reading[1] <= range_high


def drawn(data: bytes, values: Sequence[tuple[float, int]], steps_s: Sequence[int]) -> list[Reading]:
    """Two bytes a reading: a step, mostly a minute, and a value that stays for a while."""
    found, at, chosen = [], 0, values[0]
    for step, choice in zip(data[::2], data[1::2], strict=False):
        at += 1000 * steps_s[step % 97 % len(steps_s)] if step > 20 else 60_000
        chosen = values[choice % len(values)] if choice < 60 else chosen
        found.append((at, *chosen))
    return found


SPOILT: tuple[tuple[float, int], ...] = (
    (40.0, Quality.UNCERTAIN),
    (math.nan, Quality.NO_VALUE),
    (90.0, Quality.BAD),
)
"""Readings that are not good."""


def shift_of(ms: int, shifts: Sequence[str], offset_h: float) -> tuple[int, int]:
    """When the shift of this moment begins and ends (ms), by the calendar."""
    local = in_zone(START + ms * MS, offset_h)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)

    def begin(day: int, text: str) -> datetime:
        hour, minute = map(int, text.split(":"))
        return midnight + timedelta(days=day, hours=hour, minutes=minute)

    begins = sorted(begin(day, text) for day in (-1, 0, 1, 2) for text in shifts)
    start = max(b for b in begins if b <= local)
    end = min(b for b in begins if b > local)
    ago, ahead = local - start, end - local
    return ms - ago // timedelta(milliseconds=1), ms + ahead // timedelta(milliseconds=1)
