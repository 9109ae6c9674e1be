"""Processes of the system as a test starts, watches, freezes and ends them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hazwatch.processes import Child, ChildSpec
from tests.parts.server import alive, descendants

ROOT = Path(__file__).parents[2]

_TO_FILE = 'exec "$@" >>"$0" 2>&1'


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a process of the system sees: nothing of a developer's own settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HAZWATCH_")}
    return {**kept, "PYTHONPATH": str(ROOT), **(extra or {})}


def command(*arguments: str) -> list[str]:
    """The command line of `hazwatch`."""
    return [sys.executable, "-m", "hazwatch", *arguments]


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command said and how it ended."""

    code: int
    output: str
    errors: str


async def hazwatch(*arguments: str, within_s: float = 60.0) -> Ran:
    """Run a command to its end."""
    process = await asyncio.create_subprocess_exec(
        *command(*arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
    )
    try:
        async with asyncio.timeout(within_s):
            output, errors = await process.communicate()
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode is not None
    return Ran(process.returncode, output.decode(), errors.decode())


class Supervised:
    """A process that is started again when it ends, with its output in a file."""

    def __init__(self, name: str, argv: Sequence[str], log: Path, extra: Mapping[str, str] | None = None) -> None:
        spec = ChildSpec(name, ["/bin/sh", "-c", _TO_FILE, str(log), *argv], environment(extra))
        self._child = Child(spec)
        self._running = asyncio.create_task(self._child.run(), name=name)

    @property
    def pid(self) -> int | None:
        return self._child.pid

    @property
    def restarts(self) -> int:
        return self._child.restarts

    def ask_to_stop(self) -> None:
        self._child.ask_to_stop()

    async def stopped(self, within_s: float) -> None:
        """Wait for its end; past the deadline it is killed."""
        await self._child.stopped(within_s)
        self._running.cancel()
        await asyncio.wait({self._running})


def tree(pid: int) -> list[int]:
    """The process and everything below it."""
    return [pid, *descendants(pid)]


def freeze(pid: int) -> set[int]:
    """SIGSTOP the process and everything below it, until nothing new appears. Returns their ids."""
    stopped: set[int] = set()
    while fresh := [one for one in tree(pid) if one not in stopped]:
        _signal(fresh, signal.SIGSTOP)
        stopped.update(fresh)
    return stopped


def thaw(pid: int) -> None:
    """End a `freeze`."""
    _signal(tree(pid), signal.SIGCONT)


def living(pids: Iterable[int]) -> list[int]:
    """Those of the processes that have not ended."""
    return [pid for pid in pids if alive(pid)]


def kill9(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
