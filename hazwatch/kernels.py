"""The kernels of the rules, compiled at installation (`python -m hazwatch.kernels`) or before the first start is ready.

It takes a second or two of a core for each rule kind, so every core takes a part of the kinds. What was compiled lies
in the folder that `rules.compiling` has chosen.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rules.compiling import CACHE_FOLDER, sources_digest
from rules.engine import warm_up
from rules.kinds import kinds

MOST = 8
"""So many processes at once: each holds the compiler, some 200 MB."""


def compile_kernels() -> None:
    """Compile what is not compiled yet, on every core. Where nothing can be kept on disk each start does it alone."""
    if CACHE_FOLDER is None or _mark(CACHE_FOLDER).exists():
        return
    names = list(kinds())
    # `limits` brings what all share (admission, the machine), which the others then find on disk
    warm_up(["limits"])
    parts = [names[n :: _cores()] for n in range(_cores())]
    workers = [_worker(part) for part in parts[1:] if part]
    warm_up(parts[0])
    failed = [worker.args for worker in workers if worker.wait() != 0]
    if not failed:
        _mark(CACHE_FOLDER).touch()


def _worker(names: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "hazwatch.kernels", *names], stdin=subprocess.DEVNULL)


def _cores() -> int:
    return max(1, min(MOST, len(os.sched_getaffinity(0))))


def _mark(folder: Path) -> Path:
    return folder / f"complete-{sources_digest()}"


if __name__ == "__main__":
    if sys.argv[1:]:
        warm_up(sys.argv[1:])
    else:
        compile_kernels()
