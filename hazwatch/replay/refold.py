"""The live log folded again: a recorded partition gives what it gave when it was live."""

from __future__ import annotations

import asyncio

from alerting.book import ActivationNeeded as BookActivation
from alerting.book import Book, Outputs
from eventlog.port import EventLog, Record
from hazwatch.config import Config
from hazwatch.context import open_log
from hazwatch.datadir import DataDir
from hazwatch.registry import EMPTY, RegistryView
from hazwatch.replay.line import Happened, happened
from rules.engine import ActivationNeeded, Fold
from rules.rulebook import RuleProblems, compile_rules
from schemas.alarms import Transition
from schemas.changes import ConditionChange, ConditionChanges
from schemas.records import RecordError
from schemas.records import decode as decode_record


async def records_of(log: EventLog, topic: str, partition: int) -> list[Record]:
    """Everything that a partition holds now."""
    bounds = await log.bounds(topic, partition)
    out: list[Record] = []
    at = bounds.start
    while at < bounds.end:
        chunk = await log.read(topic, partition, at, wait_s=1.0)
        if not chunk:
            break
        out += chunk
        at = chunk[-1].offset + 1
    return out


async def changes_of(log: EventLog, registry: RegistryView, partition: int) -> list[ConditionChange]:
    """What the rules say over all that `readings` holds, from an empty state."""
    partitions = await log.partitions("readings")
    fold = Fold(compile_rules(EMPTY, partition, partitions), partition, await log.incarnation())
    out: list[ConditionChange] = []
    for record in await records_of(log, "readings", partition):
        fold.start_at(record.offset)
        try:
            out += fold.apply(record.offset, record.append_ns, record.kind, record.value)
        except ActivationNeeded as needed:
            try:
                rulebook = compile_rules(await registry.revision(needed.revision), partition, partitions)
                out += fold.activate(record.offset, record.append_ns, rulebook, record.value)
            except RuleProblems as error:
                out += fold.skip(record.offset, record.append_ns, str(error))
    return out


async def transitions_of(log: EventLog, registry: RegistryView, partition: int) -> list[Transition]:
    """What the book says over all that `events` holds, from an empty state."""
    return [one.transition for one in await happened_in(log, registry, partition)]


async def happened_in(log: EventLog, registry: RegistryView, partition: int) -> list[Happened]:
    """The same, with the times of the readings that made them."""
    book = Book(partition, await log.incarnation())
    out: list[Happened] = []
    for record in await records_of(log, "events", partition):
        if transitions := (await _applied(book, record, registry)).transitions:
            out += happened(transitions, _changes_in(record))
    return out


def _changes_in(record: Record) -> tuple[ConditionChange, ...]:
    """The changes of a record that made transitions; none when it is of another kind or cannot be read."""
    try:
        payload = decode_record(record.kind, record.value)
    except RecordError:
        return ()
    return payload.changes if isinstance(payload, ConditionChanges) else ()


async def _applied(book: Book, record: Record, registry: RegistryView) -> Outputs:
    try:
        return book.apply(record.offset, record.append_ns, record.kind, record.value)
    except BookActivation as needed:
        revision = await registry.revision(needed.revision)
        return book.activate(record.offset, record.append_ns, revision, record.value)


def refolded(config: Config, data: DataDir, partition: int) -> list[Happened]:
    """What a partition of the live log's `events` says, folded again; the log is only read."""

    async def read() -> list[Happened]:
        async with open_log(config, data, writer=False) as log:
            registry = RegistryView(log)
            await registry.catch_up()
            return await happened_in(log, registry, partition)

    return asyncio.run(read())
