"""The limits rule as a slow reference: one tag, one reading at a time, plain Python, from the text of LAWS.md.

It shares no code with `rules` (the text's constants are repeated here) and keeps things as people would write them
down: a list of what was read, a few timestamps per level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from schemas.quality import Quality
from schemas.registry import Measure, Tag

S = 1_000_000_000
YEAR_2000 = 946_684_800 * S
Fact = tuple[int, str, int, int]
"""(row, side, level, onset)"""
Row = tuple[int, float, int, int]
"""(event, value, quality, sequence)"""


@dataclass
class Reading:
    """A row as it was judged. `kind` is live, late, or nothing (history, copy)."""

    event: int
    at: int
    value: float
    quality: int
    kind: str
    fresh_start: bool = False


@dataclass
class Seen:
    event: int
    value: str
    quality: int
    now: int
    times: int


@dataclass
class Rung:
    """A level: its limit, and how far it is on its way in or out."""

    limit: float
    waiting_since: tuple[int, int] | None = None  # event time, now
    onset: int | None = None
    active: bool = False
    clear_since: tuple[int, int] | None = None
    clear_last: int = 0


@dataclass
class Side:
    name: str
    rungs: list[Rung | None]
    said: int | None = None
    held_since: int | None = None

    def level(self) -> int:
        return max((n for n, rung in enumerate(self.rungs, 1) if rung and rung.active), default=0)

    def waiting(self) -> bool:
        return any(rung is not None and rung.waiting_since is not None for rung in self.rungs)


@dataclass
class SlowLimits:
    """One tag under rule `limits`."""

    tag: Tag
    sides: list[Side] = field(default_factory=list)
    now: int | None = None
    last_append: int = 0
    newest: int | None = None
    last_live: int | None = None
    memory: list[Seen] = field(default_factory=list)
    sequence: tuple[int, int] = (0, 0)
    sequence_record: int = -1
    records: int = 0

    def __post_init__(self) -> None:
        limits = self.tag.limits
        for name, pair in (("high", (limits.high, limits.high_high)), ("low", (limits.low, limits.low_low))):
            if pair != (None, None):
                self.sides.append(Side(name, [None if x is None else Rung(x) for x in pair]))
        self.lateness = max(self.tag.lateness_s, 2 * self.tag.period_s) * S

    # One record

    def record(self, append: int, rows: list[Row]) -> list[Fact]:
        """Apply a record of this tag's readings (none for a tick); returns what is said, row -1 first."""
        self.pass_time(append)
        facts = [fact for side in self.sides if (fact := self.timers(side, append)) is not None]
        for row, values in enumerate(rows):
            reading = self.judge(append, *values)
            if reading is None:
                continue
            for side in self.sides:
                self.move(side, reading)
                fact = self.say(side, reading, append, row)
                if fact is not None:
                    facts.append(fact)
        return facts

    def pass_time(self, append: int) -> None:
        self.records += 1
        if self.now is None:
            self.now = append
        else:
            self.now += min(10 * S, max(0, append - self.last_append))
        self.last_append = append

    # L1-L4

    def judge(self, append: int, event: int, value: float, quality: int, sequence: int = 0) -> Reading | None:
        assert self.now is not None
        boot, seq = sequence >> 32, sequence & 0xFFFFFFFF
        newer = (boot, seq) > self.sequence
        same_boot = sequence > 0 and boot == self.sequence[0]
        again = (boot, seq) == self.sequence and self.sequence_record != self.records and event <= (self.newest or 0)
        straggler = same_boot and ((boot, seq) < self.sequence or again)
        doubtful = event < YEAR_2000 or event > append + 5 * S
        key = (event, "nan" if math.isnan(value) else value.hex(), quality)
        known = None
        if event != 0:
            young = [m for m in self.memory if self.now // S - m.now // S <= 60]
            known = next((m for m in young if (m.event, m.value, m.quality) == key), None)
            known = None if newer or self.last_live is None else known
            if known is not None:
                known.times += 1
                if known.times == 2:
                    return None
        silent = self.last_live is None or self.now - self.last_live >= self.lateness
        kind = "live"
        long = self.last_live is not None and self.now - self.last_live >= 300 * S
        behind = straggler or (self.newest is not None and event < self.newest)
        if behind and not (doubtful or newer or self.last_live is None or (silent and (long or not straggler))):
            if (self.newest or 0) - event > self.lateness:
                if known is not None:
                    known.times -= 1
                return None
            kind = "late"
        if event != 0:
            if known is None:
                self.memory.append(Seen(*key, self.now, 1))
            else:
                known.now = self.now
        if newer or (kind == "live" and sequence > 0 and (straggler or not same_boot)):
            self.sequence, self.sequence_record = (boot, seq), self.records
        if kind == "live":
            self.last_live = self.now
            if not doubtful:
                self.newest = event
        return Reading(event, append if doubtful else event, value, quality, kind, silent)

    # T4

    def trustworthy(self, reading: Reading) -> bool:
        """Good, in range and in order: the only kind that may lower anything."""
        tag, value = self.tag, reading.value
        if reading.kind != "live" or reading.quality >= 64 or not math.isfinite(value):
            return False
        if tag.range_low is not None and tag.range_high is not None:
            return tag.range_low - 0.0125 * (tag.range_high - tag.range_low) <= value <= tag.range_high
        return True

    def over_range(self, reading: Reading) -> bool:
        if self.tag.measure is not Measure.GAS:
            return False
        if reading.quality == Quality.OVER_RANGE:
            return True
        high = self.tag.range_high
        return reading.quality < 128 and high is not None and reading.value > high

    def beyond(self, side: Side, rung: Rung, reading: Reading) -> bool:
        if side.name == "high" and self.over_range(reading):
            return True
        if reading.quality >= 128 or math.isnan(reading.value):
            return False
        return reading.value >= rung.limit if side.name == "high" else reading.value <= rung.limit

    def past_deadband(self, side: Side, rung: Rung, value: float) -> bool:
        if side.name == "high":
            return value < rung.limit - self.tag.deadband
        return -value < -rung.limit - self.tag.deadband

    def move(self, side: Side, reading: Reading) -> None:
        assert self.now is not None
        sure = self.trustworthy(reading)
        for rung in side.rungs:
            if rung is None:
                continue
            hit = self.beyond(side, rung, reading)
            if hit and not rung.active and rung.waiting_since is None:
                rung.waiting_since = (reading.at, self.now)
            if reading.kind == "late" and not hit:
                continue
            if rung.waiting_since is not None:
                event, now = rung.waiting_since
                ran = reading.at - event >= self.tag.on_delay_s * S and (hit or not reading.fresh_start)
                if ran or self.now - now >= self.tag.on_delay_s * S:
                    rung.active, rung.onset, rung.waiting_since = True, event, None
                elif sure and not hit:
                    rung.waiting_since = None
            if not rung.active:
                continue
            if hit or not sure or not self.past_deadband(side, rung, reading.value):
                rung.clear_since = None
                continue
            if rung.clear_since is None or reading.fresh_start:
                rung.clear_since = (reading.at, self.now)
            elif reading.at - rung.clear_last > self.lateness:
                rung.clear_since = (reading.at, rung.clear_since[1])
            rung.clear_last = reading.at
            off = self.tag.off_delay_s * S
            if reading.at - rung.clear_since[0] >= off or self.now - rung.clear_since[1] >= off:
                rung.active, rung.onset, rung.clear_since = False, None, None

    def timers(self, side: Side, append: int) -> Fact | None:
        """T3: what `now` has run, as row -1. Whether a raise is held is judged when its delay ended (T2)."""
        assert self.now is not None
        ended = []
        for rung in side.rungs:
            if rung is not None and rung.waiting_since is not None:
                event, now = rung.waiting_since
                if self.now - now >= self.tag.on_delay_s * S:
                    rung.active, rung.onset, rung.waiting_since = True, event, None
                    ended.append(now + round(self.tag.on_delay_s * S))
        level = side.level()
        if level <= (side.said or 0):
            return None
        if ended:
            since = self.now - min(ended)
            if not self.must_wait(side, level, append - since, min(ended)):
                return self.state(side, level, -1, append)
        assert side.held_since is not None
        return self.state(side, level, -1, append) if self.now - side.held_since >= 5 * S else None

    # L5, C6, C1

    def must_wait(self, side: Side, level: int, append: int, now: int) -> bool:
        rung = side.rungs[level - 1]
        assert rung is not None and rung.onset is not None
        if append - rung.onset <= 60 * S + self.tag.on_delay_s * S:
            return False
        if side.held_since is None:
            side.held_since = now
        return now - side.held_since < 5 * S

    def say(self, side: Side, reading: Reading, append: int, row: int) -> Fact | None:
        assert self.now is not None
        sure = self.trustworthy(reading)
        young = sure and append - reading.at <= 60 * S
        if young:
            side.held_since = None
        level = side.level()
        if side.said == level:
            return None
        if level > (side.said or 0):
            if not young and self.must_wait(side, level, append, self.now):
                return None
        elif side.said is None and (side.waiting() or not sure):
            return None
        return self.state(side, level, row, reading.at)

    def state(self, side: Side, level: int, row: int, at: int) -> Fact:
        side.said = level
        rung = side.rungs[level - 1] if level else None
        onset = rung.onset if rung is not None and rung.onset is not None else at
        return row, side.name, level, onset
