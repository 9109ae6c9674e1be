"""Snapshots of a fold in files: a cache, never the truth. Three are kept; a bad one is passed over for an older one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

from hazwatch.clock import Clock
from schemas.time import SECOND

log = logging.getLogger(__name__)
KEPT = 3
PERIOD_S = 10.0
LAST_S = 2.0
"""How long a stop waits for the last snapshot; without it the next start folds a little more."""

Encode = Callable[[], bytes | memoryview]


class SnapshotFolder:
    """The snapshots of one fold, named by their next offset; one process writes here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for draft in folder.glob("*.draft"):  # of a process that was killed
            draft.unlink()

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("*.snap"), key=lambda p: (p.stat().st_mtime_ns, p.name), reverse=True)

    def write(self, next_offset: int, data: bytes | memoryview) -> None:
        """Write atomically and drop the oldest. No fsync: what a power cut takes is refolded from the log."""
        target = self.folder / f"{next_offset:020d}.snap"
        draft = target.with_suffix(".draft")
        draft.write_bytes(data)
        draft.replace(target)
        for old in self._files()[KEPT:]:
            old.unlink(missing_ok=True)

    def contents(self) -> Iterator[bytearray]:
        """What is kept, newest first; whoever restores decides whether it is good, and may keep it."""
        for file in self._files():
            try:
                data = bytearray(file.stat().st_size)
                with file.open("rb", buffering=0) as opened:
                    filled = 0
                    while filled < len(data) and (got := opened.readinto(memoryview(data)[filled:])):
                        filled += got
                yield data
            except OSError as error:
                log.warning("snapshot %s cannot be read: %s", file, error)


class Snapshots:
    """When a fold's snapshots are written: every 10 s and on stop, in a thread, so that no fold waits for a disk.

    The fold offers its state after every step whose appends are acknowledged, as a function that puts a frozen copy
    into bytes and touches nothing that still moves. `trouble` hears why a snapshot could not be written, "" when it
    could: a full disk stops no alarm. `written` is given the bytes of every periodic snapshot, on the loop.
    """

    def __init__(
        self,
        folder: SnapshotFolder,
        clock: Clock,
        kept_offset: int,
        *,
        trouble: Callable[[str], None] = lambda why: None,
        written: Callable[[bytes], Awaitable[None]] | None = None,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._trouble = trouble
        self._written = written
        self._kept_offset = kept_offset
        self._due_ns = clock.monotonic_ns() + round(PERIOD_S * SECOND)
        self._work: asyncio.Task[None] | None = None

    def offer(self, next_offset: int, freeze: Callable[[], Encode]) -> None:
        """Begin a snapshot if one is due and none is under way. Raises what a bug raised in the last one."""
        now = self._clock.monotonic_ns()
        if now < self._due_ns or next_offset <= self._kept_offset:
            return
        if self._work is not None:
            if not self._work.done():
                return
            self._work.result()
        self._due_ns = now + round(PERIOD_S * SECOND)
        self._work = asyncio.create_task(self._write(next_offset, freeze(), self._written), name="snapshot")

    async def last(self, next_offset: int, freeze: Callable[[], Encode]) -> None:
        """The snapshot of a clean stop, given up after 2 s."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_S):
                if self._work is not None:
                    await asyncio.wait({self._work})
                if next_offset > self._kept_offset:
                    await self._write(next_offset, freeze(), None)

    async def _write(
        self, next_offset: int, encode: Encode, written: Callable[[bytes], Awaitable[None]] | None
    ) -> None:
        try:
            data = await asyncio.to_thread(self._to_file, next_offset, encode)
        except OSError as error:
            log.error("no snapshot in %s: %s", self._folder.folder, error)
            self._trouble(str(error))
            return
        self._trouble("")
        self._kept_offset = next_offset
        if written is not None:
            await written(bytes(data))

    def _to_file(self, next_offset: int, encode: Encode) -> bytes | memoryview:
        data = encode()
        self._folder.write(next_offset, data)
        return data
