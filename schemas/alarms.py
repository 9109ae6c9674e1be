"""Alarms, transitions, commands, notices and receipts: the words of the second fold."""

from __future__ import annotations

from enum import StrEnum

from schemas.causes import Cause
from schemas.changes import AlarmClass, Guidance, Place, Side
from schemas.registry import Struct
from schemas.text import Text


class State(StrEnum):
    """The states of ISA-18.2 / IEC 62682, by their letters A-I. This version works with the first four."""

    NORMAL = "normal"  # A
    UNACKNOWLEDGED = "unacknowledged"  # B
    ACKNOWLEDGED = "acknowledged"  # C
    RETURNED_UNACKNOWLEDGED = "returned_unacknowledged"  # D
    LATCHED_UNACKNOWLEDGED = "latched_unacknowledged"  # E
    LATCHED_ACKNOWLEDGED = "latched_acknowledged"  # F
    SHELVED = "shelved"  # G
    SUPPRESSED_BY_DESIGN = "suppressed_by_design"  # H
    OUT_OF_SERVICE = "out_of_service"  # I


class Change(StrEnum):
    """What a transition did."""

    RAISE = "raise"  # an episode begins
    RISE = "rise"  # a higher level: un-acknowledges
    FALL = "fall"  # a lower level, still in alarm
    RETURN = "return"  # the condition is normal again
    RERAISE = "reraise"  # true again before it was acknowledged: the same episode
    ACKNOWLEDGE = "acknowledge"
    UNCONFIRMED = "unconfirmed"  # not restated for 90 s
    CONFIRMED = "confirmed"  # restated again
    CLOSE = "close"  # an unconfirmed alarm closed by hand
    RETIRE = "retire"  # its tag left the registry


class Alarm(Struct, frozen=True, kw_only=True):
    """The complete alarm as people see it, after some transition.

    `id` names the alarm for ever (rule, subject, side), `episode` this occurrence, `revision` counts the episode's
    transitions from 1. `level`/`tier` are those of now (0 when returned), `peak_level`/`peak_tier` the worst of the
    episode. Times are ns UTC, 0 when it has not happened.
    """

    id: str
    episode: str
    revision: int
    rule: str
    kind: str
    subject: str
    side: Side
    alarm_class: AlarmClass
    state: State
    level: int
    level_name: str
    tier: int
    peak_level: int
    peak_level_name: str
    peak_tier: int
    tag: int = 0
    value: float | None = None
    peak_value: float | None = None
    limit: float | None = None
    unit: str = ""
    quality: int = 0
    gas: str = ""
    onset_ns: int = 0
    doubtful: bool = False
    raised_ns: int = 0
    changed_ns: int = 0
    received_ns: int = 0
    returned_ns: int = 0
    acknowledged_ns: int = 0
    acknowledged_by: str = ""
    comment: str = ""
    unconfirmed: bool = False
    text: Text = Text()
    place: Place = Place()
    guidance: Guidance = Guidance()
    route: str = ""
    registry_revision: int = 0
    onset_cause: Cause = Cause(0, 0, 0)

    @property
    def active(self) -> bool:
        """The condition is true."""
        return self.level > 0

    @property
    def listed(self) -> bool:
        """On the alarm list: everything but normal."""
        return self.state is not State.NORMAL


class Transition(Struct, frozen=True, kw_only=True):
    """A change of an alarm: identity (episode, revision). Two folds of the same log say the same one."""

    change: Change
    alarm: Alarm
    previous_state: State
    previous_tier: int
    at_ns: int
    cause: Cause | None = None
    actor: str = ""
    command: str = ""
    partition: int = 0
    offset: int = 0
    """Where in `events` the record stands that made it."""

    @property
    def key(self) -> tuple[str, int]:
        return self.alarm.episode, self.alarm.revision


class CommandKind(StrEnum):
    ACKNOWLEDGE = "acknowledge"
    CLOSE = "close"
    RESET = "reset"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    SUPPRESS = "suppress"
    UNSUPPRESS = "unsuppress"
    OUT_OF_SERVICE = "out_of_service"
    RETURN_TO_SERVICE = "return_to_service"


class Command(Struct, frozen=True, kw_only=True):
    """What a person asks of an alarm, against the revision that they saw. `id` makes a repeat harmless."""

    id: str
    kind: CommandKind
    alarm: str
    episode: str
    revision: int
    actor: str
    comment: str = ""
    at_ns: int = 0


class Outcome(StrEnum):
    """What became of a command; the console answers 200, 200, 409, 404, 422."""

    APPLIED = "applied"
    REPEATED = "repeated"
    STALE = "stale"  # it has risen or been re-raised since the revision seen
    UNKNOWN = "unknown"  # no such alarm or episode
    REFUSED = "refused"  # not possible in this state, or not in this version


class Answer(Struct, frozen=True, kw_only=True):
    """The record that answers a command."""

    command: str
    outcome: Outcome
    reason: Text
    alarm: str
    episode: str
    revision: int
    at_ns: int


class Notice(Struct, frozen=True, kw_only=True):
    """A message to one recipient over one channel, because of one transition."""

    id: str
    channel: str
    recipient: str
    reason: Change
    tier: int
    due_ns: int
    alarm: Alarm
    route: str = ""
    drill: bool = False


class ReceiptKind(StrEnum):
    TRYING = "trying"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    FAILED = "failed"  # this attempt; it will be tried again
    EXPIRED = "expired"  # given up, stands as undelivered


class Receipt(Struct, frozen=True, kw_only=True):
    """What became of sending a notice; appended to `events` by the dispatcher."""

    notice: str
    kind: ReceiptKind
    by: str
    attempt: int
    at_ns: int
    detail: str = ""
    provider_id: str = ""
