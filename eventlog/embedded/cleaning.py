"""What the writer of a topic removes: records that retention has passed, or that a newer one of the same key
supersedes.

Both work in small steps between group commits, so that no append waits long behind one. Neither trusts the wall clock
alone: age is measured on a clock that starts at the newest record (never ahead of the wall clock) and advances by
monotonic time, so a clock that jumps ahead while the program runs deletes nothing.
"""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from eventlog.port import NewRecord, TopicSpec

STEP_CHUNKS = 64
STEP_BYTES = 8 << 20
COMPACTION_LAG_NS = 60_000_000_000


class Cleaner(Protocol):
    """Chooses and deletes chunks, a bounded number at a time. Called by the writer's thread only."""

    def step(self, con: sqlite3.Connection) -> bool:
        """Deletes within one transaction of its own; True when more is waiting."""
        ...

    def wrote(self, partition: int, records: Sequence[NewRecord], first: int) -> None:
        """Called after each commit, per partition."""
        ...


class AgeClock:
    """Nanoseconds since the epoch for judging age; see the module's head."""

    def __init__(self, newest_ns: int | None) -> None:
        wall = time.time_ns()
        self._base = (wall if newest_ns is None else min(newest_ns, wall)) - time.monotonic_ns()

    def now_ns(self) -> int:
        return self._base + time.monotonic_ns()


class Retention:
    """Keeps, per partition, what is younger than `retention_ms` and within the newest `retention_bytes`."""

    def __init__(self, spec: TopicSpec, clock: AgeClock, offset_bits: int) -> None:
        self._spec = spec
        self._clock = clock
        self._bits = offset_bits

    def wrote(self, partition: int, records: Sequence[NewRecord], first: int) -> None:
        """Retention looks at the file only."""

    def step(self, con: sqlite3.Connection) -> bool:
        if self._spec.retention_ms < 0 and self._spec.retention_bytes < 0:
            return False
        more = False
        for partition in range(self._spec.partitions):
            more |= self._trim(con, partition)
        return more

    def _trim(self, con: sqlite3.Connection, partition: int) -> bool:
        low, high = partition << self._bits, (partition + 1) << self._bits
        newest = con.execute(
            "SELECT id, total FROM chunk WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1", (low, high)
        ).fetchone()
        if newest is None:
            return False
        newest_id, newest_total = newest
        oldest_kept_ns = self._clock.now_ns() - self._spec.retention_ms * 1_000_000
        last_gone: tuple[int, int] | None = None
        freed, more = 0, False
        rows = con.execute(
            "SELECT id, last, append_ns, total, size FROM chunk WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
            (low, high, STEP_CHUNKS + 1),
        ).fetchall()
        for index, (row_id, last, append_ns, total, size) in enumerate(rows):
            too_old = self._spec.retention_ms >= 0 and append_ns < oldest_kept_ns
            kept = newest_total - total + size
            too_much = 0 <= self._spec.retention_bytes < kept and row_id != newest_id
            if not (too_old or too_much):
                break
            if index == STEP_CHUNKS or freed >= STEP_BYTES:
                more = True
                break
            last_gone = (row_id, last)
            freed += size
        if last_gone is not None:
            row_id, last = last_gone
            with con:
                con.execute("BEGIN IMMEDIATE")
                con.execute("DELETE FROM chunk WHERE id >= ? AND id <= ?", (low, row_id))
                con.execute(
                    "INSERT INTO floor VALUES (?, ?) ON CONFLICT (partition) DO UPDATE SET start = excluded.start",
                    (partition, last + 1),
                )
        return more


class Compaction:
    """Keeps the newest record of every key; an older one stays for `COMPACTION_LAG_NS`, so that readers close behind
    see it.

    Memory: one entry per key, and one per superseded record of that last while.
    """

    def __init__(self, con: sqlite3.Connection, offset_bits: int) -> None:
        self._bits = offset_bits
        self._lag_ns = COMPACTION_LAG_NS
        self._newest: dict[tuple[int, bytes], int] = {}
        self._superseded: deque[tuple[int, int]] = deque()
        for row_id, key in con.execute("SELECT id, key FROM chunk ORDER BY id"):
            self._note(row_id >> offset_bits, key, row_id, time.monotonic_ns())

    def _note(self, partition: int, key: bytes, row_id: int, now_ns: int) -> None:
        older = self._newest.get((partition, key))
        if older is not None:
            self._superseded.append((now_ns, older))
        self._newest[(partition, key)] = row_id

    def wrote(self, partition: int, records: Sequence[NewRecord], first: int) -> None:
        now_ns = time.monotonic_ns()
        for index, record in enumerate(records):
            self._note(partition, record.key, (partition << self._bits) + first + index, now_ns)

    def step(self, con: sqlite3.Connection) -> bool:
        due_ns = time.monotonic_ns() - self._lag_ns
        ids: list[int] = []
        while self._superseded and self._superseded[0][0] <= due_ns and len(ids) < STEP_CHUNKS:
            ids.append(self._superseded.popleft()[1])
        if ids:
            try:
                with con:
                    con.execute("BEGIN IMMEDIATE")
                    con.executemany("DELETE FROM chunk WHERE id = ?", [(row_id,) for row_id in ids])
            except sqlite3.Error:
                self._superseded.extendleft((due_ns, row_id) for row_id in reversed(ids))
                raise
        return bool(self._superseded) and self._superseded[0][0] <= due_ns
