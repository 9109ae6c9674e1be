"""CPU of processes from /proc: user and system time, of those that have ended too, through the parent that reaped."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds of one process (`own_s`) and of its children that have ended (`reaped_s`), and its memory."""

    own_s: float
    reaped_s: float
    resident_mb: float


def usage(pid: int) -> Usage | None:
    """What the process has used so far; None when it is gone."""
    with suppress(OSError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        user, system, child_user, child_system = (int(fields[i]) for i in (11, 12, 13, 14))
        resident = int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
        return Usage((user + system) / _TICK, (child_user + child_system) / _TICK, resident)
    return None


def children(pid: int) -> list[int]:
    """The processes right below `pid`."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, task.read_text().split())
    return found


def tree(pid: int) -> list[int]:
    """`pid` and everything below it."""
    return [pid, *(below for child in children(pid) for below in tree(child))]


def title(pid: int) -> str:
    """The command line of a process, "" when it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""


def machine_s() -> tuple[float, float]:
    """CPU seconds of the whole machine: (busy, all)."""
    user, nice, system, idle, wait, irq, soft, steal = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    busy = user + nice + system + irq + soft + steal
    return busy / _TICK, (busy + idle + wait) / _TICK


@dataclass(frozen=True, slots=True)
class Snapshot:
    """CPU seconds by part and by single process, at one moment."""

    at_s: float
    parts: Mapping[str, float]
    processes: Mapping[int, tuple[str, float]]
    machine: tuple[float, float]


def snapshot(at_s: float, roots: Mapping[str, int], below: Iterable[str] = ("postgres",)) -> Snapshot:
    """What all parts have used. `roots` are the processes that were started, by name; a process below one of them whose
    program is named in `below` counts as a part of that name, with all that is below it."""
    parts: dict[str, float] = {}
    processes: dict[int, tuple[str, float]] = {}

    def visit(pid: int, part: str) -> None:
        own = next((name for name in below if _program(pid) == name), part)
        found = usage(pid)
        if found is None:
            return
        used = found.own_s + found.reaped_s
        parts[own] = parts.get(own, 0.0) + used
        processes[pid] = (own, found.own_s)
        for child in children(pid):
            visit(child, own)

    for name, pid in roots.items():
        visit(pid, name)
    return Snapshot(at_s, parts, processes, machine_s())


def _program(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""
