"""Condition changes: what the rules fold says and the alarm book hears.

A condition is (rule, subject, side). A change states the resulting *level*, never an edge, carries all that the book
needs (LAWS R2), and names its cause. At most one change per condition and row (LAWS C1).
"""

from __future__ import annotations

from enum import StrEnum

from schemas.causes import Cause
from schemas.registry import Struct
from schemas.text import Text


class AlarmClass(StrEnum):
    """What an alarm is about; instrument faults are never mixed with process alarms."""

    PROCESS = "process"
    INSTRUMENT = "instrument"
    COMMUNICATION = "communication"
    SYSTEM = "system"


class Side(StrEnum):
    HIGH = "high"
    LOW = "low"
    FAULT = "fault"


class Basis(StrEnum):
    """What a change rests on. Only `READING` may lower a process condition."""

    READING = "reading"  # a good, in-range, in-order row
    LATE = "late"  # a late row: may raise
    TIMER = "timer"  # a delay that ran out
    LINK = "link"  # a heartbeat of the link
    RESTATEMENT = "restatement"  # said again, every 30 s (LAWS C5)
    FIRST = "first"  # the first good reading of a condition without history (LAWS C6)
    RETIRED = "retired"  # the tag left the registry (LAWS C3)
    SELF = "self"  # a process speaks of itself (LAWS C2)


class Place(Struct, frozen=True, kw_only=True):
    """Where it is: the path in the registry by id, with the names that people know."""

    park: str = ""
    enterprise: str = ""
    hazard_source: str = ""
    equipment: str = ""
    park_name: Text = Text()
    enterprise_name: Text = Text()
    hazard_source_name: Text = Text()
    equipment_name: Text = Text()
    tag_title: Text = Text()
    grade: int = 0
    longitude: float | None = None
    latitude: float | None = None


class Guidance(Struct, frozen=True, kw_only=True):
    """What the person at the screen needs at 3 a.m."""

    cause: Text = Text()
    consequence: Text = Text()
    action: Text = Text()
    response_s: float | None = None


class ConditionChange(Struct, frozen=True, kw_only=True):
    """The resulting level of one condition at one row.

    `level` 0 is normal; 1, 2 ... are the limits crossed, counted away from normal (high 1, high-high 2); `tier` is 1-4
    (red, orange, yellow, blue), 0 when normal. `onset_ns` is the event time at which the present level's condition
    became true, `since_ns` that of the whole excursion; `doubtful` says that the sensor's clock was
    replaced. `cause` is None for a process's own fault: its position in `events` is its cause. `figures` are more
    numbers that the rule kind tells, by its own names.
    """

    rule: str
    kind: str
    subject: str
    side: Side
    level: int
    level_name: str
    tier: int
    alarm_class: AlarmClass
    basis: Basis
    cause: Cause | None
    tag: int = 0
    partition: int = 0
    onset_ns: int = 0
    since_ns: int = 0
    doubtful: bool = False
    event_ns: int = 0
    at_ns: int = 0
    received_ns: int = 0
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    figures: dict[str, float] = {}
    quality: int = 0
    gas: str = ""
    text: Text = Text()
    place: Place = Place()
    guidance: Guidance = Guidance()
    route: str = ""
    registry_revision: int = 0


class ConditionChanges(Struct, frozen=True, kw_only=True):
    """The changes of one record of `readings`, for one park; the value of an `events` record."""

    changes: tuple[ConditionChange, ...]
