"""Snapshots of a fold in files: a cache, never the truth. Three are kept; a bad one is passed over for an older one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

log = logging.getLogger(__name__)
KEPT = 3


class SnapshotFolder:
    """The snapshots of one fold, named by their next offset; one process writes here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("*.snap"), key=lambda p: (p.stat().st_mtime_ns, p.name), reverse=True)

    def write(self, next_offset: int, data: bytes) -> None:
        """Write atomically and drop the oldest. No fsync: what a power cut takes is refolded from the log."""
        target = self.folder / f"{next_offset:020d}.snap"
        draft = target.with_suffix(".draft")
        draft.write_bytes(data)
        draft.replace(target)
        for old in self._files()[KEPT:]:
            old.unlink(missing_ok=True)

    def contents(self) -> Iterator[bytes]:
        """What is kept, newest first; whoever restores decides whether it is good."""
        for file in self._files():
            try:
                yield file.read_bytes()
            except OSError as error:
                log.warning("snapshot %s cannot be read: %s", file, error)
