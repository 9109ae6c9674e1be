"""What the book knows of one condition: its alarm, and the last cause it heard, so that copies collapse (LAWS C4)."""

from __future__ import annotations

from schemas.alarms import Alarm
from schemas.causes import Cause
from schemas.changes import ConditionChange
from schemas.registry import Struct

EVENTS = -1
"""Stands for the partition of `events` itself, where a process's own fault has its cause (LAWS C2)."""


class ConditionState(Struct, frozen=True, kw_only=True):
    """What a snapshot keeps of a condition. `causes` are (partition, incarnation, offset, row, level, tier)."""

    id: str
    alarm: Alarm | None = None
    causes: tuple[tuple[int, int, int, int, int, int], ...] = ()
    heard_ns: int = 0
    heard_from: int = 0
    attention: int = 0
    ended: str = ""


class Condition:
    """One condition in the book. Mutable; only the book touches it, through `accept`, `refresh`, `put` and `end`.

    `alarm` is None while it is normal. `heard_ns` is `now` of the last accepted change and `heard_from` the partition
    of `readings` it came from (`EVENTS` for a process that spoke of itself); `attention` is the revision of the last
    raise, rise or re-raise of the episode; `ended` the last episode that came to its end.
    """

    __slots__ = ("_causes", "_state", "alarm", "attention", "ended", "heard_from", "heard_ns", "id")

    def __init__(self, id: str) -> None:
        self.id = id
        self.alarm: Alarm | None = None
        self.heard_ns = 0
        self.heard_from = EVENTS
        self.attention = 0
        self.ended = ""
        self._causes: dict[int, tuple[Cause, int, int]] = {}
        self._state: ConditionState | None = None

    def is_copy(self, partition: int, cause: Cause, change: ConditionChange) -> bool:
        """Whether the change was heard before, from a twin, a zombie or a refold.

        Causes of two partitions cannot be compared, so each has its own last one. A change with the *same* cause that
        states more than the one heard comes from a twin with another limit and is no copy: with the milder twin always
        ahead, the worse statement would otherwise never be heard.
        """
        last = self._causes.get(partition)
        if last is None:
            return False
        if cause == last[0]:
            return change.level <= last[1] and not 0 < change.tier < last[2]
        return cause < last[0]

    def accept(self, partition: int, cause: Cause, change: ConditionChange, now_ns: int) -> None:
        """Remember that this change was the last."""
        self._causes[partition] = (cause, change.level, change.tier)
        self.heard_ns = now_ns
        self.heard_from = partition
        self._state = None

    def refresh(self, alarm: Alarm) -> None:
        """The same alarm with a newer value."""
        self.alarm = alarm
        self._state = None

    def put(self, alarm: Alarm, *, upward: bool) -> None:
        """The next revision of the alarm; `upward` when it calls for attention anew."""
        self.alarm = alarm
        if upward:
            self.attention = alarm.revision
        self._state = None

    def end(self) -> None:
        """The episode is over: the condition is normal."""
        if self.alarm is not None:
            self.ended = self.alarm.episode
        self.alarm = None
        self._state = None

    def own(self, now_ns: int) -> None:
        """A fault of the book's own was looked at; nobody restates it, and it has no copies."""
        self.heard_ns = now_ns
        self._state = None

    def state(self) -> ConditionState:
        """What a snapshot keeps, made only when something has changed since the last one."""
        if self._state is None:
            self._state = self._make_state()
        return self._state

    def _make_state(self) -> ConditionState:
        return ConditionState(
            id=self.id,
            alarm=self.alarm,
            causes=tuple((partition, *cause, level, tier) for partition, (cause, level, tier) in self._causes.items()),
            heard_ns=self.heard_ns,
            heard_from=self.heard_from,
            attention=self.attention,
            ended=self.ended,
        )

    @classmethod
    def of(cls, state: ConditionState) -> Condition:
        condition = cls(state.id)
        condition.alarm = state.alarm
        condition.heard_ns = state.heard_ns
        condition.heard_from = state.heard_from
        condition.attention = state.attention
        condition.ended = state.ended
        for partition, incarnation, offset, row, level, tier in state.causes:
            condition._causes[partition] = (Cause(incarnation, offset, row), level, tier)
        return condition
