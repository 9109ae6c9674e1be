"""Revisions: how a configuration becomes the rule of every fold at one point of each partition.

A revision is appended to `registry`; when that is acknowledged an `activate` record goes to every partition of
`readings`, `backfill` and `events`; when all have it, `activated` is appended to `registry` (architecture, section 4).

Several processes may publish at once. Of two records with one number the first is the revision and the other is
nothing, for every reader alike, so whoever comes second takes the next number.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from functools import partial

import msgspec

from eventlog.port import EventLog, LogUnavailable, NewRecord, Position, Record
from hazwatch.folding import persist
from schemas.records import Activate, Kind, RecordError, decode, encode
from schemas.registry import Revision
from schemas.time import SECOND

log = logging.getLogger(__name__)
EMPTY = Revision(number=0, parks=())
READ_WAIT_S = 1.0


class RevisionMissing(LookupError):
    """A fold was told to follow a revision that `registry`, read to its end, does not hold."""


def content_hash(revision: Revision) -> str:
    """SHA-256 over everything but number, time, author and note: equal content, equal hash."""
    bare = msgspec.structs.replace(revision, number=0, made_ns=0, made_by="", note="")
    return hashlib.sha256(msgspec.json.encode(bare, order="deterministic")).hexdigest()


class RegistryView:
    """What `registry` says, followed from its start. One task calls `follow`; many may wait for a revision."""

    def __init__(self, source: EventLog) -> None:
        self._log = source
        self._next = 0
        self._changed = asyncio.Condition()
        self.version = 0
        """Grows with every change: to be given to `wait_changed`."""
        self.revisions: dict[int, Revision] = {}
        self.activated = 0

    @property
    def newest(self) -> Revision:
        return self.revisions[max(self.revisions)] if self.revisions else EMPTY

    @property
    def current(self) -> Revision:
        """The newest revision that all partitions have."""
        return self.revisions.get(self.activated, EMPTY)

    async def _advance(self, wait_s: float) -> bool:
        records = await self._log.read("registry", 0, self._next, wait_s=wait_s)
        for record in records:
            self._take(record)
            self._next = max(self._next, record.offset + 1)
        if records:
            self.version += 1
            async with self._changed:
                self._changed.notify_all()
        return bool(records)

    def _take(self, record: Record) -> None:
        if record.kind not in (Kind.REVISION, Kind.ACTIVATED):
            return
        try:
            payload = decode(record.kind, record.value)
        except RecordError as error:
            log.error("registry, offset %d is passed over: %s", record.offset, error)
            return
        if isinstance(payload, Revision):
            self.revisions.setdefault(payload.number, payload)
        elif isinstance(payload, Activate):
            self.activated = max(self.activated, payload.revision)

    async def catch_up(self) -> None:
        """Read to the present end."""
        bounds = await self._log.bounds("registry", 0)
        self._next = max(self._next, bounds.start)
        while self._next < bounds.end and await self._advance(READ_WAIT_S):
            pass

    async def follow(self) -> None:
        """Keep reading, for ever; an outage of the log is waited out."""
        while True:
            await persist("registry", partial(self._advance, READ_WAIT_S))

    async def wait_changed(self, since: int) -> int:
        """Return `version` as soon as it is another than `since`."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.version != since)
        return self.version

    async def revision(self, number: int, wait_s: float = 10.0) -> Revision:
        """The revision of that number, waiting for it to arrive.

        Raises `RevisionMissing` when all of `registry` is known and it is not there, `LogUnavailable` when that cannot
        be told.
        """
        try:
            async with asyncio.timeout(wait_s), self._changed:
                await self._changed.wait_for(lambda: number in self.revisions)
        except TimeoutError:
            end = (await self._log.bounds("registry", 0)).end
            if self._next < end:
                raise LogUnavailable(f"registry is read to {self._next} of {end} only") from None
            raise RevisionMissing(f"revision {number} is not in registry") from None
        return self.revisions[number]


Activated = Callable[[str, Position], None]
"""Hears where in each topic the record stands from which on a revision is followed."""


async def publish(
    target: EventLog,
    view: RegistryView,
    wanted: Callable[[Revision], Revision],
    *,
    made_ns: int,
    made_by: str,
    activated: Activated = lambda topic, position: None,
) -> Revision:
    """Append and activate what `wanted` makes of the newest revision, unless that has the same content already.

    `wanted` is asked again when another process was quicker, since tag numbers follow from the newest revision. A
    half-done activation (the revision stands, `activated` does not) is finished first. `activated` hears where the
    wanted revision begins in each partition. Returns the revision in force.
    """
    while True:
        await view.catch_up()
        newest = view.newest
        if newest.number and view.activated < newest.number:
            log.warning("revision %d was never activated everywhere; finishing that now", newest.number)
            await _activate(target, view, newest, made_ns)
        revision = wanted(newest)
        if newest.number and content_hash(newest) == content_hash(revision):
            return newest
        number = newest.number + 1 if newest.number else await _first_number(target, made_ns)
        revision = msgspec.structs.replace(revision, number=number, made_ns=made_ns, made_by=made_by)
        value = encode(revision, id=str(number), at_ns=made_ns)
        await target.append("registry", 0, [NewRecord(str(number).encode(), Kind.REVISION, value)])
        await view.catch_up()
        if content_hash(view.revisions[number]) == content_hash(revision):
            await _activate(target, view, view.revisions[number], made_ns, activated)
            return view.revisions[number]
        log.warning("revision %d was made by another process at the same time; ours becomes the next", number)


async def _first_number(target: EventLog, made_ns: int) -> int:
    """1 in a new log. Where `registry` alone was lost, a number above all that its activations still name: its records
    in `readings` and `events` outlived it, and numbers only rise."""
    for topic in ("readings", "events"):
        for partition in range(await target.partitions(topic)):
            if (await target.bounds(topic, partition)).end > 0:
                return made_ns // SECOND
    return 1


async def _activate(
    target: EventLog,
    view: RegistryView,
    revision: Revision,
    at_ns: int,
    activated: Activated = lambda topic, position: None,
) -> None:
    activate = Activate(revision=revision.number, hash=content_hash(revision))
    record = NewRecord(b"", Kind.ACTIVATE, encode(activate, at_ns=at_ns))
    for topic in ("readings", "backfill", "events"):
        for partition in range(await target.partitions(topic)):
            for position in await target.append(topic, partition, [record]):
                activated(topic, position)
    done = encode(activate, at_ns=at_ns, kind=Kind.ACTIVATED)
    await target.append("registry", 0, [NewRecord(b"activated", Kind.ACTIVATED, done)])
    await view.catch_up()
