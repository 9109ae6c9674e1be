"""Alarms, transitions, notices, receipts and the registry's tags into their tables; every statement may be repeated.

A transition is stored once by (episode, revision); the row of its episode in `alarms` only moves forward in revision.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import psycopg
from psycopg import AsyncConnection

from eventlog.port import Record
from historian.positions import Source, utc
from historian.sink import Refused, Unreadable, Written
from historian.sqlfiles import queries
from schemas.alarms import Alarm, Notice, Receipt, Transition
from schemas.records import Kind, RecordError, decode
from schemas.registry import Revision, Struct, Tag

_SQL = queries("alarms")
_STORED = {Kind.TRANSITION, Kind.NOTICE, Kind.RECEIPT, Kind.REVISION}
_encoder = msgspec.json.Encoder()
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One record with its place in the log."""

    source: Source
    offset: int
    payload: Struct


class AlarmsSink:
    """`Sink` of `alarms`, of the receipts in `events`, and of `registry`."""

    def item(self, record: Record) -> Entry | None:
        if record.kind not in _STORED:
            return None
        try:
            payload = decode(record.kind, record.value)
        except RecordError as error:
            raise Unreadable(str(error)) from None
        return Entry(Source(record.topic, record.partition), record.offset, payload)

    def size(self, item: Entry) -> int:
        return len(item.payload.tags) if isinstance(item.payload, Revision) else 1

    def pack(self, items: list[Entry]) -> list[Entry]:
        return items

    async def connected(self, conn: AsyncConnection) -> None:
        """Nothing to forget."""

    async def prepare(self, conn: AsyncConnection, packed: list[Entry]) -> None:
        """Nothing to prepare."""

    async def write(self, conn: AsyncConnection, packed: list[Entry], *, careful: bool) -> Written:
        if not careful:
            await _execute(conn, packed)
            return Written(rows=len(packed))
        refused = []
        for entry in packed:
            try:
                async with conn.transaction():
                    await _execute(conn, [entry])
            except (psycopg.DataError, UnicodeError) as error:
                refused.append(Refused(entry.source, entry.offset, f"{type(error).__name__}: {error}"))
        return Written(rows=len(packed) - len(refused), refused=refused)

    def stored(self, packed: list[Entry]) -> None:
        """Nothing to remember."""


async def _execute(conn: AsyncConnection, entries: list[Entry]) -> None:
    """The statements of these records, a kind at a time, each kind in order."""
    rows: dict[str, list[Row]] = {}
    for entry in entries:
        for name, row in _rows(entry.payload):
            rows.setdefault(name, []).append(row)
    async with conn.cursor() as cursor:
        for name, values in rows.items():
            await cursor.executemany(_SQL[name], values)


def _rows(payload: Struct) -> Iterator[tuple[str, Row]]:
    match payload:
        case Transition():
            yield "transition", _transition(payload)
            yield "alarm", _alarm(payload.alarm)
        case Notice():
            yield "notice", _notice(payload)
        case Receipt():
            yield "receipt", _receipt(payload)
        case Revision():
            for tag in payload.tags:
                yield "tag", _tag(tag, payload.number)


def _transition(t: Transition) -> Row:
    return _clean(
        episode=t.alarm.episode,
        revision=t.alarm.revision,
        alarm_id=t.alarm.id,
        change=t.change,
        at=utc(t.at_ns),
        previous_state=t.previous_state,
        previous_tier=t.previous_tier,
        state=t.alarm.state,
        level=t.alarm.level,
        tier=t.alarm.tier,
        value=t.alarm.value,
        actor=t.actor,
        command=t.command,
        events_partition=t.partition,
        events_offset=t.offset,
        body=_json(t),
    )


def _alarm(a: Alarm) -> Row:
    return _clean(
        episode=a.episode,
        alarm_id=a.id,
        revision=a.revision,
        rule=a.rule,
        kind=a.kind,
        subject=a.subject,
        side=a.side,
        alarm_class=a.alarm_class,
        state=a.state,
        level=a.level,
        level_name=a.level_name,
        tier=a.tier,
        peak_level=a.peak_level,
        peak_level_name=a.peak_level_name,
        peak_tier=a.peak_tier,
        tag=a.tag,
        value=a.value,
        peak_value=a.peak_value,
        limit_value=a.limit,
        unit=a.unit,
        quality=a.quality,
        gas=a.gas,
        onset_at=_when(a.onset_ns),
        doubtful=a.doubtful,
        raised_at=_when(a.raised_ns),
        changed_at=_when(a.changed_ns),
        returned_at=_when(a.returned_ns),
        acknowledged_at=_when(a.acknowledged_ns),
        acknowledged_by=a.acknowledged_by,
        comment=a.comment,
        unconfirmed=a.unconfirmed,
        text_zh=a.text.zh,
        text_en=a.text.en,
        park=a.place.park,
        enterprise=a.place.enterprise,
        hazard_source=a.place.hazard_source,
        equipment=a.place.equipment,
        route=a.route,
        registry_revision=a.registry_revision,
        body=_json(a),
    )


def _notice(n: Notice) -> Row:
    return _clean(
        id=n.id,
        episode=n.alarm.episode,
        revision=n.alarm.revision,
        alarm_id=n.alarm.id,
        channel=n.channel,
        recipient=n.recipient,
        reason=n.reason,
        tier=n.tier,
        due_at=utc(n.due_ns),
        route=n.route,
        drill=n.drill,
    )


def _receipt(r: Receipt) -> Row:
    return _clean(
        notice=r.notice,
        attempt=r.attempt,
        kind=r.kind,
        by=r.by,
        at=utc(r.at_ns),
        detail=r.detail,
        provider_id=r.provider_id,
    )


def _tag(t: Tag, revision: int) -> Row:
    return _clean(
        number=t.number,
        name=t.name,
        title_zh=t.title.zh,
        title_en=t.title.en,
        unit=t.unit,
        measure=t.measure,
        cas=t.cas,
        enterprise=t.enterprise,
        hazard_source=t.hazard_source,
        equipment=t.equipment,
        range_low=t.range_low,
        range_high=t.range_high,
        retired=t.retired,
        revision=revision,
        body=_json(t),
    )


def _when(ns: int) -> object:
    """0 means that it has not happened."""
    return utc(ns) if ns else None


def _json(payload: Struct) -> str:
    text = _encoder.encode(payload).decode()
    return text if "\\u0000" not in text else _without_nul(text)


def _without_nul(text: str) -> str:
    """JSON text without NUL characters, which PostgreSQL does not store; an escaped backslash before `u0000` stays."""
    return "\\\\".join(part.replace("\\u0000", "\\ufffd") for part in text.split("\\\\"))


def _clean(**row: object) -> Row:
    """A row as the database takes it: plain strings without NUL characters."""
    return {name: str(v).replace("\0", "\ufffd") if isinstance(v, str) else v for name, v in row.items()}
