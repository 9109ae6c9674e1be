"""Traces over the members of a group, what the fold admits of them, and what it says: for kinds with several tags."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from hypothesis import strategies as st

from rules.admission import LATE, LIVE, Admission
from rules.engine import Fold
from schemas.changes import ConditionChange
from schemas.quality import Quality
from schemas.registry import Revision, Rule, Tag
from schemas.time import MS, SECOND, seconds
from tests.laws.traces import (
    HIGH,
    HIGH_HIGH,
    RANGE_HIGH,
    START,
    Trace,
    Writer,
    fold_entry,
    gas_tag,
    revision,
    rulebook,
)
from tests.rules.helpers import Story

VALUES: tuple[tuple[float, int], ...] = (
    *((v, Quality.GOOD) for v in (20.0, 20.0, 20.0, 20.0, HIGH, HIGH, math.nextafter(HIGH, 0), HIGH - 2, 47.0)),
    *((v, Quality.GOOD) for v in (60.0, HIGH_HIGH, 90.0, math.nextafter(HIGH_HIGH, 0), HIGH_HIGH - 2, 77.0)),
    *((v, Quality.GOOD) for v in (RANGE_HIGH, 104.0, -1.0, -2.0, math.nan)),
    *((v, q) for v in (20.0, 60.0) for q in (Quality.UNCERTAIN, Quality.BAD, Quality.STALE)),
    (math.nan, Quality.OVER_RANGE),
)
WAITS = (0, 0, MS, SECOND, SECOND, SECOND, 2 * SECOND, 3 * SECOND, 5 * SECOND, 10 * SECOND)
SHIFTS = (0, 0, 0, 0, 0, -SECOND, -5 * SECOND, -10 * SECOND)
LEVELS = {1: HIGH, 2: HIGH_HIGH}
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
    fold, admission = Fold(rulebook(trace.revision), 0, 1), Admission(trace.revision.tags)
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


# Stories


def story(kind: str, tags: Sequence[Tag], **params: object) -> Story:
    """A story under one rule of that kind that begins with 20 ppm everywhere."""
    told = Story(of=under(kind, list(tags), params))
    told.beat(0)
    all_at(told, 0, *[20.0] * len(tags))
    return told


def all_at(told: Story, second: float, *values: float | None) -> None:
    """A reading of each tag in turn; None leaves one out."""
    for tag, value in enumerate(values, 1):
        if value is not None:
            told.read(second, value, tag=tag)


def bad(told: Story, second: float, tag: int) -> None:
    told.read(second, None, tag=tag, quality=Quality.SENSOR_FAILURE)


def last(told: Story, kind: str) -> ConditionChange:
    return [c for c in told.said if c.rule == kind][-1]


def counts(told: Story, kind: str) -> list[tuple[int, int]]:
    """(level, count judged) of every change that is no first word and not said again."""
    return [
        (c.level, round(c.value or 0.0))
        for c in told.said
        if c.rule == kind and c.basis not in ("first", "restatement")
    ]


# The slow reference of what members are, as the words of `rules.members` have it, for CO detectors on the high side


@dataclass(slots=True)
class Member:
    """`votes` by level (event time, now) of the last one; `inside` the levels it is not back from."""

    votes: dict[int, tuple[int, int]] = field(default_factory=dict)
    inside: set[int] = field(default_factory=set)
    newest: int = 0
    heard: int = 0
    bad: bool = False


class SlowGroup:
    """Members that read every second. `takes` a row and tells whether it is judged, and whether it may lower."""

    def __init__(self, count: int, window_s: float, silent_s: float = 15.0) -> None:
        self.members = [Member() for _ in range(count)]
        self.window, self.silent = seconds(window_s), seconds(silent_s)
        self.clock = self.last = 0

    def takes(self, row: Heard) -> tuple[bool, bool]:
        self.clock += min(row.now - self.last, SECOND) if self.last else 0
        self.last = row.now
        number = row.value == row.value
        usable = number and row.quality < 128
        over = row.quality == Quality.OVER_RANGE or (usable and row.value > RANGE_HIGH)
        voted = {1, 2} if over else {k for k in (1, 2) if usable and row.value >= LEVELS[k]}
        if not row.live and not voted:
            return False, False
        member = self.members[row.member]
        in_range = number and -0.0125 * RANGE_HIGH <= row.value <= RANGE_HIGH
        good = row.live and row.quality < 64 and in_range
        if row.live:
            member.newest, member.heard = row.at, self.clock
            under = row.value < -0.0125 * RANGE_HIGH
            member.bad = not voted and (not usable or row.quality == Quality.STALE or under)
            if good:
                member.inside -= {k for k in (1, 2) if row.value < LEVELS[k] - 2}
        for k in voted:
            member.inside.add(k)
            if row.live or k not in member.votes or row.at >= member.votes[k][0]:
                member.votes[k] = row.at, row.now
        return usable or over, good

    def sick(self) -> set[int]:
        return {n for n, member in enumerate(self.members) if member.bad or self.clock - member.heard > self.silent}

    def voters(self, k: int, now: int) -> set[int]:
        return {n for n, member in enumerate(self.members) if self._counts(member, k, now)}

    def inside(self, k: int, now: int) -> set[int]:
        """Who is not back from level k, voters included."""
        held = {n for n, member in enumerate(self.members) if k in member.inside}
        return self.voters(k, now) | (held - self.sick())

    def _counts(self, member: Member, k: int, now: int) -> bool:
        if k not in member.votes:
            return False
        event, then = member.votes[k]
        return now - then <= self.window and member.newest - event <= self.window


def masked(change: ConditionChange, figure: str) -> set[int]:
    """The members, counted from 0, that a figure of a change names."""
    mask = int(change.figures[figure])
    return {k for k in range(mask.bit_length()) if mask >> k & 1}


def placed(said: Iterable[ConditionChange]) -> Iterator[tuple[tuple[int, int], int]]:
    """The (offset, row) and level of changes."""
    for change in said:
        assert change.cause is not None
        yield (change.cause.offset, change.cause.row), change.level
