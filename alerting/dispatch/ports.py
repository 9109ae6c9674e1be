"""What a dispatcher needs from the rest of the house."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from alerting.outbox import Entry
from alerting.sending import Delivery, Sent, Verdict
from schemas.alarms import Notice, Receipt


class Channel(Protocol):
    """A way to people or systems. `send` tries once within its own deadline and never raises."""

    async def send(self, delivery: Delivery) -> Sent: ...

    async def close(self) -> None: ...


class ReceiptLog(Protocol):
    """Where receipts go: the partition of `events` whose book the dispatcher follows."""

    async def append(self, receipt: Receipt) -> int:
        """Append and return the record's offset once it is durable. Raises `eventlog.port.LogError`."""
        ...


class OutboxView(Protocol):
    """The book's outbox as it stands. Read only, on the loop that folds."""

    def get(self, notice: str) -> Entry | None: ...

    def __iter__(self) -> Iterator[Entry]: ...


class Clock(Protocol):
    def now_ns(self) -> int:
        """Wall time, for what people and receipts see."""
        ...

    def monotonic_ns(self) -> int:
        """Time for deadlines, on the same scale as the event loop's."""
        ...


class Meter(Protocol):
    """Where the dispatcher counts."""

    def outcome(self, channel: str, verdict: Verdict) -> None:
        """An attempt ended."""

    def accepted(self, notice: Notice, at_ns: int) -> None:
        """A channel took the notice, at this wall time."""


class NoMeter:
    """Counts nothing."""

    def outcome(self, channel: str, verdict: Verdict) -> None:
        """Nothing."""

    def accepted(self, notice: Notice, at_ns: int) -> None:
        """Nothing."""
