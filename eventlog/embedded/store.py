"""One topic as one SQLite file: the only module that speaks SQL for records.

Blocking and without locks of its own: `TopicWriter` belongs to one thread, `TopicReader` to whoever borrowed it.

A row of `chunk` holds the records that one group commit wrote to one partition. Its id is `partition << 40 | first
offset`, so a partition is one range of one b-tree. `total` is the running sum of the partition's bytes, so that
retention by bytes never scans. `floor` says where a partition starts once retention has passed it; without a row it
starts at 0.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from eventlog.embedded.cleaning import AgeClock, Cleaner, Compaction, Retention
from eventlog.embedded.packing import Chunk, pack, stored_size, unpack
from eventlog.embedded.spare import SPARE_BYTES, grow_spare, is_full, set_checkpoint, spare_bytes, undo
from eventlog.limits import check_position
from eventlog.port import Bounds, LogError, LogUnavailable, NewRecord, Record, TopicSpec

APPLICATION_ID = 0x487A4C67  # "HzLg"
FORMAT = 1
OFFSET_BITS = 40
CHUNK_BYTES = 1 << 20
BUSY_S = 5.0
ROOM_MARGIN = 64 << 10

_SCHEMA = f"""
BEGIN;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT};
CREATE TABLE IF NOT EXISTS chunk (
    id INTEGER PRIMARY KEY, last INTEGER NOT NULL, append_ns INTEGER NOT NULL, total INTEGER NOT NULL,
    size INTEGER NOT NULL, crc INTEGER NOT NULL, key BLOB, body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS floor (partition INTEGER PRIMARY KEY, start INTEGER NOT NULL);
COMMIT;
"""


def _low(partition: int) -> int:
    return partition << OFFSET_BITS


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Turns driver errors into the port's: a damaged file is a `LogError`, everything else `LogUnavailable`."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise LogUnavailable(f"{path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise LogError(f"{path}: {error}; check the disk, then restore the log from a backup") from error


def _bounds(con: sqlite3.Connection, partition: int) -> Bounds:
    low = _low(partition)
    floor = con.execute("SELECT start FROM floor WHERE partition = ?", (partition,)).fetchone()
    newest = con.execute(
        "SELECT last FROM chunk WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1", (low, _low(partition + 1))
    ).fetchone()
    start = floor[0] if floor else 0
    return Bounds(start, max(start, newest[0] + 1 if newest else 0))


class TopicReader:
    """Reads one topic through a read-only connection, in short transactions."""

    def __init__(self, path: Path, topic: str) -> None:
        self._path = path
        self._topic = topic
        with sqlite_errors(path):
            self._con = sqlite3.connect(
                f"file:{_quoted(path)}?mode=ro", uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )

    def close(self) -> None:
        self._con.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with sqlite_errors(self._path):
            self._con.execute("BEGIN")
            try:
                yield self._con
            finally:
                self._con.execute("ROLLBACK")

    def bounds(self, partition: int) -> Bounds:
        with self._transaction() as con:
            return _bounds(con, partition)

    def read(
        self, partition: int, start: int, *, max_records: int, max_bytes: int, end: int | None = None
    ) -> list[Record]:
        """Records from `start` on and before `end`, at least one if there is one. Raises as `EventLog.read` does."""
        chunks: list[Chunk] = []
        with self._transaction() as con:
            bounds = _bounds(con, partition)
            check_position(self._topic, partition, start, bounds)
            stop = bounds.end if end is None else min(end, bounds.end)
            if start >= stop:
                return []
            records, size = 0, 0
            with closing(_chunks_from(con, partition, start, stop)) as rows:
                for chunk in rows:
                    chunks.append(chunk)
                    records += chunk.last - max(chunk.first, start) + 1
                    # Of the first chunk an unknown part lies before `start`, so its bytes are not counted.
                    size += len(chunk.body) if len(chunks) > 1 else 0
                    if records >= max_records or size >= max_bytes:
                        break
        return list(_bounded(self._topic, chunks, start, stop, max_records, max_bytes))


def _chunks_from(con: sqlite3.Connection, partition: int, start: int, stop: int) -> Generator[Chunk]:
    """Chunks that may hold records in [start, stop), oldest first."""
    low = _low(partition)
    before = con.execute(
        "SELECT id FROM chunk WHERE id >= ? AND id <= ? ORDER BY id DESC LIMIT 1", (low, low + start)
    ).fetchone()
    rows = con.execute(
        "SELECT id, last, append_ns, crc, body FROM chunk WHERE id >= ? AND id < ? ORDER BY id",
        (before[0] if before else low, low + stop),
    )
    with closing(rows):
        for row_id, last, append_ns, crc, body in rows:
            if last >= start:
                yield Chunk(partition, row_id - low, last, append_ns, crc, body)


def _bounded(
    topic: str, chunks: Sequence[Chunk], start: int, stop: int, max_records: int, max_bytes: int
) -> Iterator[Record]:
    left, size = max(1, max_records), 0
    for chunk in chunks:
        for record in unpack(topic, chunk):
            if record.offset < start:
                continue
            size += len(record.key) + len(record.value)
            if record.offset >= stop or left == 0 or (size > max_bytes and left < max(1, max_records)):
                return
            left -= 1
            yield record


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


@dataclass(frozen=True, slots=True)
class Appended:
    """What one group commit did: the first offset of each of its parts, and the time stamped on all of them."""

    first: tuple[int, ...]
    append_ns: int


@dataclass(slots=True)
class _PartitionState:
    next: int
    total: int
    newest_ns: int


class TopicWriter:
    """The one writer of a topic file.

    After an error of SQLite call `failed`, and `recover` before the next call.
    """

    def __init__(self, path: Path, spec: TopicSpec) -> None:
        self._path = path
        self._spec = spec
        self._low = False
        with sqlite_errors(path):
            self._con = self._open()
            self._state = self._load()
            self._cleaner = self._make_cleaner()
        self._doubtful = False

    def _make_cleaner(self) -> Cleaner:
        if self._spec.compacted:
            return Compaction(self._con, OFFSET_BITS)
        return Retention(self._spec, AgeClock(max(state.newest_ns for state in self._state)), OFFSET_BITS)

    def _open(self) -> sqlite3.Connection:
        con = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            version = self._check_format(con)
            con.execute("PRAGMA journal_mode = WAL")
            con.execute("PRAGMA synchronous = FULL")
            set_checkpoint(con, low=self._low)
            con.execute(f"PRAGMA journal_size_limit = {64 << 20}")
            if version < FORMAT:
                # Only once: a log must open on a full disk.
                con.executescript(_SCHEMA)
        except BaseException:
            con.close()
            raise
        return con

    def _check_format(self, con: sqlite3.Connection) -> int:
        application = con.execute("PRAGMA application_id").fetchone()[0]
        version: int = con.execute("PRAGMA user_version").fetchone()[0]
        if application not in (0, APPLICATION_ID):
            raise LogError(f"{self._path} is a database of another program; move it away or choose another directory")
        if version > FORMAT:
            raise LogError(
                f"{self._path} was written by a newer version (format {version}, this program knows {FORMAT}); "
                "install the newer version again"
            )
        return version

    def _load(self) -> list[_PartitionState]:
        states = []
        for partition in range(self._spec.partitions):
            row = self._con.execute(
                "SELECT total, append_ns FROM chunk WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1",
                (_low(partition), _low(partition + 1)),
            ).fetchone()
            states.append(_PartitionState(_bounds(self._con, partition).end, *(row or (0, 0))))
        return states

    def failed(self, error: BaseException) -> None:
        """Tells the writer that a call raised `error`: the next `recover` will open the file afresh if need be."""
        if is_full(error):
            undo(self._con)
        else:
            self._doubtful = True

    def recover(self) -> None:
        """Opens the file afresh if there was an error. Raises as opening does, and may then be called again."""
        if not self._doubtful:
            return
        self._con.close()
        with sqlite_errors(self._path):
            self._con = self._open()
            self._state = self._load()
            self._cleaner = self._make_cleaner()
        self._doubtful = False

    def close(self) -> None:
        self._con.close()

    def bounds(self) -> list[Bounds]:
        return [_bounds(self._con, partition) for partition in range(self._spec.partitions)]

    def append(self, parts: Sequence[tuple[int, Sequence[NewRecord]]], append_ns: int) -> Appended:
        """Writes all parts (partition, records) in one transaction and returns when it is on disk."""
        first: list[int] = []
        by_partition: dict[int, list[NewRecord]] = {}
        for partition, records in parts:
            bucket = by_partition.setdefault(partition, [])
            first.append(self._state[partition].next + len(bucket))
            bucket.extend(records)
        if self._low and not self._make_room(_room_for(parts)):
            raise LogUnavailable("the disk is full, and no record of this topic may be given up")
        totals: dict[int, int] = {}
        self._con.execute("BEGIN IMMEDIATE")
        for partition, records in by_partition.items():
            totals[partition] = self._insert(partition, records, append_ns)
        self._con.execute("COMMIT")
        for partition, records in by_partition.items():
            state = self._state[partition]
            self._cleaner.wrote(partition, records, state.next)
            state.next += len(records)
            state.total = totals[partition]
            state.newest_ns = append_ns
        return Appended(tuple(first), append_ns)

    def _insert(self, partition: int, records: Sequence[NewRecord], append_ns: int) -> int:
        state = self._state[partition]
        at, total = state.next, state.total
        compacted = self._spec.compacted
        for group in ([record] for record in records) if compacted else _chunked(records):
            chunk = pack(partition, at, append_ns, group)
            total += len(chunk.body)
            key = group[0].key if compacted else None
            self._con.execute(
                "INSERT INTO chunk (id, last, append_ns, total, size, crc, key, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (_low(partition) + at, chunk.last, append_ns, total, len(chunk.body), chunk.crc, key, chunk.body),
            )
            at = chunk.last + 1
        return total

    def clean(self, *, disk_low: bool) -> bool:
        """One bounded step of retention or compaction, and of making room on a low disk; True when more is waiting."""
        if disk_low != self._low:
            self._low = disk_low
            set_checkpoint(self._con, low=disk_low)
        if disk_low and spare_bytes(self._con) < SPARE_BYTES // 2:
            self._make_room(SPARE_BYTES)
        return self._cleaner.step(self._con)

    def _make_room(self, need: int) -> bool:
        """Sees to it that free pages hold `need` bytes; False when they cannot."""
        while (spare := spare_bytes(self._con)) < need:
            missing = need - spare
            if any(grow_spare(self._con, self._path.parent, size) for size in (missing + SPARE_BYTES // 2, missing)):
                continue
            if not self._cleaner.give_up_oldest(self._con, missing):
                return False
        return True


def _room_for(parts: Sequence[tuple[int, Sequence[NewRecord]]]) -> int:
    """Bytes of free pages that an append needs at most, roughly."""
    return ROOM_MARGIN + sum(stored_size(record) for _, records in parts for record in records) * 5 // 4


def _chunked(records: Sequence[NewRecord]) -> Iterator[Sequence[NewRecord]]:
    """Runs of records of about `CHUNK_BYTES` at most, so that a reader never has to take a huge blob for one record."""
    begin, size = 0, 0
    for index, record in enumerate(records):
        size += stored_size(record)
        if size > CHUNK_BYTES and index > begin:
            yield records[begin:index]
            begin, size = index, stored_size(record)
    yield records[begin:]
