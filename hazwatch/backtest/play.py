"""One configuration over the recordings, by the same replay that `hazwatch replay` runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hazwatch.backtest.story import Gatherer, Span, Story
from hazwatch.backtest.trace import Traces
from hazwatch.replay.feed import Feed, Instant, Tally
from hazwatch.replay.runner import Replay
from hazwatch.replay.times import Shape
from schemas.registry import Revision


@dataclass(slots=True)
class Played:
    """What came of one configuration: what it said, when the recording began and ended for its tags (0 when it knows
    none of them), and the longest time without a reading. `traces` is None when nobody draws them."""

    gatherer: Gatherer
    tally: Tally
    traces: Traces | None = None
    first_ns: int = 0
    last_ns: int = 0
    gap_ns: int = 0


def play(revision: Revision, files: Sequence[Path], shape: Shape, tally: Tally, *, traced: bool = False) -> Played:
    """Replay the files. Raises `RecordingError`."""
    played = Played(Gatherer(), tally, Traces(revision.tags) if traced else None)
    instants = Feed(files, shape, revision.tags, tally).instants()
    for one in Replay(revision).play(_watched(instants, played)):
        played.gatherer.hear(one)
    return played


def stories(old: Played, new: Played) -> tuple[Story, Story]:
    """Both over the same span: the recording as far as either knows its tags, and the delays that ran out behind it."""
    begin = min(one.first_ns for one in (old, new) if one.first_ns)
    end = max(max(one.last_ns, one.gatherer.last_ns) for one in (old, new))
    span = Span(begin, end)
    return old.gatherer.story(span), new.gatherer.story(span)


def _watched(instants: Iterable[Instant], played: Played) -> Iterator[Instant]:
    for instant in instants:
        if played.last_ns:
            played.gap_ns = max(played.gap_ns, instant.append_ns - played.last_ns)
        else:
            played.first_ns = instant.append_ns
        played.last_ns = instant.append_ns
        if played.traces is not None:
            played.traces.add(instant)
        yield instant
