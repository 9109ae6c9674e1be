"""A server process that a test starts, breaks and ends; what all real parts have in common.

The process is tied to the test run twice: the kernel kills it when the run dies (`PR_SET_PDEATHSIG`, set by `setpriv`
after it has dropped privileges, because a change of user clears it), and `close` kills its whole tree.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Self

from tests.parts import PartMissing
from tests.parts.net import free_port, listens, wait_until

_forker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="forker")
"""The death signal follows the *thread* that forked, so one thread that lives as long as the run forks them all; tests
may then start a server from any thread, for instance by `asyncio.to_thread`."""


class ServerFailed(Exception):
    """A server did not start; the message holds the end of its log."""


def descendants(pid: int) -> list[int]:
    """The processes below `pid`, parents first."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):
            for child in task.read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def state(pid: int) -> str:
    """The kernel's letter for the state of a process: `T` is stopped; `X` here also stands for one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def alive(pid: int) -> bool:
    """Whether the process exists and has not ended (one that has ended may wait for its parent to notice)."""
    return state(pid) not in "ZX"


def require_program(part: str, program: str, package: str) -> str:
    """The path of an installed program; `PartMissing` when there is none."""
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if path is None:
        raise PartMissing(part, f"there is no program {program} (apt-get install {package})")
    return path


def run_as(user: str | None) -> list[str]:
    """The start of a command that runs as `user` (None: as we are), with the group of that user alone."""
    if user is None:
        return ["setpriv"]
    entry = pwd.getpwnam(user)
    return ["setpriv", "--reuid", str(entry.pw_uid), "--regid", str(entry.pw_gid), "--clear-groups"]


class Server(ABC):
    """One server on 127.0.0.1 with a data directory of its own. `close` (or `with`) ends it and deletes the data.

    Methods block until done; in an async test call the long ones through `asyncio.to_thread`.
    """

    name: ClassVar[str]
    ready_s: ClassVar[float] = 60.0
    stop_s: ClassVar[float] = 20.0
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, *, user: str | None = None) -> None:
        self.port = free_port()
        self.user = user
        self.home = Path(tempfile.mkdtemp(prefix=f"hazwatch-{self.name}-"))
        self.log = self.home / "server.log"
        self._prepared = False
        self._popen: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def argv(self) -> Sequence[str]:
        """The command that starts the server; called before every start."""

    def prepare(self) -> None:
        """Lay out the data directory; called once, before the first start."""
        if self.user:
            shutil.chown(self.home, self.user)

    def env(self) -> Mapping[str, str]:
        """The server's environment."""
        return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(self.home)}

    def answers(self) -> bool:
        """Whether the server serves; asked only once the process is known to hold its port. May raise OSError."""
        return True

    @property
    def pid(self) -> int:
        if self._popen is None:
            raise ServerFailed(f"{self.name} was not started")
        return self._popen.pid

    @property
    def running(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def start(self) -> Self:
        """Start the server and wait until this very process answers on its port."""
        if self.running:
            raise ServerFailed(f"{self.name} runs already")
        if not self._prepared:
            self.prepare()
            self._prepared = True
        self._popen = _forker.submit(self._spawn).result()
        wait_until(self._ready, f"{self.name} answers on port {self.port}", within_s=self.ready_s, retry=(OSError,))
        return self

    def stop(self) -> None:
        """Ask the server to end and wait; the data stays. Kills it and raises when it does not end in time."""
        if self._popen is None or not self.running:
            return
        self.resume()
        self._popen.send_signal(self.stop_signal)
        try:
            self._popen.wait(self.stop_s)
        except subprocess.TimeoutExpired:
            self.kill9()
            raise ServerFailed(f"{self.name} did not end in {self.stop_s} s and was killed\n{self.tail()}") from None

    def kill9(self) -> None:
        """Kill the whole process tree without warning, paused or not; the data stays as it is.

        Everything stands still first, so that no process sees another die and has time to tidy up.
        """
        if self._popen is None or not self.running:
            return
        killed = self.pause()
        for pid in killed:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._popen.wait()
        wait_until(lambda: not any(map(alive, killed)), f"the killed processes of {self.name} are gone")

    def restart(self) -> Self:
        """Stop if running, and start on the same port and data."""
        self.stop()
        return self.start()

    def pause(self) -> set[int]:
        """Freeze every process of the server: connections stay open and nothing answers. Returns their ids."""
        stopped = self._signal_tree(signal.SIGSTOP)
        wait_until(lambda: all(state(pid) in "TZX" for pid in stopped), f"every process of {self.name} stands still")
        return stopped

    def resume(self) -> None:
        """End a `pause`; harmless otherwise."""
        self._signal_tree(signal.SIGCONT)

    def close(self) -> None:
        """Kill the server and delete its data."""
        self.kill9()
        shutil.rmtree(self.home)

    def tail(self, lines: int = 30) -> str:
        """The end of the server's log."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return "(no log)"

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*run_as(self.user), "--pdeathsig", "KILL", *self.argv()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.home,
                env=dict(self.env()),
                start_new_session=True,
            )

    def _ready(self) -> bool:
        if not self.running:
            raise ServerFailed(f"{self.name} ended while starting\n{self.tail()}")
        return listens(self.pid, self.port) and self.answers()

    def _signal_tree(self, sig: signal.Signals) -> set[int]:
        """Signal every process, again until no new one appears: a parent may fork while its children are walked."""
        signalled: set[int] = set()
        while self.running:
            fresh = [pid for pid in (self.pid, *descendants(self.pid)) if pid not in signalled]
            if not fresh:
                break
            for pid in fresh:
                with suppress(ProcessLookupError):
                    os.kill(pid, sig)
            signalled.update(fresh)
        return signalled
