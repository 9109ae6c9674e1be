"""How the parts of the system are, in words for the screen: from the run files and from what a part says itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from console.ports import Part, PartState
from hazwatch import runfiles
from schemas.text import Text


class SaysState(Protocol):
    """A part that knows whether it works."""

    @property
    def working(self) -> bool: ...


class SystemHealth:
    """`console.ports.Health` for the machine that the console runs on."""

    def __init__(self, root: Path, history: SaysState) -> None:
        self._root = root
        self._history = history

    def parts(self) -> Sequence[Part]:
        """The processes of this data directory, and the history as the console sees it."""
        found = [self._process(role) for role in ("alarm-path", "historian") if (self._root / "run").exists()]
        works = Part("history", PartState.OK, Text("历史数据可用", "history answers"))
        fails = Part(
            "history", PartState.DOWN, Text("历史数据库无应答，报警不受影响", "no history; alarms are not affected")
        )
        return [*(part for part in found if part is not None), works if self._history.working else fails]

    def _process(self, role: str) -> Part | None:
        if not (self._root / "run" / f"{role}.json").exists():
            return None
        if runfiles.find(self._root, role) is None:
            return Part(role, PartState.DOWN, Text("进程未运行", "the process does not run"))
        return Part(role, PartState.OK, Text("运行中", "running"))
