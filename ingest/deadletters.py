"""Dead letters again: list them, read them, and drive them into the log once their cause is mended.

What is driven again is history: it goes to `backfill`, so it is stored and never pages anybody. A letter is known by
its offset in the topic `deadletter`. That it was driven again stands in the topic too, as a record under the key
`redriven:<offset>`, so every reader of the topic sees the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass

import msgspec
import numpy as np

from eventlog.port import EventLog, NewRecord, PositionGone, Record
from ingest.acks import Message, Ticket
from ingest.decoding import Reason
from ingest.directory import Directory
from ingest.intake import BACKFILL, Intake
from ingest.ports import Clock
from schemas import batch, records
from schemas.batch import Batch
from schemas.records import DeadLetter, Kind, RecordError

TOPIC = "deadletter"
_DONE = b"redriven:"
_KEY = b"redrive"


@dataclass(frozen=True, slots=True)
class Kept:
    """A dead letter as the log keeps it. `redriven_ns` is 0 until it was driven again."""

    offset: int
    kept_ns: int
    letter: DeadLetter
    redriven_ns: int


@dataclass(frozen=True, slots=True)
class Redriven:
    """What became of a letter: `readings` were written as history; `detail` says what stood in the way of the rest."""

    offset: int
    readings: int
    detail: str = ""


class NoSuchLetter(LookupError):
    """There is no dead letter at this offset, or retention has passed it."""


async def kept(log: EventLog, *, source: str = "", reason: str = "", newest: int = 100) -> list[Kept]:
    """The newest letters of a source and for a reason (empty: any), oldest first. Raises `LogUnavailable`."""
    return await _found(
        log, lambda one: source in ("", one.letter.source) and reason in ("", one.letter.reason), newest
    )


async def read(log: EventLog, offset: int) -> Kept:
    """One letter. Raises `NoSuchLetter`, `LogUnavailable`."""
    return (await _known(log, [offset]))[0]


async def redrive(log: EventLog, directory: Directory, offsets: Iterable[int], clock: Clock) -> list[Redriven]:
    """Decode these letters again with the present configuration, and append their readings to `backfill`.

    One after another, and each is marked when its readings are in the log; a crash in between may write the readings
    of one letter twice. Raises `NoSuchLetter`, `LogUnavailable`.
    """
    return [await _redrive(log, directory, one, clock) for one in await _known(log, offsets)]


async def _known(log: EventLog, offsets: Iterable[int]) -> list[Kept]:
    wanted = list(dict.fromkeys(offsets))
    found = {one.offset: one for one in await _found(log, lambda one: one.offset in wanted, len(wanted))}
    if missing := [str(offset) for offset in wanted if offset not in found]:
        raise NoSuchLetter(f"there is no dead letter {', '.join(missing)}; list them to see which there are")
    return [found[offset] for offset in wanted]


async def _found(log: EventLog, accept: Callable[[Kept], bool], newest: int) -> list[Kept]:
    """The newest letters that are accepted, oldest first, each with the time at which it was driven again."""
    found: deque[Kept] = deque(maxlen=newest)
    done: dict[int, int] = {}
    async for record, letter in _all(log):
        if record.key.startswith(_DONE):
            done[int(record.key[len(_DONE) :])] = letter.redriven_ns
            continue
        one = Kept(record.offset, record.append_ns, letter, 0)
        if accept(one):
            found.append(one)
    return [Kept(one.offset, one.kept_ns, one.letter, done.get(one.offset, 0)) for one in found]


async def _redrive(log: EventLog, directory: Directory, one: Kept, clock: Clock) -> Redriven:
    letter = one.letter
    if one.redriven_ns:
        return Redriven(one.offset, 0, "it was driven again before")
    if letter.payload_bytes > len(letter.payload):
        return Redriven(one.offset, 0, "the payload is cut off: have the gateway send smaller batches")
    if letter.reason == Reason.RETAINED:
        return Redriven(one.offset, 0, "a retained message does not say when it was true")
    intake = Intake(directory)
    ticket = Ticket(Message(0, 0, 0, False, letter.topic, letter.payload))
    if intake.take_in(ticket, clock.monotonic_ns(), letter.received_ns) is None:
        return Redriven(one.offset, 0, f"no source listens to {letter.topic!r} any more")
    detail = "; ".join(refused.letter.detail for refused in intake.letters)
    if not ticket.readings:
        return Redriven(one.offset, 0, detail or "no reading in it")
    for lane in intake.batcher.lanes():
        taken = intake.batcher.take(lane)
        if taken is not None:
            values = [NewRecord(_KEY, Kind.READINGS, batch.encode(_dated(b, letter))) for b in taken.batches]
            await log.append(BACKFILL, lane.partition, values)
    done = msgspec.structs.replace(letter, payload=b"", redriven_ns=clock.now_ns())
    mark = NewRecord(_DONE + str(one.offset).encode(), Kind.DEADLETTER, records.encode(done, at_ns=done.redriven_ns))
    await log.append(TOPIC, 0, [mark])
    return Redriven(one.offset, ticket.readings, detail)


def _dated(readings: Batch, letter: DeadLetter) -> Batch:
    """Readings without a time get that of their arrival: the time of the redrive says nothing about them."""
    dated = np.where(readings.event_ns == 0, np.int64(letter.received_ns), readings.event_ns)
    return Batch(readings.tag, dated, readings.value, readings.quality, readings.sequence)


async def _all(log: EventLog) -> AsyncIterator[tuple[Record, DeadLetter]]:
    """Every record of the topic that is a dead letter, in order; others are passed over."""
    bounds = await log.bounds(TOPIC, 0)
    at = bounds.start
    while at < bounds.end:
        try:
            found = await log.read(TOPIC, 0, at)
        except PositionGone as gone:
            at = gone.bounds.start
            continue
        if not found:
            return
        for record in found:
            try:
                letter = records.decode(record.kind, record.value)
            except RecordError:
                continue
            if isinstance(letter, DeadLetter):
                yield record, letter
        at = found[-1].offset + 1
