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
from itertools import takewhile
from typing import NamedTuple, Protocol

from eventlog.port import NewRecord, TopicSpec

STEP_CHUNKS = 64
STEP_BYTES = 8 << 20
COMPACTION_LAG_NS = 60_000_000_000


class _Chunk(NamedTuple):
    """A row of `chunk` without its records."""

    id: int
    last: int
    append_ns: int
    total: int
    size: int


class Cleaner(Protocol):
    """Chooses and deletes chunks, a bounded number at a time. Called by the writer's thread only."""

    def step(self, con: sqlite3.Connection) -> bool:
        """Deletes within one transaction of its own; True when more is waiting."""
        ...

    def wrote(self, partition: int, records: Sequence[NewRecord], first: int) -> None:
        """Called after each commit, per partition."""
        ...

    def give_up_oldest(self, con: sqlite3.Connection, size: int) -> bool:
        """Deletes about `size` bytes of records before their time because the disk is full; False when none may go."""
        ...


class AgeClock:
    """Nanoseconds since the epoch for judging age; see the module's head. `newest_ns` is 0 without any record."""

    def __init__(self, newest_ns: int) -> None:
        wall = time.time_ns()
        self._base = (min(newest_ns, wall) if newest_ns else wall) - time.monotonic_ns()

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
        oldest = self._oldest(con, partition)
        if not oldest:
            return False
        newest_id, newest_total = self._newest(con, partition)
        oldest_kept_ns = self._clock.now_ns() - self._spec.retention_ms * 1_000_000

        def is_due(chunk: _Chunk) -> bool:
            if self._spec.retention_ms >= 0 and chunk.append_ns < oldest_kept_ns:
                return True
            kept = newest_total - chunk.total + chunk.size
            return 0 <= self._spec.retention_bytes < kept and chunk.id != newest_id

        due = list(takewhile(is_due, oldest))
        going = _at_most(STEP_BYTES, due)
        self._delete(con, partition, going)
        return len(going) < len(due) or len(due) == STEP_CHUNKS

    def give_up_oldest(self, con: sqlite3.Connection, size: int) -> bool:
        """Takes from the partition that has most."""
        if self._spec.retention_ms < 0 and self._spec.retention_bytes < 0:
            return False
        sizes = []
        for partition in range(self._spec.partitions):
            oldest = self._oldest(con, partition)
            if len(oldest) > 1:
                newest_id, newest_total = self._newest(con, partition)
                sizes.append((newest_total - oldest[0].total, partition, [c for c in oldest if c.id != newest_id]))
        if not sizes:
            return False
        _, partition, chunks = max(sizes)
        self._delete(con, partition, _at_most(min(size, STEP_BYTES), chunks))
        return True

    def _oldest(self, con: sqlite3.Connection, partition: int) -> list[_Chunk]:
        return [
            _Chunk(*row)
            for row in con.execute(
                "SELECT id, last, append_ns, total, size FROM chunk WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
                (partition << self._bits, (partition + 1) << self._bits, STEP_CHUNKS),
            )
        ]

    def _newest(self, con: sqlite3.Connection, partition: int) -> tuple[int, int]:
        """Id and running total of the last chunk of a partition that has one."""
        row: tuple[int, int] = con.execute(
            "SELECT id, total FROM chunk WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1",
            (partition << self._bits, (partition + 1) << self._bits),
        ).fetchone()
        return row

    def _delete(self, con: sqlite3.Connection, partition: int, chunks: Sequence[_Chunk]) -> None:
        if not chunks:
            return
        with con:
            con.execute("BEGIN IMMEDIATE")
            con.execute("DELETE FROM chunk WHERE id >= ? AND id <= ?", (partition << self._bits, chunks[-1].id))
            con.execute(
                "INSERT INTO floor VALUES (?, ?) ON CONFLICT (partition) DO UPDATE SET start = excluded.start",
                (partition, chunks[-1].last + 1),
            )


def _at_most(size: int, chunks: Sequence[_Chunk]) -> Sequence[_Chunk]:
    """The first of `chunks`, up to the one with which they reach `size` bytes."""
    taken = 0
    for count, chunk in enumerate(chunks, 1):
        taken += chunk.size
        if taken >= size:
            return chunks[:count]
    return chunks


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
        for row_id, key in con.execute("SELECT id, key FROM chunk WHERE id >= 0 ORDER BY id"):
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

    def give_up_oldest(self, con: sqlite3.Connection, size: int) -> bool:
        """What is left are the newest records, which may not go."""
        return False
