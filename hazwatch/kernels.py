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


def compile_kernels() -> bool:
    """Compile what is not compiled yet, on every core; False where that failed for some kind, which is told. Where
    nothing can be kept on disk each start does it alone."""
    if CACHE_FOLDER is None or _mark(CACHE_FOLDER).exists():
        return True
    names = list(kinds())
    # `limits` brings what all share (admission, the machine), which the others then find on disk
    warm_up(["limits"])
    parts = [names[n :: _cores()] for n in range(_cores())]
    workers = [_worker(part) for part in parts[1:] if part]
    done = [_warmed(parts[0]), *(worker.wait() == 0 for worker in workers)]
    if all(done):
        _mark(CACHE_FOLDER).touch()
    return all(done)


def _warmed(names: Sequence[str]) -> bool:
    broken = warm_up(names)
    for kind, why in broken.items():
        print(f"the kernel of rule kind {kind} does not work: {why}", file=sys.stderr)
    return not broken


def _worker(names: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "hazwatch.kernels", *names], stdin=subprocess.DEVNULL)


def _cores() -> int:
    return max(1, min(MOST, len(os.sched_getaffinity(0))))


def _mark(folder: Path) -> Path:
    return folder / f"complete-{sources_digest()}"


if __name__ == "__main__":
    sys.exit(0 if (_warmed(sys.argv[1:]) if sys.argv[1:] else compile_kernels()) else 1)
