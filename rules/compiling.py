"""Compiled loops, and where their machine code is kept.

A kernel is a plain Python function over numpy arrays; numba compiles it at its first call and keeps the result on disk,
so that only the first start after an upgrade pays (see `rules.engine.warm_up`). The uncompiled function is the oracle
of the tests: `NUMBA_DISABLE_JIT=1` runs everything without numba.

Numba looks at the file of a kernel to see whether its cache is fresh, but not at the files of the kernels that it
calls. So the folder of the cache carries a digest of all sources of this package: a changed helper can never leave an
old machine code behind. The folder lies in `NUMBA_CACHE_DIR` if that is set, else beside the package, else in the
user's cache, else in the temporary folder; where nothing can be written, kernels are compiled at every start.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba

_PACKAGE = Path(__file__).parent


def sources_digest() -> str:
    """16 hex digits over every source file of `rules` and the version of numba."""
    digest = sha256(numba.__version__.encode())
    for file in sorted(_PACKAGE.rglob("*.py")):
        digest.update(file.relative_to(_PACKAGE).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _bases() -> Iterator[Path]:
    if given := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(given)
    yield _PACKAGE / "__pycache__"
    yield Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "hazwatch"
    yield Path(tempfile.gettempdir()) / f"hazwatch-{os.getuid()}"


def _cache_folder() -> Path | None:
    for base in _bases():
        folder = base / f"kernels-{sources_digest()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    return None


CACHE_FOLDER = _cache_folder()
if CACHE_FOLDER is not None:
    numba.config.CACHE_DIR = str(CACHE_FOLDER)  # type: ignore[attr-defined]


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` for the types of its first call, without the interpreter lock."""
    compiled: Callable[..., Any] = numba.njit(nogil=True, cache=CACHE_FOLDER is not None)(function)
    return compiled
