"""What one configuration said over a recording: every call for attention, and every time that an alarm stood.

Nobody acknowledges in a replay, so the book sees one long episode per condition. Here each raise begins a spell of its
own, which its return ends. All times are those at which the record came: a late reading calls when it is there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from hazwatch.replay.line import Happened
from schemas.alarms import Alarm, Change
from schemas.changes import AlarmClass, Place

CALLS = frozenset({Change.RAISE, Change.RERAISE, Change.RISE})
BEGINS = frozenset({Change.RAISE, Change.RERAISE})


class Condition(NamedTuple):
    """Which alarm it is."""

    rule: str
    subject: str
    side: str

    def __str__(self) -> str:
        return f"{self.subject} {self.rule} {self.side}"


class Span(NamedTuple):
    """From the first instant of a recording to the last moment at which something could happen."""

    begin_ns: int
    end_ns: int

    @property
    def length_ns(self) -> int:
        return self.end_ns - self.begin_ns


@dataclass(frozen=True, slots=True)
class Call:
    """An alarm that calls for attention: raised, raised again, or risen. `crossed` are the levels that it passed on
    its way up: 1 and 2 when it was normal and is high-high."""

    at_ns: int
    condition: Condition
    tier: int
    crossed: range
    place: Place


@dataclass(frozen=True, slots=True)
class Spell:
    """An alarm from its raise to its return. `tier` and `level` are the worst of it, `value` and `limit` those of the
    moment at which it got there. `open`: the recording ended before it did."""

    condition: Condition
    kind: str
    alarm_class: AlarmClass
    begin_ns: int
    end_ns: int
    tier: int
    level: int
    level_name: str
    value: float | None
    limit: float | None
    unit: str
    open: bool = False

    @property
    def length_ns(self) -> int:
        return self.end_ns - self.begin_ns


@dataclass(frozen=True, slots=True)
class Story:
    """Calls and spells in the order of time."""

    calls: tuple[Call, ...]
    spells: tuple[Spell, ...]
    span: Span


class Gatherer:
    """Makes a story of transitions."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._ended: list[Spell] = []
        self._standing: dict[Condition, Spell] = {}
        self._level: dict[Condition, int] = {}
        self.last_ns = 0

    def hear(self, one: Happened) -> None:
        """Take the next transition."""
        alarm, at_ns, change = one.transition.alarm, one.transition.at_ns, one.transition.change
        condition = Condition(alarm.rule, alarm.subject, str(alarm.side))
        self.last_ns = max(self.last_ns, at_ns)
        if change in CALLS:
            crossed = range(self._level.get(condition, 0) + 1, alarm.level + 1)
            self._calls.append(Call(at_ns, condition, alarm.tier, crossed, alarm.place))
        if change in BEGINS:
            self._standing[condition] = _begun(condition, alarm, at_ns)
        elif condition in self._standing:
            self._standing[condition] = _worse(self._standing[condition], alarm)
        self._level[condition] = alarm.level
        if not alarm.active and (spell := self._standing.pop(condition, None)):
            self._ended.append(replace(spell, end_ns=at_ns))

    def story(self, span: Span) -> Story:
        """All of it; what stands still, stands to the end of the span."""
        still = [replace(spell, end_ns=span.end_ns, open=True) for spell in self._standing.values()]
        spells = sorted([*self._ended, *still], key=lambda spell: (spell.begin_ns, spell.condition))
        return Story(tuple(self._calls), tuple(spells), span)


def _begun(condition: Condition, alarm: Alarm, at_ns: int) -> Spell:
    return Spell(
        condition=condition,
        kind=alarm.kind,
        alarm_class=alarm.alarm_class,
        begin_ns=at_ns,
        end_ns=at_ns,
        tier=alarm.tier,
        level=alarm.level,
        level_name=alarm.level_name,
        value=alarm.value,
        limit=alarm.limit,
        unit=alarm.unit,
    )


def _worse(spell: Spell, alarm: Alarm) -> Spell:
    """The spell with what is worse now than it ever was."""
    if 0 < alarm.tier < spell.tier:
        spell = replace(spell, tier=alarm.tier)
    if alarm.level > spell.level:
        return replace(
            spell, level=alarm.level, level_name=alarm.level_name, value=alarm.value, limit=alarm.limit, unit=alarm.unit
        )
    return spell
