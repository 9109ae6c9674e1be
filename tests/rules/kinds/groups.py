"""Traces over the members of a group, what the fold admits of them, and what it says: for kinds with several tags."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec
from hypothesis import strategies as st

from rules.admission import LATE, LIVE, Admission
from schemas.changes import ConditionChange
from schemas.quality import Quality
from schemas.registry import Revision, Rule, Tag
from schemas.time import MS, SECOND
from tests.laws.traces import (
    HIGH,
    HIGH_HIGH,
    RANGE_HIGH,
    START,
    Trace,
    Writer,
    fold_entry,
    gas_tag,
    new_fold,
    revision,
)

VALUES: tuple[tuple[float, int], ...] = (
    *((v, Quality.GOOD) for v in (20.0, 20.0, 20.0, 20.0, HIGH, HIGH, math.nextafter(HIGH, 0), HIGH - 2, 47.0)),
    *((v, Quality.GOOD) for v in (60.0, HIGH_HIGH, 90.0, math.nextafter(HIGH_HIGH, 0), HIGH_HIGH - 2, 77.0)),
    *((v, Quality.GOOD) for v in (RANGE_HIGH, 104.0, -1.0, -2.0, math.nan)),
    *((v, q) for v in (20.0, 60.0) for q in (Quality.UNCERTAIN, Quality.BAD, Quality.STALE)),
    (math.nan, Quality.OVER_RANGE),
)
WAITS = (0, 0, MS, SECOND, SECOND, SECOND, 2 * SECOND, 3 * SECOND, 5 * SECOND, 10 * SECOND)
SHIFTS = (0, 0, 0, 0, 0, -SECOND, -5 * SECOND, -10 * SECOND)
CLOCKS = (0, -20 * SECOND, 4 * SECOND, -START + SECOND)
"""True, behind, ahead, and in 1970; none so old that a raise would wait for a fresher reading (LAWS L5)."""


def group(count: int, **changed: object) -> list[Tag]:
    """CO detectors CO-1, CO-2 ... with a deadband of 2."""
    return [gas_tag(n, deadband=2.0, **changed) for n in range(1, count + 1)]


def under(kind: str, tags: list[Tag], params: Mapping[str, object]) -> Revision:
    """One rule of that kind, by the name of the kind, beside the default ones."""
    return msgspec.structs.replace(revision(*tags), rules=(Rule(id=kind, kind=kind, params=dict(params)),))  # type: ignore[arg-type]


def traces(of: Revision) -> st.SearchStrategy[Trace]:
    """Single rows and small batches of the members; the first bytes choose each member's clock."""
    numbers = [t.number for t in of.tags]

    def written(drawn: bytes) -> Trace:
        clocks = dict(zip(numbers, (CLOCKS[b % 8] if b % 8 < len(CLOCKS) else 0 for b in drawn), strict=False))
        steps = drawn[len(numbers) :]
        writer = Writer(("ingest",))
        writer.pass_time(0)
        rows: list[tuple[int, int, float, int]] = []
        for who, wait, chosen in zip(steps[::3], steps[1::3], steps[2::3], strict=False):
            number = numbers[who % len(numbers)]
            value, quality = VALUES[chosen % len(VALUES)]
            shift = SHIFTS[who // 32 % len(SHIFTS)]
            rows.append((number, writer.now_ns + clocks[number] + shift, value, quality))
            if wait % 4:
                writer.read(rows)
                rows = []
                writer.pass_time(WAITS[wait // 4 % len(WAITS)])
        return Trace(of, tuple(writer.entries))

    return st.binary(min_size=150 + len(numbers), max_size=450).map(written)


@dataclass(slots=True)
class Heard:
    """An admitted row: `member` counts from 0."""

    member: int
    live: bool
    late: bool
    at: int
    now: int
    value: float
    quality: int
    place: tuple[int, int]


def heard(trace: Trace, kind: str) -> tuple[list[Heard], list[ConditionChange]]:
    """What the fold admitted of the trace, and what the rule named `kind` said without saying it again."""
    fold, admission = new_fold(trace), Admission(trace.revision.tags)
    rows: list[Heard] = []
    said: list[ConditionChange] = []
    for offset, entry in enumerate(trace.entries):
        said += (c for c in fold_entry(fold, offset, entry) if c.rule == kind and c.basis != "restatement")
        if entry.batch is None:
            continue
        admission.admit(entry.batch, offset, fold.now_ns, entry.append_ns)
        for i in range(len(entry.batch)):
            if admission.index[i] >= 0:
                flags = int(admission.flags[i])
                rows.append(
                    Heard(
                        int(admission.index[i]), bool(flags & LIVE), bool(flags & LATE), int(admission.at[i]),
                        fold.now_ns, float(admission.value[i]), int(admission.quality[i]), (offset, i),
                    )
                )  # fmt: skip
    return rows, said


@dataclass(slots=True)
class Ladder:
    """Levels without delays: `judged` gives what they say at a row, None where that is what they said before."""

    on: list[bool] = field(default_factory=lambda: [False, False])
    stated: int = -1

    def judged(self, beyond: list[bool], clear: list[bool], lowers: bool) -> int | None:
        for k in range(len(self.on)):
            if beyond[k]:
                self.on[k] = True
            elif lowers and clear[k]:
                self.on[k] = False
        level = max((k + 1 for k, on in enumerate(self.on) if on), default=0)
        if level == self.stated or (level == 0 and self.stated < 0 and not lowers):
            return None
        self.stated = level
        return level


def placed(said: list[ConditionChange]) -> Iterator[tuple[tuple[int, int], int]]:
    for change in said:
        assert change.cause is not None
        yield (change.cause.offset, change.cause.row), change.level
