"""The log's directory: which topics it has, its incarnation, and the lock of its one writer.

meta.db       incarnation and topics (rollback journal: it is written at start only)
<topic>.db    the records of a topic
writer.lock   held (flock) by the writing process; its text is that process's id
log.sock      where the writing process serves the others
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from eventlog.embedded.store import APPLICATION_ID, BUSY_S, FORMAT, sqlite_errors
from eventlog.port import LogError, LogUnavailable, TopicMissing, TopicSpec

SOCKET_NAME = "log.sock"
LOCK_NAME = "writer.lock"
META_NAME = "meta.db"

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_COLUMNS = "name, partitions, compacted, retention_ms, retention_bytes, max_record_bytes"
_SCHEMA = f"""
BEGIN;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT};
CREATE TABLE IF NOT EXISTS incarnation (number INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS topic (
    name TEXT PRIMARY KEY, partitions INTEGER NOT NULL, compacted INTEGER NOT NULL,
    retention_ms INTEGER NOT NULL, retention_bytes INTEGER NOT NULL, max_record_bytes INTEGER NOT NULL
);
COMMIT;
"""


class WriterLock:
    """Makes this process the only writer of a directory, until `release` or its death."""

    def __init__(self, directory: Path) -> None:
        path = directory / LOCK_NAME
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._fd, 32, 0).decode(errors="replace").strip()
            os.close(self._fd)
            raise LogError(
                f"{directory} is already written by {_describe(holder)}; "
                "stop that process, or choose another data directory"
            ) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _describe(pid: str) -> str:
    """Names a process by its id and command line."""
    with contextlib.suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        return f"process {pid} ({command[:80]})"
    return f"process {pid or 'unknown'}"


@contextlib.contextmanager
def _meta(directory: Path, *, mode: str) -> Iterator[sqlite3.Connection]:
    path = directory / META_NAME
    with (
        sqlite_errors(path),
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=BUSY_S)) as con,
    ):
        con.execute("PRAGMA synchronous = FULL")
        with con:
            yield con


def topic_path(directory: Path, topic: str) -> Path:
    return directory / f"{topic}.db"


def check(directory: Path, specs: Sequence[TopicSpec]) -> None:
    """Raises `TopicMissing` naming all ways in which `specs` do not fit what is in the directory. Writes nothing."""
    known: dict[str, TopicSpec] = {}
    if (directory / META_NAME).exists():
        with _meta(directory, mode="ro") as con:
            if con.execute("SELECT 1 FROM sqlite_master WHERE name = 'topic'").fetchone():
                known = {spec.name: spec for spec in _topics(con)}
    problems = [problem for spec in specs for problem in _problems(directory, spec, known.get(spec.name))]
    if problems:
        raise TopicMissing(f"{directory}: " + "; ".join(problems))


def partitions_of(directory: Path) -> dict[str, int]:
    """How many partitions each topic of a log has; none where no log is yet."""
    if not (directory / META_NAME).exists():
        return {}
    with _meta(directory, mode="ro") as con:
        if not con.execute("SELECT 1 FROM sqlite_master WHERE name = 'topic'").fetchone():
            return {}
        return {spec.name: spec.partitions for spec in _topics(con)}


def register(directory: Path, specs: Sequence[TopicSpec], first_incarnation: int) -> None:
    """Records the topics, whose files exist by now, and the first incarnation of a new log.

    Writes only what is not there yet, so that a log opens on a full disk.
    """
    with _meta(directory, mode="rwc") as con:
        if con.execute("PRAGMA user_version").fetchone() != (FORMAT,):
            con.executescript(_SCHEMA)
        known = {spec.name: spec for spec in _topics(con)}
        con.executemany(
            f"INSERT OR REPLACE INTO topic ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",
            [
                (
                    spec.name,
                    spec.partitions,
                    spec.compacted,
                    spec.retention_ms,
                    spec.retention_bytes,
                    spec.max_record_bytes,
                )
                for spec in specs
                if known.get(spec.name) != spec
            ],
        )
        if con.execute("SELECT count(*) FROM incarnation").fetchone() == (0,):
            con.execute("INSERT INTO incarnation VALUES (?)", (first_incarnation,))


def _problems(directory: Path, spec: TopicSpec, known: TopicSpec | None) -> Iterator[str]:
    if not _NAME.fullmatch(spec.name) or spec.name == "meta":
        yield f"topic name {spec.name!r} is not allowed: use a-z, 0-9, _ and -, and not 'meta'"
        return
    if spec.compacted and (spec.retention_ms >= 0 or spec.retention_bytes >= 0):
        yield f"topic {spec.name} is compacted and has a retention; a topic has one of the two"
    if known is None:
        return
    if not topic_path(directory, spec.name).exists():
        yield f"{spec.name}.db is missing; restore it from a backup, or move the directory away to begin a new log"
    if known.partitions != spec.partitions:
        yield (
            f"topic {spec.name} has {known.partitions} partitions but {spec.partitions} are configured; "
            "the number cannot change: configure the old one"
        )
    if known.compacted != spec.compacted:
        yield f"topic {spec.name} was made with compacted={known.compacted}, which cannot change"


def _topics(con: sqlite3.Connection) -> list[TopicSpec]:
    rows = con.execute(f"SELECT {_COLUMNS} FROM topic ORDER BY name").fetchall()
    return [
        TopicSpec(name, parts, bool(compacted), ms, size, largest) for name, parts, compacted, ms, size, largest in rows
    ]


def load(directory: Path) -> tuple[dict[str, TopicSpec], int]:
    """The topics and the incarnation that the writer has recorded. Raises `LogUnavailable` if there is no log yet."""
    if not (directory / META_NAME).exists():
        raise LogUnavailable(f"{directory} holds no log yet; start the process that writes it first")
    with _meta(directory, mode="ro") as con:
        number = con.execute("SELECT max(number) FROM incarnation").fetchone()[0]
        if number is None:
            raise LogUnavailable(f"{directory}: the log is still being created")
        return {spec.name: spec for spec in _topics(con)}, number


def bump_incarnation(directory: Path) -> int:
    """Gives a log that was restored from a backup its next incarnation, and returns it. No process may be writing.

    Folds then refuse snapshots of the old one, and causes of the new one count as newer.
    """
    load(directory)
    lock = WriterLock(directory)
    try:
        with _meta(directory, mode="rw") as con:
            con.execute("INSERT INTO incarnation SELECT max(number) + 1 FROM incarnation")
        return load(directory)[1]
    finally:
        lock.release()


def sync_directory(directory: Path) -> None:
    """Makes new names in `directory` survive a loss of power."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
