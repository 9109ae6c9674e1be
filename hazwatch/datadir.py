"""The data directory: what lies where, and the lock that keeps two programs out of one."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path


class DataDirBusy(RuntimeError):
    """Another hazwatch runs in this data directory."""


class NoDataDir(RuntimeError):
    """There is nothing at the place that was named."""


@dataclass(frozen=True, slots=True)
class DataDir:
    """Paths under one data directory; made on first use, readable by its owner only."""

    root: Path

    @classmethod
    def existing(cls, root: Path) -> DataDir:
        """One that is there already: a command that only looks makes none. Raises `NoDataDir`."""
        if not root.is_dir():
            raise NoDataDir(f"there is no data directory {root}; name the one of the running system with --data")
        return cls(root)

    def _sub(self, name: str) -> Path:
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.root / name
        path.mkdir(exist_ok=True, mode=0o700)
        return path

    @property
    def log(self) -> Path:
        return self._sub("log")

    @property
    def snapshots(self) -> Path:
        return self._sub("snapshots")

    @property
    def database(self) -> Path:
        return self._sub("database")

    @property
    def broker(self) -> Path:
        return self._sub("broker")

    @property
    def console(self) -> Path:
        return self._sub("console")

    @property
    def database_url(self) -> Path:
        """Where the historian leaves the address of the embedded database for the console."""
        return self.root / "database.url"

    def lock(self, name: str = "hazwatch") -> int:
        """Take a lock; it goes with the process. Raises `DataDirBusy` naming the holder."""
        file = self.root / f"{name}.lock"
        for folder in (self.root, file.parent):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(handle)
            raise DataDirBusy(
                f"{self.root} is in use by the {Path(name).name} with process number {holder}; "
                "stop it first, or give another --data directory"
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        return handle
