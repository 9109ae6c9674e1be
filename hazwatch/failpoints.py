"""Named places where a test may kill the process, to prove that a restart loses nothing and doubles nothing.

`HAZWATCH_FAILPOINT=name:hit:marker` kills the process with SIGKILL the `hit`-th time it passes `name`, unless the file
`marker` exists; the marker is made first, so that a restarted process goes on. Several are separated by `;`. Whoever
makes the markers beforehand arms a point of a running system by deleting its marker. Without the variable a fail point
costs one call.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

NAMES = ("after-append", "after-mqtt-ack", "mid-fold", "after-events", "after-alarms", "before-send", "after-send")


def failpoint_from_environment() -> Callable[[str], None]:
    """The hook that every role is given."""
    text = os.environ.get("HAZWATCH_FAILPOINT", "")
    if not text:
        return lambda name: None
    left: dict[str, int] = {}
    markers: dict[str, Path] = {}
    for one in text.split(";"):
        name, hit, marker = one.split(":", 2)
        if name not in NAMES:
            raise ValueError(f"HAZWATCH_FAILPOINT names {name!r}; the fail points are {', '.join(NAMES)}")
        left[name], markers[name] = int(hit), Path(marker)

    def failpoint(reached: str) -> None:
        marker = markers.get(reached)
        if marker is None or marker.exists():
            return
        left[reached] -= 1
        if left[reached] <= 0:
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    return failpoint
