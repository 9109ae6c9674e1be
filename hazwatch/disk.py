"""Whether the disk still has room: a full one ends appends, and with them alarms."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from hazwatch.faults import Fault, Faults

LOOK_S = 10.0
LOW_BYTES = 1 << 30
"""Four times what the embedded log needs to go on (256 MB), so that there is time to act."""


def free_bytes(place: Path) -> int:
    """What an ordinary user may still write there."""
    return shutil.disk_usage(place).free


async def watch_disk(place: Path, faults: Faults, *, low_bytes: int = LOW_BYTES, look_s: float = LOOK_S) -> None:
    """A fault while less than `low_bytes` are free at `place`, for ever. A thread looks: a disk may hang."""
    faults.watch(Fault.DISK, str(place))
    while True:
        free = await asyncio.to_thread(free_bytes, place)
        if free < low_bytes:
            faults.stand(Fault.DISK, str(place), f"{free >> 20} MB")
        elif free > low_bytes * 1.1:
            faults.end(Fault.DISK, str(place))
        await asyncio.sleep(look_s)
