"""How a process tells its supervisor, the other roles and `doctor` that it is ready, how it is, where it listens."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec


class RunFile(msgspec.Struct, frozen=True):
    """`run/<role>.json` in the data directory; valid while the process lives.

    `born` is the process's start in clock ticks since boot: a number alone may have been given to somebody else.
    `trouble` is what the process works without, "" when all is well.
    """

    role: str
    pid: int
    born: int = 0
    metrics_port: int = 0
    address: str = ""
    trouble: str = ""

    @property
    def alive(self) -> bool:
        return started_at(self.pid) == self.born


def started_at(pid: int) -> int | None:
    """When the process was started, in clock ticks since boot; None when it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def _path(root: Path, role: str) -> Path:
    return root / "run" / f"{role}.json"


def announce(
    root: Path, role: str, *, pid: int = 0, metrics_port: int = 0, address: str = "", trouble: str = ""
) -> None:
    """Say that a process, by default this one, is ready in its role."""
    pid = pid or os.getpid()
    target = _path(root, role)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = target.with_suffix(f".{os.getpid()}")
    draft.write_bytes(msgspec.json.encode(RunFile(role, pid, started_at(pid) or 0, metrics_port, address, trouble)))
    draft.replace(target)


class Announcement:
    """This process's own run file, which changes as it gets on. It appears when the role is `ready`."""

    def __init__(self, root: Path, role: str, metrics_port: int) -> None:
        self._root = root
        self._role = role
        self._metrics_port = metrics_port
        self._address = ""
        self._trouble = ""
        self._ready = False

    def ready(self) -> None:
        self._ready = True
        self._write()

    def update(self, *, address: str | None = None, trouble: str | None = None) -> None:
        """Say what has changed."""
        before = self._address, self._trouble
        self._address = self._address if address is None else address
        self._trouble = self._trouble if trouble is None else trouble
        if self._ready and before != (self._address, self._trouble):
            self._write()

    def withdraw(self) -> None:
        withdraw(self._root, self._role)

    def _write(self) -> None:
        announce(self._root, self._role, metrics_port=self._metrics_port, address=self._address, trouble=self._trouble)


def withdraw(root: Path, role: str) -> None:
    _path(root, role).unlink(missing_ok=True)


def find(root: Path, role: str) -> RunFile | None:
    """The live process of that role, if there is one."""
    return _read(_path(root, role))


def living(root: Path) -> list[RunFile]:
    """Every process of this data directory that lives."""
    found = [_read(file) for file in sorted((root / "run").glob("*.json"))]
    return [one for one in found if one is not None]


def clear(root: Path) -> None:
    """Remove every run file: for whoever knows that no process of this data directory lives."""
    for file in (root / "run").glob("*.json"):
        file.unlink(missing_ok=True)


def _read(file: Path) -> RunFile | None:
    try:
        known = msgspec.json.decode(file.read_bytes(), type=RunFile)
    except (OSError, msgspec.MsgspecError):
        return None
    return known if known.alive else None
