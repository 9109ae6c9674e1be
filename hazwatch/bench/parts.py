"""The processes of a run: started one by one, watched, and ended in reverse, whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from hazwatch.processes import describe, die_with_parent

STOP_S = 15.0
_POLL_S = 0.02


class PartFailed(RuntimeError):
    """A process of the run did not start, or ended before its time; the message holds the end of its log."""


class Part:
    """One process with its log file."""

    def __init__(self, name: str, argv: Sequence[str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                argv,
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
                start_new_session=True,
            )

    def check(self) -> None:
        """Raises `PartFailed` when it has ended."""
        if self.process.poll() is not None:
            raise PartFailed(f"{self.name} ended with {describe(self.process.returncode)}\n{self.tail()}")

    def tail(self) -> str:
        return self.log.read_bytes()[-3000:].decode(errors="replace")

    def say(self, line: str) -> None:
        """Write a line to its standard input."""
        pipe = self.process.stdin
        assert pipe is not None
        pipe.write(line.encode() + b"\n")
        pipe.flush()

    def has_said(self, word: str) -> bool:
        """Whether a line of its own in its output is `word`."""
        return word.encode() in self.log.read_bytes().split(b"\n")

    def stop(self, within_s: float = STOP_S) -> None:
        """End it with SIGTERM, past the deadline its whole session with SIGKILL."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(within_s)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()


class Parts:
    """All processes of a run, by name; leaving ends them, the last one first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._parts: dict[str, Part] = {}

    def start(self, name: str, argv: Sequence[str]) -> Part:
        part = self._parts[name] = Part(name, argv, self.folder)
        return part

    def call(self, name: str, argv: Sequence[str], within_s: float = 120.0) -> None:
        """Run a command to its end. Raises `PartFailed` with what it printed."""
        done = subprocess.run(argv, capture_output=True, cwd=self.folder, timeout=within_s)
        if done.returncode:
            said = (done.stdout + done.stderr)[-3000:].decode(errors="replace")
            raise PartFailed(f"{name} ended with {describe(done.returncode)}\n{said}")

    @property
    def pids(self) -> dict[str, int]:
        return {name: part.process.pid for name, part in self._parts.items()}

    def check(self) -> None:
        """Raises `PartFailed` for the first one that has ended."""
        for part in self._parts.values():
            part.check()

    def wait(self, what: str, condition: Callable[[], bool], within_s: float) -> None:
        """Until `condition`. Raises `PartFailed` when a part ends meanwhile or the time is over."""
        until = time.monotonic() + within_s
        while not condition():
            self.check()
            if time.monotonic() > until:
                logs = "\n".join(f"--- {part.name}\n{part.tail()}" for part in self._parts.values())
                raise PartFailed(f"gave up after {within_s:.0f} s waiting until {what}\n{logs}")
            time.sleep(_POLL_S)

    def sleep(self, seconds: float) -> None:
        """Wait, watching all parts. Raises `PartFailed`."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, 0.25))

    def stop(self, name: str) -> None:
        """End one part for good."""
        self._parts.pop(name).stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for part in reversed(list(self._parts.values())):
            part.stop()
        self._parts.clear()
