"""Compiled loops, and where their machine code is kept.

A kernel is a plain Python function over numpy arrays; numba compiles it at its first call and keeps the result on disk,
so that only the first start after an upgrade pays (see `rules.engine.warm_up`). The uncompiled function is the oracle
of the tests: `NUMBA_DISABLE_JIT=1` runs everything without numba.

Numba looks at the file of a kernel to see whether its cache is fresh, but not at the files of the kernels that it
calls, nor at those of constants. So the machine code of a file lies in a folder that carries a digest of the file and
of all files of `rules` and `schemas` that it imports: a changed helper can never leave an old machine code behind, and
a changed kind leaves the others alone.
These folders lie in `NUMBA_CACHE_DIR` if that is set, else beside the package, else in the user's cache, else in the
temporary folder; where nothing can be written, kernels are compiled at every start.
"""

from __future__ import annotations

import ast
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba

_PACKAGE = Path(__file__).parent
_ROOMS = ("rules", "schemas")
"""Kernels are made of functions of the first and constants of both."""


def sources_digest() -> str:
    """16 hex digits over every source file that a kernel may be made of, and the version of numba."""
    return _digest(file for room in _ROOMS for file in (_PACKAGE.parent / room).rglob("*.py"))


@cache
def _digest_of(file: Path) -> str:
    """The same over a file and all that it imports of these rooms, directly or not."""
    known: set[Path] = set()
    ahead = [file]
    while ahead:
        one = ahead.pop()
        if one not in known:
            known.add(one)
            ahead += _imported(one)
    return _digest(known)


def _digest(files: Iterable[Path]) -> str:
    digest = sha256(numba.__version__.encode())
    for file in sorted(files):
        digest.update(str(file.relative_to(_PACKAGE.parent) if file.is_relative_to(_PACKAGE.parent) else file).encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


@cache
def _imported(file: Path) -> tuple[Path, ...]:
    """The files of these rooms that a file names in its imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    found = (_PACKAGE.parent.joinpath(*name.split(".")) for name in names if name.split(".")[0] in _ROOMS)
    places = (place for stem in found for place in (stem.with_suffix(".py"), stem / "__init__.py"))
    return tuple(place for place in places if place.is_file())


def _bases() -> Iterator[Path]:
    if given := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(given)
    yield _PACKAGE / "__pycache__"
    yield Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "hazwatch"
    yield Path(tempfile.gettempdir()) / f"hazwatch-{os.getuid()}"


def _cache_folder() -> Path | None:
    for base in _bases():
        folder = base / "kernels"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    return None


CACHE_FOLDER = _cache_folder()


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` for the types of its first call, without the interpreter lock.

    It may make no array of its own (numba says so: "NRT required but not enabled"), so numba need not count who holds
    the arrays that it is given; over all the small functions of a kind that counting takes most of the time.
    """
    return _compiled(function, counts=False)


def scratch_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same for one that makes arrays, which costs it and its own calls the counting: leave what is small and called
    for every row to kernels."""
    return _compiled(function, counts=True)


def _compiled(function: Callable[..., Any], counts: bool) -> Callable[..., Any]:
    if CACHE_FOLDER is not None:  # numba reads it when the kernel is made
        folder = CACHE_FOLDER / _digest_of(Path(function.__code__.co_filename))
        numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
    options: dict[str, Any] = {"_nrt": counts}  # an option that numba's type hints leave out
    made: Callable[..., Any] = numba.njit(nogil=True, cache=CACHE_FOLDER is not None, **options)(function)
    return made
