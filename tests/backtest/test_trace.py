"""The drawn values: lowest and highest of each bin, however long the recording is."""

from __future__ import annotations

import numpy as np
import pytest

from hazwatch.backtest.trace import Traces
from hazwatch.replay.feed import Instant
from schemas.batch import batch
from schemas.quality import Quality
from schemas.time import SECOND
from tests.backtest.stories import START, instants
from tests.replay.recordings import tag

TAGS = [tag("A", 3), tag("B", 9)]


@pytest.mark.parametrize("held", [1, 7, 10_000])
def test_against_plain_python(held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rows are worked off at once, the bins are the same."""
    monkeypatch.setattr("hazwatch.backtest.trace.HELD_ROWS", held)
    random = np.random.default_rng(1)
    seconds = np.cumsum(random.integers(1, 40, 300))
    rows = [(float(s), int(random.choice([3, 9])), float(np.float32(random.normal()))) for s in seconds]
    traces = Traces(TAGS, bins=20)
    for instant in instants(*rows):
        traces.add(instant)
    for name, number in (("A", 3), ("B", 9)):
        trace = traces.of(name)
        assert trace is not None
        assert trace.width_ns * 20 > (seconds[-1] - seconds[0]) * SECOND >= trace.width_ns * 10
        first = START + int(seconds[0]) * SECOND
        for begin, low, high in zip(trace.begin_ns, trace.low, trace.high, strict=True):
            assert (begin - first) % trace.width_ns == 0
            held_values = [v for s, n, v in rows if n == number and 0 <= START + s * SECOND - begin < trace.width_ns]
            assert (low, high) == (min(held_values), max(held_values))


def test_bad_values_and_strangers_have_no_trace() -> None:
    traces = Traces(TAGS)
    traces.add(Instant(START, batch([3, 9], [START] * 2, [float("nan"), 1.0], [Quality.NO_VALUE, Quality.BAD])))
    assert (traces.of("A"), traces.of("B"), traces.of("C")) == (None, None, None)


def test_no_tags_at_all() -> None:
    assert Traces([]).of("A") is None
