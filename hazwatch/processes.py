"""Child processes that never outlive their parent."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)
PR_SET_PDEATHSIG = 1
BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
HEALTHY_S = 30.0
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent() -> None:
    """For `preexec_fn`: the kernel sends SIGTERM when the parent ends, however it ends."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """A process to keep running. `restart_codes` empty means: restart after any end."""

    name: str
    argv: Sequence[str]
    environment: dict[str, str] = field(default_factory=dict)
    cwd: Path | None = None


class Child:
    """One supervised process: restarted with growing pauses when it ends before it was asked to."""

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.restarts = 0
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.returncode is None else None

    async def run(self) -> None:
        """Start it and start it again, until `stop`."""
        failures = 0
        loop = asyncio.get_running_loop()
        while not self._stopping:
            started = loop.time()
            self._process = await asyncio.create_subprocess_exec(
                *self.spec.argv,
                env={**os.environ, **self.spec.environment},
                cwd=self.spec.cwd,
                stdin=asyncio.subprocess.DEVNULL,
                preexec_fn=die_with_parent,
                start_new_session=True,
            )
            code = await self._process.wait()
            if self._asked_to_stop():
                return
            failures = 0 if loop.time() - started > HEALTHY_S else failures + 1
            self.restarts += 1
            pause = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
            log.error("%s ended with %s; starting it again in %.1f s", self.spec.name, describe(code), pause)
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
