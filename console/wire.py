"""The frames of the WebSocket, and the alarm as the screen gets it. Times are whole ms UTC, 0 when not happened.

Server to client: `hello`, `snap` (replaces everything), `d` (seq = previous + 1), `hb` twice a second.
Client to server: `hello`, `ack` every second, `resync`, `sub`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from schemas.alarms import Alarm
from schemas.text import Text
from schemas.time import MS

VERSION = 1
PlainText = tuple[str, str]


def plain(text: Text) -> PlainText:
    """(zh, en)"""
    return text.zh, text.en


class WireAlarm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """An alarm as the list shows it; guidance and the rest come with `GET /api/alarms/{id}`."""

    id: str
    episode: str
    revision: int
    rule: str
    kind: str
    subject: str
    side: str
    alarm_class: str
    state: str
    level_name: str
    tier: int
    peak_tier: int
    peak_level_name: str
    tag: int = 0
    value: float | None = None
    peak_value: float | None = None
    limit: float | None = None
    unit: str = ""
    quality: int = 0
    gas: str = ""
    onset: int = 0
    raised: int = 0
    changed: int = 0
    returned: int = 0
    acknowledged: int = 0
    acknowledged_by: str = ""
    comment: str = ""
    unconfirmed: bool = False
    doubtful: bool = False
    text: PlainText
    title: PlainText = ("", "")
    enterprise: str = ""
    place: tuple[PlainText, ...] = ()


def wire_alarm(alarm: Alarm) -> WireAlarm:
    """The screen's form of an alarm. A returned alarm has level and tier 0: the screen shows its peak."""
    place = alarm.place
    names = (place.enterprise_name, place.hazard_source_name, place.equipment_name)
    return WireAlarm(
        id=alarm.id,
        episode=alarm.episode,
        revision=alarm.revision,
        rule=alarm.rule,
        kind=alarm.kind,
        subject=alarm.subject,
        side=str(alarm.side),
        alarm_class=str(alarm.alarm_class),
        state=str(alarm.state),
        level_name=alarm.level_name,
        tier=alarm.tier,
        peak_tier=alarm.peak_tier,
        peak_level_name=alarm.peak_level_name,
        tag=alarm.tag,
        value=alarm.value,
        peak_value=alarm.peak_value,
        limit=alarm.limit,
        unit=alarm.unit,
        quality=alarm.quality,
        gas=alarm.gas,
        onset=alarm.onset_ns // MS,
        raised=alarm.raised_ns // MS,
        changed=alarm.changed_ns // MS,
        returned=alarm.returned_ns // MS,
        acknowledged=alarm.acknowledged_ns // MS,
        acknowledged_by=alarm.acknowledged_by,
        comment=alarm.comment,
        unconfirmed=alarm.unconfirmed,
        doubtful=alarm.doubtful,
        text=plain(alarm.text),
        title=plain(place.tag_title),
        enterprise=place.enterprise,
        place=tuple(plain(name) for name in names if name),
    )


class Marks(msgspec.Struct, frozen=True):
    """The pipeline's watermarks, ms UTC: the newest word of each stage, of its slowest partition; 0 when never seen."""

    readings: int
    ingest: int
    rules: int
    book: int


class Values(msgspec.Struct, frozen=True):
    """Latest values in columns: tag number, value, quality, and age in ms before the frame's `now`."""

    i: list[int]
    v: list[float | None]
    q: list[int]
    t: list[int]


class Limits(msgspec.Struct, frozen=True, rename="camel"):
    """Ages in ms past which the screen calls a stage stale."""

    pipeline_stale: int
    beat_stale: int


class Hello(msgspec.Struct, frozen=True, tag="hello", tag_field="k"):
    v: int
    epoch: str
    now: int
    hb: int
    limits: Limits


class Snap(msgspec.Struct, frozen=True, tag="snap", tag_field="k"):
    epoch: str
    seq: int
    now: int
    wm: Marks
    registry: int
    a: list[msgspec.Raw]
    s: Values | None
    ready: bool
    """The alarm list has been read to the end of the log."""


class Delta(msgspec.Struct, frozen=True, tag="d", tag_field="k", omit_defaults=True):
    epoch: str
    seq: int
    now: int
    registry: int | None = None
    s: Values | None = None
    a: list[msgspec.Raw] = []
    x: list[str] = []


class Beat(msgspec.Struct, frozen=True, tag="hb", tag_field="k"):
    epoch: str
    seq: int
    now: int
    wm: Marks


class ClientHello(msgspec.Struct, frozen=True, tag="hello", tag_field="k"):
    v: int
    sub: Literal["desk", "alarms"] = "desk"


class ClientAck(msgspec.Struct, frozen=True, tag="ack", tag_field="k"):
    """What the screen says once a second: the last frame drawn, frames per second, and the state of its sound."""

    seq: int
    fps: float = 0.0
    snd: str = ""


class ClientResync(msgspec.Struct, frozen=True, tag="resync", tag_field="k"):
    pass


class ClientSub(msgspec.Struct, frozen=True, tag="sub", tag_field="k"):
    sub: Literal["desk", "alarms"]


FromClient = ClientHello | ClientAck | ClientResync | ClientSub
from_client = msgspec.json.Decoder(FromClient)
_encoder = msgspec.json.Encoder()


def to_text(frame: Hello | Snap | Delta | Beat) -> str:
    """A frame as the text of one WebSocket message."""
    return _encoder.encode(frame).decode()
