"""`now` of a partition: time that a fold learns from its records alone (LAWS T1).

`now` grows by the difference of consecutive append times. A negative difference counts 0 and more than 10 s counts
10 s, so a clock of the log that is set back or forward can neither freeze a timer nor fire it early by more than that.
"""

from __future__ import annotations

from enum import StrEnum

from schemas.registry import Struct
from schemas.time import MS, SECOND

LONGEST_STEP = 10 * SECOND
"""More than this between two records counts as this much."""

BACK_TOLERANCE = 100 * MS
"""A backward step up to this counts 0 like any other but is no condition: leaders of one log differ by milliseconds."""

_MOST_TICKERS = 256


class Step(StrEnum):
    """What was wrong with the log's clock at a record."""

    BACK = "back"
    FORWARD = "forward"


class NowState(Struct, frozen=True, kw_only=True):
    """What a snapshot keeps of a `NowClock`."""

    now_ns: int = 0
    last_append_ns: int = 0
    started: bool = False
    recorded: bool = False
    tickers: dict[str, int] = {}
    awaited: tuple[str, ...] = ()
    awaited_until: int = 0


class NowClock:
    """Counts `now` over one partition. It begins at the first record's append time.

    With `recorded` (replay of a file) `now` is the recording's time: it never goes back, but no step is bounded and
    none is a condition.
    """

    __slots__ = ("_awaited", "_awaited_until", "_last_append_ns", "_recorded", "_started", "_tickers", "now_ns")

    def __init__(self, recorded: bool = False) -> None:
        self.now_ns = 0
        self._recorded = recorded
        self._started = False
        self._last_append_ns = 0
        self._tickers: dict[str, int] = {}
        self._awaited: frozenset[str] = frozenset()
        self._awaited_until = 0

    def advance(self, append_ns: int, ticker: str = "") -> Step | None:
        """Go to the next record; `ticker` is the process whose tick it is, empty for any other record.

        A forward step is told from an outage by a process that ticked on both sides of it, so it is reported at
        that process's first tick behind the step.
        """
        if not self._started:
            self._started = True
            self.now_ns = self._last_append_ns = append_ns
            self._saw(ticker)
            return None
        difference = append_ns - self._last_append_ns
        self._last_append_ns = append_ns
        if self._recorded:
            self.now_ns = max(self.now_ns, append_ns)
            return None
        found = Step.BACK if difference < -BACK_TOLERANCE else None
        if difference > LONGEST_STEP:
            recent = self.now_ns - LONGEST_STEP
            self._awaited = frozenset(name for name, at in self._tickers.items() if at >= recent)
            self._awaited_until = self.now_ns + 2 * LONGEST_STEP
        self.now_ns += min(max(difference, 0), LONGEST_STEP)
        if self._awaited and self.now_ns > self._awaited_until:
            self._awaited = frozenset()
        if ticker and ticker in self._awaited:
            self._awaited = frozenset()
            found = found or Step.FORWARD
        self._saw(ticker)
        return found

    def _saw(self, ticker: str) -> None:
        if not ticker:
            return
        self._tickers[ticker] = self.now_ns
        if len(self._tickers) > _MOST_TICKERS:
            del self._tickers[min(self._tickers, key=lambda name: (self._tickers[name], name))]

    def state(self) -> NowState:
        return NowState(
            now_ns=self.now_ns,
            last_append_ns=self._last_append_ns,
            started=self._started,
            recorded=self._recorded,
            tickers=dict(sorted(self._tickers.items())),
            awaited=tuple(sorted(self._awaited)),
            awaited_until=self._awaited_until,
        )

    @classmethod
    def of(cls, state: NowState) -> NowClock:
        """The clock that went on from `state`."""
        clock = cls(state.recorded)
        clock.now_ns = state.now_ns
        clock._last_append_ns = state.last_append_ns
        clock._started = state.started
        clock._tickers = dict(state.tickers)
        clock._awaited = frozenset(state.awaited)
        clock._awaited_until = state.awaited_until
        return clock
