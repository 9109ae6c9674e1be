"""The clocks of the edges. The folds have none: their time is in the records."""

from __future__ import annotations

import time


class SystemClock:
    """Wall time for what people and records see, monotonic time for deadlines."""

    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()
