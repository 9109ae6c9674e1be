"""Living on a full disk: the log keeps room inside its own files, so that what others fill does not stop an append.

SQLite reuses pages that were freed, and a write-ahead log that has been copied back is overwritten in place; neither
needs room on the disk. So when the disk runs low, every topic file is given `SPARE_BYTES` of free pages (which also
makes its write-ahead log that long), the log is copied back early, and no append begins that free pages cannot hold:
one that made the file grow could never be copied back. When the disk gives no more, a topic that has a retention gives
up its oldest records early; a reader that had not seen them is told so by `PositionGone`. A topic without retention
lives on its spare pages, and then refuses. (On file systems that never overwrite in place, btrfs or ZFS, this helps
less.)
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

LOW_BYTES = 256 << 20
SPARE_BYTES = 8 << 20
GROW_AT_LEAST = 64 << 10
CHECKPOINT_PAGES = 4000
CHECKPOINT_PAGES_LOW = 500


def free_bytes(directory: Path) -> int:
    """What the file system has left for this user."""
    space = os.statvfs(directory)
    return space.f_bavail * space.f_frsize


def disk_is_low(directory: Path) -> bool:
    return free_bytes(directory) < LOW_BYTES


def is_full(error: BaseException) -> bool:
    """Whether SQLite says that the disk is full. Its transaction is undone, and the connection is still good."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def undo(con: sqlite3.Connection) -> None:
    if con.in_transaction:
        con.execute("ROLLBACK")


def set_checkpoint(con: sqlite3.Connection, *, low: bool) -> None:
    """How long the write-ahead log may grow before it is copied back: 16 MB, or 2 MB when the disk is low."""
    con.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES_LOW if low else CHECKPOINT_PAGES}")


def spare_bytes(con: sqlite3.Connection) -> int:
    (pages,) = con.execute("PRAGMA freelist_count").fetchone()
    (size,) = con.execute("PRAGMA page_size").fetchone()
    return int(pages * size)


def grow_spare(con: sqlite3.Connection, directory: Path, missing: int) -> bool:
    """Makes the file longer by `missing` bytes of free pages; False when the disk has no room for that.

    In two transactions: SQLite does not write a page that is free again when its transaction ends. A row that a crash
    leaves between them (ids of records are not negative) goes with the next call.
    """
    missing = max(missing, GROW_AT_LEAST)
    if free_bytes(directory) < 4 * missing:
        return False
    before = spare_bytes(con)
    try:
        # It takes the pages that are free already, and then `missing` more.
        size = before + missing
        con.execute("INSERT OR REPLACE INTO chunk VALUES (-1, 0, 0, 0, 0, 0, NULL, zeroblob(?))", (size,))
        con.execute("DELETE FROM chunk WHERE id = -1")
        con.execute("PRAGMA wal_checkpoint(PASSIVE)")
    except sqlite3.Error as error:
        if not is_full(error):
            raise
        undo(con)
    return spare_bytes(con) > before
