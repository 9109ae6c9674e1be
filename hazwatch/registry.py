"""Revisions: how a configuration becomes the rule of every fold at one point of each partition.

A revision is appended to `registry`; when that is acknowledged an `activate` record goes to every partition of
`readings`, `backfill` and `events`; when all have it, `activated` is appended to `registry` (architecture, section 4).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging

import msgspec

from eventlog.port import EventLog, NewRecord
from schemas.records import Activate, Kind, decode, encode
from schemas.registry import Revision

log = logging.getLogger(__name__)
EMPTY = Revision(number=0, parks=())
READ_WAIT_S = 1.0


class RevisionMissing(LookupError):
    """A fold was told to follow a revision that `registry` does not hold."""


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
            if record.kind == Kind.REVISION:
                revision = decode(record.kind, record.value)
                assert isinstance(revision, Revision)
                self.revisions[revision.number] = revision
            elif record.kind == Kind.ACTIVATED:
                activated = decode(record.kind, record.value)
                assert isinstance(activated, Activate)
                self.activated = max(self.activated, activated.revision)
            self._next = record.offset + 1
        if records:
            async with self._changed:
                self._changed.notify_all()
        return bool(records)

    async def catch_up(self) -> None:
        """Read to the present end; call it before `follow`."""
        bounds = await self._log.bounds("registry", 0)
        self._next = max(self._next, bounds.start)
        while self._next < bounds.end and await self._advance(READ_WAIT_S):
            pass

    async def follow(self) -> None:
        """Keep reading, for ever."""
        while True:
            await self._advance(READ_WAIT_S)

    async def wait_changed(self) -> None:
        async with self._changed:
            await self._changed.wait()

    async def revision(self, number: int, wait_s: float = 10.0) -> Revision:
        """The revision of that number, waiting for it to arrive. Raises `RevisionMissing`."""
        try:
            async with asyncio.timeout(wait_s), self._changed:
                await self._changed.wait_for(lambda: number in self.revisions)
        except TimeoutError:
            raise RevisionMissing(f"revision {number} is not in registry") from None
        return self.revisions[number]


async def publish(target: EventLog, view: RegistryView, revision: Revision, *, made_ns: int, made_by: str) -> Revision:
    """Append and activate `revision` under the next number, unless the current one has the same content.

    A half-done activation (the revision stands, `activated` does not) is finished first. Returns the revision in force.
    """
    newest = view.newest
    if newest.number and view.activated < newest.number:
        log.warning("revision %d was never activated everywhere; finishing that now", newest.number)
        await _activate(target, view, newest, made_ns)
    if newest.number and content_hash(newest) == content_hash(revision):
        return newest
    numbered = msgspec.structs.replace(revision, number=newest.number + 1, made_ns=made_ns, made_by=made_by)
    value = encode(numbered, id=str(numbered.number), at_ns=made_ns)
    await target.append("registry", 0, [NewRecord(str(numbered.number).encode(), Kind.REVISION, value)])
    await _activate(target, view, numbered, made_ns)
    return numbered


async def _activate(target: EventLog, view: RegistryView, revision: Revision, at_ns: int) -> None:
    activate = Activate(revision=revision.number, hash=content_hash(revision))
    record = NewRecord(b"", Kind.ACTIVATE, encode(activate, at_ns=at_ns))
    for topic in ("readings", "backfill", "events"):
        for partition in range(await target.partitions(topic)):
            await target.append(topic, partition, [record])
    done = encode(activate, at_ns=at_ns, kind=Kind.ACTIVATED)
    await target.append("registry", 0, [NewRecord(b"activated", Kind.ACTIVATED, done)])
    await view.catch_up()
