"""Child processes that never outlive their parent."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)
PR_SET_PDEATHSIG = 1
BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
HEALTHY_S = 30.0
RESTARTS = "HAZWATCH_RESTARTS"
"""In a child's environment: how often it was started again."""

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(parent: int | None = None) -> None:
    """For `preexec_fn`: the kernel sends SIGTERM when the parent ends, however it ends.

    More exactly: when the *thread* that forked ends, so children are started from the main thread's loop. With `parent`
    the child gives up at once if that process has ended already, for then no signal comes any more.
    """
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if parent is not None and os.getppid() != parent:
        os._exit(1)


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """A process to keep running."""

    name: str
    argv: Sequence[str]
    environment: dict[str, str] = field(default_factory=dict)
    cwd: Path | None = None


class Child:
    """One supervised process: restarted with growing pauses when it ends before it was asked to.

    It is in a session of its own, so that the Ctrl-C of a terminal reaches the supervisor alone, which then stops its
    children in the right order. `started` hears the process id of every start.
    """

    def __init__(self, spec: ChildSpec, *, started: Callable[[int], None] = lambda pid: None) -> None:
        self.spec = spec
        self.restarts = 0
        self.last_end = ""
        self._started = started
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.returncode is None else None

    async def run(self) -> None:
        """Start it and start it again, until `stop`. Raises OSError when there is no such program."""
        failures = 0
        loop = asyncio.get_running_loop()
        parent = os.getpid()
        while not self._stopping:
            started = loop.time()
            self._process = await asyncio.create_subprocess_exec(
                *self.spec.argv,
                env={**os.environ, **self.spec.environment, RESTARTS: str(self.restarts)},
                cwd=self.spec.cwd,
                stdin=asyncio.subprocess.DEVNULL,
                preexec_fn=lambda: die_with_parent(parent),
                start_new_session=True,
            )
            if self._asked_to_stop():  # while it was being started
                self.ask_to_stop()
            self._started(self._process.pid)
            code = await self._process.wait()
            if self._asked_to_stop():
                return
            failures = 0 if loop.time() - started > HEALTHY_S else failures + 1
            self.restarts += 1
            self.last_end = describe(code)
            pause = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
            log.error("%s ended with %s; starting it again in %.1f s", self.spec.name, self.last_end, pause)
            await asyncio.sleep(pause)

    def _asked_to_stop(self) -> bool:
        return self._stopping

    def ask_to_stop(self) -> None:
        self._stopping = True
        if self.pid is not None:
            os.kill(self.pid, signal.SIGTERM)

    async def stopped(self, within_s: float) -> None:
        """Wait for the end after `ask_to_stop`; kill the whole session past the deadline."""
        if self._process is None:
            return
        try:
            async with asyncio.timeout(within_s):
                await self._process.wait()
        except TimeoutError:
            log.warning("%s did not stop within %.0f s and is killed", self.spec.name, within_s)
            if self.pid is not None:
                os.killpg(self.pid, signal.SIGKILL)
                await self._process.wait()


def describe(code: int | None) -> str:
    """An exit code in words."""
    if code is None:
        return "no exit code"
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
