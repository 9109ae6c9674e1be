"""From a message to rows in the batcher, or to a dead letter. Pure: time is passed in.

A message that is only partly readable is both: its good readings are written, and a dead letter keeps the whole message
with the names that were refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ingest.acks import Message, Ticket
from ingest.batcher import Batcher, Lane
from ingest.config import MAX_PAYLOAD_BYTES, SourceConfig
from ingest.decoding import Decoded, Reason, Refused, Rejected
from ingest.directory import Directory, columns
from ingest.formats import FORMATS
from ingest.gaps import Gaps
from ingest.links import Spoken
from ingest.statuses import Statuses, stated_by
from ingest.topics import filled
from ingest.troubles import MAX_NAMES, Troubles
from schemas.records import DeadLetter

READINGS = "readings"
BACKFILL = "backfill"
_DETAIL = 1000
_NAME = 200


class Letter(NamedTuple):
    """A dead letter on its way to the log."""

    letter: DeadLetter
    ticket: Ticket


class Intake:
    """What ingest knows between messages. `rejected` counts by (source, reason) until somebody takes the counts."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.batcher = Batcher()
        self.gaps = Gaps()
        self.statuses = Statuses()
        self.troubles: dict[str, Troubles] = {}
        self.letters: list[Letter] = []
        self.rejected: Counter[tuple[str, str]] = Counter()

    def take_in(self, ticket: Ticket, now_ns: int, received_ns: int) -> SourceConfig | None:
        """Put the message's readings into the batcher and its letters beside; `ticket.open_parts` says how many.

        `now_ns` is monotonic, `received_ns` wall time. The source is None when no source listens to the topic. A status
        is noted in `statuses` and leaves nothing to append.
        """
        message = ticket.message
        if message.topic is not None and (spoken := self.directory.links.statuses(message.topic)):
            self._note_status(ticket, spoken, now_ns, received_ns)
            return spoken[0].source
        source = None if message.topic is None else self.directory.source_of(message.topic)
        if source is None or message.topic is None:
            self.rejected["", Reason.UNKNOWN_NAME.value] += 1
            return None
        answer = _judged(message) or FORMATS[source.format].decode(message.payload, source)
        if source.history and isinstance(answer, Decoded) and len(answer) and not np.all(answer.event_ns):
            answer = Rejected(Reason.MALFORMED, "history needs a time for every reading")
        if isinstance(answer, Rejected):
            self._refuse(ticket, source, answer.reason, answer.detail, (), now_ns, received_ns)
        else:
            self._accept(ticket, source, message.topic, answer, now_ns, received_ns)
        return source

    def _note_status(self, ticket: Ticket, spoken: Sequence[Spoken], now_ns: int, received_ns: int) -> None:
        for source, link in spoken:
            answer = _fits(ticket.message) or stated_by(ticket.message.payload, source)
            if isinstance(answer, Rejected):
                self._refuse(ticket, source, answer.reason, answer.detail, (), now_ns, received_ns)
            else:
                self.statuses.stated(link, answer, has_tags=self.directory.has_tags(link))

    def clear(self) -> None:
        """Forget what was not yet taken: it will come again."""
        self.batcher.clear()
        self.letters.clear()

    def _accept(
        self, ticket: Ticket, source: SourceConfig, topic: str, decoded: Decoded, now_ns: int, received_ns: int
    ) -> None:
        plan = self.directory.plan(source, topic, decoded.names)
        place = BACKFILL if source.history else READINGS
        for part in plan.parts:
            times = decoded.event_ns
            if part.rows is not None and not isinstance(times, int):
                times = times[part.rows]
            self.batcher.add(Lane(place, part.partition), columns(part, decoded), times, decoded.sequence, ticket)
        ticket.readings = plan.readings
        if self.statuses.any_down and not source.history:
            self.statuses.reading(self.directory.links.of(source, topic))
        if decoded.sequence:
            ticket.sequence = decoded.sequence
            gateway = filled(source.gateway, topic) if source.gateway else topic
            self.gaps.seen(gateway, source.name, decoded.sequence, now_ns)
        if plan.refused or decoded.refused:
            values = decoded.value
            refused = [replace(one, value=_number(float(values[row]))) for row, one in plan.refused]
            self._refuse_parts(ticket, source, [*decoded.refused, *refused], now_ns, received_ns)

    def _refuse_parts(
        self, ticket: Ticket, source: SourceConfig, parts: Sequence[Refused], now_ns: int, received_ns: int
    ) -> None:
        by_reason: dict[Reason, list[Refused]] = {}
        for part in parts:
            by_reason.setdefault(part.reason, []).append(part)
        for reason, same in by_reason.items():
            detail = "; ".join(f"{part.name[:60]!r}: {part.detail}" for part in same[:5])
            self._refuse(ticket, source, reason, detail, same, now_ns, received_ns)

    def _refuse(
        self,
        ticket: Ticket,
        source: SourceConfig,
        reason: Reason,
        detail: str,
        parts: Sequence[Refused],
        now_ns: int,
        received_ns: int,
    ) -> None:
        """Count it, and keep the message as a dead letter as long as there is room for letters of this source."""
        self.rejected[source.name, reason.value] += 1
        troubles = self.troubles.setdefault(source.name, Troubles())
        if not troubles.note(reason, parts, now_ns):
            return
        message = ticket.message
        ticket.open_parts += 1
        letter = DeadLetter(
            source=source.name,
            topic=message.topic or "",
            reason=reason.value,
            detail=detail[:_DETAIL],
            payload=message.payload[:MAX_PAYLOAD_BYTES],
            received_ns=received_ns,
            payload_bytes=len(message.payload),
            names=tuple(part.name[:_NAME] for part in parts[:MAX_NAMES]),
        )
        self.letters.append(Letter(letter, ticket))


def _judged(message: Message) -> Rejected | None:
    """What is refused before anybody looks into the payload."""
    if message.retain:
        return Rejected(
            Reason.RETAINED, "a retained message says nothing about now; publish readings without the retain flag"
        )
    return _fits(message)


def _fits(message: Message) -> Rejected | None:
    if len(message.payload) > MAX_PAYLOAD_BYTES:
        return Rejected(
            Reason.TOO_LARGE, f"{len(message.payload)} bytes; at most {MAX_PAYLOAD_BYTES}: send smaller batches"
        )
    return None


def _number(value: float) -> float | None:
    return value if value == value else None
