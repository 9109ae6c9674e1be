"""The alarm list as a fold over `alarms`: transitions collapse by (onset, revision), and an alarm only moves forward.

Twins and refolds append copies of transitions, in any mixture (LAWS C4); the order within one alarm is that of its
onset's cause and then of its revision, so an older copy never brings an alarm back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from console.wire import wire_alarm
from schemas.alarms import Alarm, State, Transition
from schemas.causes import Cause

JOURNAL_KEPT = 5000
Mark = tuple[Cause, int]


@dataclass(frozen=True, slots=True)
class Listed:
    """An alarm on the list, with its bytes for the wire, encoded once."""

    alarm: Alarm
    partition: int
    raw: msgspec.Raw


def _mark(alarm: Alarm) -> Mark:
    return alarm.onset_cause, alarm.revision


class AlarmList:
    """Alarms that are not normal, by id; the newest transitions; and what changed since it was last asked."""

    def __init__(self) -> None:
        self.listed: dict[str, Listed] = {}
        self.recent: deque[Transition] = deque(maxlen=JOURNAL_KEPT)
        self._marks: dict[str, Mark] = {}
        self._upserts: dict[str, Listed] = {}
        self._removed: set[str] = set()
        self.gone: dict[str, Alarm] = {}
        """The last word on alarms that became normal, so that a late command can be told so."""

    def start(self, partition: int, alarms: Iterable[Alarm]) -> None:
        """Take over the alarms of a snapshot of the book."""
        for alarm in alarms:
            self._move(alarm, partition)

    def apply(self, transition: Transition) -> bool:
        """Apply one transition; False when it was a copy or older than what is known."""
        if not self._move(transition.alarm, transition.partition):
            return False
        self.recent.append(transition)
        return True

    def _move(self, alarm: Alarm, partition: int) -> bool:
        mark = _mark(alarm)
        known = self._marks.get(alarm.id)
        if known is not None and mark <= known:
            return False
        self._marks[alarm.id] = mark
        if alarm.state is State.NORMAL:
            self.listed.pop(alarm.id, None)
            self._upserts.pop(alarm.id, None)
            self._removed.add(alarm.id)
            self.gone[alarm.id] = alarm
            return True
        item = Listed(alarm, partition, msgspec.Raw(msgspec.json.encode(wire_alarm(alarm))))
        self.gone.pop(alarm.id, None)
        self.listed[alarm.id] = item
        self._upserts[alarm.id] = item
        self._removed.discard(alarm.id)
        return True

    @property
    def changed(self) -> bool:
        return bool(self._upserts or self._removed)

    def take_changes(self) -> tuple[list[msgspec.Raw], list[str]]:
        """What was raised or changed, and what was removed, since the last call."""
        upserts, removed = [item.raw for item in self._upserts.values()], sorted(self._removed)
        self._upserts, self._removed = {}, set()
        return upserts, removed

    def find(self, alarm_id: str) -> Alarm | None:
        """The alarm, on the list or just gone from it."""
        item = self.listed.get(alarm_id)
        return item.alarm if item else self.gone.get(alarm_id)
