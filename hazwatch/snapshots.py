"""Snapshots of a fold in files: a cache, never the truth. Three are kept; a bad one is passed over for an older one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

log = logging.getLogger(__name__)
KEPT = 3
T = TypeVar("T")


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

    def newest(self, restore: Callable[[bytes], T]) -> T | None:
        """The newest snapshot that `restore` accepts; refusals (ValueError) are logged with their reason."""
        for file in self._files():
            try:
                return restore(file.read_bytes())
            except (ValueError, OSError) as error:
                log.warning("snapshot %s is passed over: %s", file.name, error)
        return None

    def clear(self) -> None:
        for file in self._files():
            file.unlink()
