"""What the chain guard of an alarm process sees: whether anybody evaluates, and whether the log answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from alerting.chainwatch import ChainFault
from eventlog.port import Record
from hazwatch.clock import Clock
from hazwatch.folding import EVALUATOR
from schemas.records import Kind
from schemas.time import SECOND

BEAT = f'"by":"{EVALUATOR}'.encode()


class Heard:
    """When a partition of `events` last heard of an evaluator; they beat every second (see `hazwatch.evaluator`)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._evaluator_ns = clock.monotonic_ns()
        self._log_down_ns: int | None = None

    def reachable(self, up: bool) -> None:
        """The log answered, or did not."""
        if up and self._log_down_ns is not None:
            self._evaluator_ns = self._clock.monotonic_ns()
        self._log_down_ns = None if up else self._log_down_ns or self._clock.monotonic_ns()

    @property
    def log_silent_s(self) -> float:
        return 0.0 if self._log_down_ns is None else (self._clock.monotonic_ns() - self._log_down_ns) / SECOND

    def record(self, record: Record) -> None:
        """Changes and the ticks of evaluators say that somebody evaluates."""
        if record.kind == Kind.CHANGES or (record.kind == Kind.TICK and BEAT in record.value):
            self._evaluator_ns = self._clock.monotonic_ns()

    @property
    def evaluator_silent_s(self) -> float:
        return (self._clock.monotonic_ns() - self._evaluator_ns) / SECOND


class Posts(Protocol):
    """A dispatcher, as far as it knows the log."""

    @property
    def log_unreachable_s(self) -> float: ...


class ChainState:
    """`ChainProbe` over what this process sees."""

    def __init__(self, heard: Sequence[Heard], dispatchers: Sequence[Posts]) -> None:
        self._heard = heard
        self._dispatchers = dispatchers

    def silent_s(self) -> Mapping[ChainFault, float]:
        """With the log gone nobody is heard, so that is the only thing said then. A silent ingest is no business of
        this guard: the rules miss its heartbeats and raise a link fault, which is routed like any alarm."""
        log_s = max(*(d.log_unreachable_s for d in self._dispatchers), *(h.log_silent_s for h in self._heard))
        if log_s > 0:
            return {ChainFault.LOG: log_s}
        return {ChainFault.EVALUATOR: max(h.evaluator_silent_s for h in self._heard)}


class LogAway:
    """`ChainProbe` of a process that starts while the log cannot be reached."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since_ns = clock.monotonic_ns()

    def silent_s(self) -> Mapping[ChainFault, float]:
        return {ChainFault.LOG: (self._clock.monotonic_ns() - self._since_ns) / SECOND}
