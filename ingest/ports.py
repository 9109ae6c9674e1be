"""What ingest asks of those who run it."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Time, read only at the edge."""

    def now_ns(self) -> int:
        """Wall time in ns since 1970 UTC."""
        ...

    def monotonic_ns(self) -> int:
        """A clock that never steps, in ns."""
        ...


class Metrics(Protocol):
    """Where numbers about ingest go. Called on the event loop; must not block or raise.

    Counters: `hazwatch_messages_total(source)`, `hazwatch_readings_total(source)`, `hazwatch_rejected_total(source,
    reason)`. Gauges: `hazwatch_ingest_in_flight`, `hazwatch_mqtt_connected`, `hazwatch_log_reachable`. Histogram:
    `hazwatch_ingest_append_seconds`.
    """

    def count(self, name: str, amount: float = 1, **labels: str) -> None: ...

    def gauge(self, name: str, value: float, **labels: str) -> None: ...

    def observe(self, name: str, value: float, **labels: str) -> None: ...
