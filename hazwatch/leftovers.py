"""Processes of an earlier run whose supervisor was killed: on their way out, and given time to get there."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from hazwatch import runfiles

log = logging.getLogger(__name__)
PATIENCE_S = 10.0
"""As long as a stop may take."""


async def wait_for_leftovers(root: Path, patience_s: float = PATIENCE_S) -> None:
    """Until no process of this data directory is left, nor its run file; past the patience they are killed.

    To be called by whoever holds the data directory's lock: then whatever still lives has lost its supervisor, and the
    kernel has told it so. A port that it holds would otherwise look taken.
    """
    deadline = time.monotonic() + patience_s
    told = False
    while left := runfiles.living(root):
        names = ", ".join(f"{one.role} ({one.pid})" for one in left)
        if not told:
            log.warning("waiting for processes of an earlier run to end: %s", names)
            told = True
        if time.monotonic() > deadline:
            log.error("these processes of an earlier run do not end and are killed: %s", names)
            for one in left:
                with suppress(ProcessLookupError):
                    os.kill(one.pid, signal.SIGKILL)
            deadline = time.monotonic() + 1.0
        await asyncio.sleep(0.05)
    runfiles.clear(root)
