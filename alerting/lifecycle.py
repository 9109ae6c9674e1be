"""The life of one alarm: what a condition change, a person or silence makes of it.

Pure steps from an alarm (or none) to the next complete alarm. The states are the first four of ISA-18.2: normal (no
alarm here), unacknowledged, acknowledged, returned unacknowledged. A step that changes nothing people see is no
transition.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from schemas.alarms import Alarm, Change, State
from schemas.causes import Cause, alarm_id, episode_id
from schemas.changes import AlarmClass, Basis, ConditionChange, Side

UPWARD = frozenset({Change.RAISE, Change.RISE, Change.RERAISE})
"""The changes that call for attention; an acknowledgement given before one of them does not cover it (LAWS B1)."""

_LOWERS_PROCESS = frozenset({Basis.READING, Basis.FIRST, Basis.RETIRED})
MOST_URGENT = 1


class Step(NamedTuple):
    """One transition: its name and the alarm that results."""

    change: Change
    alarm: Alarm


def tier_of_change(change: ConditionChange) -> int:
    """The tier to work with: a raised change without a usable tier is taken as the most urgent, never as none."""
    if change.level <= 0:
        return 0
    return change.tier if 1 <= change.tier <= 4 else MOST_URGENT


def may_lower(alarm_class: AlarmClass, basis: Basis) -> bool:
    """Whether a change on this basis may lower an alarm.

    A process alarm falls only at a good reading in order, at the first good reading of a fold without history, or when
    its tag is retired; a restatement, which only speaks of what is true, lowers nothing (LAWS C5).
    """
    if alarm_class is AlarmClass.PROCESS:
        return basis in _LOWERS_PROCESS
    return basis is not Basis.RESTATEMENT


def hear(alarm: Alarm | None, change: ConditionChange, cause: Cause, at_ns: int) -> Step | None:
    """What an accepted change makes of an alarm; None when nothing people see has changed."""
    if alarm is None:
        return Step(Change.RAISE, _begin(change, cause, at_ns)) if change.level > 0 else None
    if not alarm.active:
        return _raised_again(alarm, change, at_ns) if change.level > 0 else None
    tier = tier_of_change(change)
    if change.level > alarm.level or 0 < tier < alarm.tier:
        return _risen(alarm, change, tier, at_ns)
    if change.level < alarm.level or tier > alarm.tier:
        if may_lower(alarm.alarm_class, change.basis):
            return _returned(alarm, change, at_ns) if change.level <= 0 else _fallen(alarm, change, tier, at_ns)
        if change.level <= 0:
            return None
    if not alarm.unconfirmed:
        return None
    return Step(Change.CONFIRMED, replace(alarm, revision=alarm.revision + 1, changed_ns=at_ns, unconfirmed=False))


def refresh(alarm: Alarm, change: ConditionChange) -> Alarm:
    """The alarm with the value of a restatement that changed nothing else; not worth a transition."""
    peak = _worse_value(alarm.side, alarm.peak_value, change.value)
    onset = _earlier_onset(alarm, change)
    if change.value == alarm.value and peak == alarm.peak_value and onset == alarm.onset_ns:
        return alarm
    value = alarm.value if change.value is None else change.value
    return replace(alarm, value=value, peak_value=peak, onset_ns=onset, quality=change.quality)


def acknowledge(alarm: Alarm, actor: str, comment: str, at_ns: int) -> Step:
    """Unacknowledged becomes acknowledged; returned becomes normal, and the episode ends."""
    state = State.ACKNOWLEDGED if alarm.state is State.UNACKNOWLEDGED else State.NORMAL
    return Step(
        Change.ACKNOWLEDGE,
        replace(
            alarm,
            revision=alarm.revision + 1,
            state=state,
            changed_ns=at_ns,
            acknowledged_ns=at_ns,
            acknowledged_by=actor,
            comment=comment,
        ),
    )


def unconfirm(alarm: Alarm, at_ns: int) -> Step:
    """Nobody has restated it for too long: it stays, marked."""
    return Step(Change.UNCONFIRMED, replace(alarm, revision=alarm.revision + 1, changed_ns=at_ns, unconfirmed=True))


def close(alarm: Alarm, actor: str, comment: str, at_ns: int) -> Step:
    """A person closes an unconfirmed alarm: normal, whatever it was."""
    return Step(
        Change.CLOSE,
        replace(
            alarm,
            revision=alarm.revision + 1,
            state=State.NORMAL,
            level=0,
            level_name="",
            tier=0,
            changed_ns=at_ns,
            returned_ns=at_ns,
            acknowledged_ns=alarm.acknowledged_ns or at_ns,
            acknowledged_by=alarm.acknowledged_by or actor,
            comment=comment,
        ),
    )


def _begin(change: ConditionChange, cause: Cause, at_ns: int) -> Alarm:
    tier = tier_of_change(change)
    return Alarm(
        id=alarm_id(change.rule, change.subject, change.side),
        episode=episode_id(change.rule, change.subject, change.side, cause),
        revision=1,
        rule=change.rule,
        kind=change.kind,
        subject=change.subject,
        side=change.side,
        alarm_class=change.alarm_class,
        state=State.UNACKNOWLEDGED,
        level=change.level,
        level_name=change.level_name,
        tier=tier,
        peak_level=change.level,
        peak_level_name=change.level_name,
        peak_tier=tier,
        tag=change.tag,
        value=change.value,
        peak_value=change.value,
        limit=change.limit,
        unit=change.unit,
        quality=change.quality,
        gas=change.gas,
        onset_ns=_since(change) or at_ns,
        doubtful=change.doubtful,
        raised_ns=at_ns,
        changed_ns=at_ns,
        received_ns=change.received_ns,
        text=change.text,
        place=change.place,
        guidance=change.guidance,
        route=change.route,
        registry_revision=change.registry_revision,
        onset_cause=cause,
    )


def _risen(alarm: Alarm, change: ConditionChange, tier: int, at_ns: int) -> Step:
    return Step(Change.RISE, _attention(_restated(alarm, change, tier, at_ns)))


def _raised_again(alarm: Alarm, change: ConditionChange, at_ns: int) -> Step:
    again = _attention(_restated(alarm, change, tier_of_change(change), at_ns))
    return Step(Change.RERAISE, replace(again, returned_ns=0))


def _fallen(alarm: Alarm, change: ConditionChange, tier: int, at_ns: int) -> Step:
    return Step(Change.FALL, _restated(alarm, change, tier, at_ns))


def _returned(alarm: Alarm, change: ConditionChange, at_ns: int) -> Step:
    acknowledged = alarm.state is State.ACKNOWLEDGED
    returned = replace(
        _restated(alarm, change, 0, at_ns),
        state=State.NORMAL if acknowledged else State.RETURNED_UNACKNOWLEDGED,
        returned_ns=at_ns,
    )
    return Step(Change.RETIRE if change.basis is Basis.RETIRED else Change.RETURN, returned)


def _attention(alarm: Alarm) -> Alarm:
    return replace(alarm, state=State.UNACKNOWLEDGED, acknowledged_ns=0, acknowledged_by="", comment="")


def _restated(alarm: Alarm, change: ConditionChange, tier: int, at_ns: int) -> Alarm:
    """The next revision with what the change says; what it leaves open stays as it was."""
    peak = (alarm.peak_level, alarm.peak_level_name, alarm.peak_tier)
    if change.level > alarm.peak_level:
        peak = (change.level, change.level_name, peak[2])
    if 0 < tier < alarm.peak_tier:
        peak = (peak[0], peak[1], tier)
    return replace(
        alarm,
        revision=alarm.revision + 1,
        kind=change.kind,
        alarm_class=change.alarm_class,
        level=max(change.level, 0),
        level_name=change.level_name,
        tier=tier,
        peak_level=peak[0],
        peak_level_name=peak[1],
        peak_tier=peak[2],
        tag=change.tag or alarm.tag,
        value=change.value,
        peak_value=_worse_value(alarm.side, alarm.peak_value, change.value),
        limit=alarm.limit if change.limit is None else change.limit,
        unit=change.unit or alarm.unit,
        quality=change.quality,
        gas=change.gas or alarm.gas,
        onset_ns=_earlier_onset(alarm, change),
        changed_ns=at_ns,
        received_ns=change.received_ns,
        unconfirmed=False,
        text=change.text or alarm.text,
        place=change.place if change.place.park else alarm.place,
        guidance=change.guidance if change.guidance.action or change.guidance.cause else alarm.guidance,
        route=change.route or alarm.route,
        registry_revision=change.registry_revision,
    )


def _since(change: ConditionChange) -> int:
    return change.since_ns or change.onset_ns


def _earlier_onset(alarm: Alarm, change: ConditionChange) -> int:
    """An episode's onset only moves back, when a change that arrived later knows of an earlier one (LAWS B3)."""
    since = _since(change)
    if change.level <= 0 or change.doubtful or not 0 < since < alarm.onset_ns:
        return alarm.onset_ns
    return since


def _worse_value(side: Side, one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return one if other is None else other
    if side is Side.LOW:
        return min(one, other)
    return max(one, other) if side is Side.HIGH else other
