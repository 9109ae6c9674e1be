"""How long the event loop is held up: whatever waits in this process waits that long at least."""

from __future__ import annotations

import asyncio
from collections import deque

from hazwatch.metrics import Metrics

STEP_S = 0.2
WINDOW = 50
"""Steps in 10 s."""


async def watch_loop(metrics: Metrics) -> None:
    """Measure for ever how late a timer fires."""
    loop = asyncio.get_running_loop()
    late: deque[float] = deque(maxlen=WINDOW)
    while True:
        due = loop.time() + STEP_S
        await asyncio.sleep(STEP_S)
        late.append(max(0.0, loop.time() - due))
        metrics.gauge("hazwatch_event_loop_lag_seconds", max(late))
