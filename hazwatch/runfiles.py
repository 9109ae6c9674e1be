"""How a child process tells its supervisor, the other roles and `doctor` that it is ready, and where it listens."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec


class RunFile(msgspec.Struct, frozen=True):
    """`run/<role>.json` in the data directory; valid while process `pid` lives."""

    role: str
    pid: int
    metrics_port: int = 0
    address: str = ""
    detail: str = ""

    @property
    def alive(self) -> bool:
        return Path(f"/proc/{self.pid}").exists()


def _path(root: Path, role: str) -> Path:
    folder = root / "run"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / f"{role}.json"


def announce(root: Path, role: str, *, metrics_port: int = 0, address: str = "", detail: str = "") -> None:
    """Say that this process is ready in its role."""
    target = _path(root, role)
    draft = target.with_suffix(f".{os.getpid()}")
    draft.write_bytes(msgspec.json.encode(RunFile(role, os.getpid(), metrics_port, address, detail)))
    draft.replace(target)


def withdraw(root: Path, role: str) -> None:
    _path(root, role).unlink(missing_ok=True)


def find(root: Path, role: str) -> RunFile | None:
    """The live process of that role, if there is one."""
    try:
        known = msgspec.json.decode(_path(root, role).read_bytes(), type=RunFile)
    except (OSError, msgspec.MsgspecError):
        return None
    return known if known.alive else None
