"""Recordings as records of a partition: one batch per instant of their time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hazwatch.replay.recording import Rows, read_rows
from hazwatch.replay.times import Shape
from schemas.batch import Batch, concat
from schemas.quality import Quality
from schemas.registry import Tag

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Instant:
    """Readings that a recording has for one instant of its time."""

    append_ns: int
    readings: Batch


@dataclass(slots=True)
class Tally:
    """What a recording held: readings, those of bad quality by tag, those behind the recording's time, and the names
    that are no tags with their rows. `unknown` hears each of these names once, `progress` the bytes read."""

    unknown: Callable[[str], None] = lambda name: None
    progress: Callable[[int], None] = lambda size: None
    readings: int = 0
    late: int = 0
    bad: Counter[str] = field(default_factory=Counter)
    strangers: Counter[str] = field(default_factory=Counter)


class Grouping:
    """Groups the rows of a recording by its time.

    That time never goes back: a row that is older than one before it arrives late, at the time of that one. A value
    that its tag lists as bad counts as missing.
    """

    def __init__(self, tags: Iterable[Tag], tally: Tally) -> None:
        self._tags = {tag.name: tag for tag in tags if not tag.retired}
        self._tally = tally
        self._now_ns = 0

    def instants(self, blocks: Iterable[Rows]) -> Iterator[Instant]:
        """Instant by instant."""
        held: Instant | None = None  # the last one of a block may go on in the next
        for rows in blocks:
            for instant in self._of_block(rows):
                if held is not None and held.append_ns == instant.append_ns:
                    instant = Instant(held.append_ns, concat([held.readings, instant.readings]))
                elif held is not None:
                    yield held
                held = instant
        if held is not None:
            yield held

    def _of_block(self, rows: Rows) -> Iterator[Instant]:
        known = [self._tags.get(name) for name in rows.names]
        number = np.array([-1 if tag is None else tag.number for tag in known], np.int32)[rows.tag]
        self._note_strangers(rows, known)
        keep = number >= 0
        if not keep.any():
            return
        tag, time_ns, number = rows.tag[keep], rows.time_ns[keep], number[keep]
        value, quality = rows.value[keep], rows.quality[keep]
        self._judge(tag, value, quality, known)
        arrival = np.maximum.accumulate(np.maximum(time_ns, self._now_ns))
        self._now_ns = int(arrival[-1])
        self._tally.readings += len(tag)
        self._tally.late += int((time_ns < arrival).sum())
        sequence = np.zeros(len(tag), np.int64)
        edges = [0, *(np.flatnonzero(np.diff(arrival)) + 1).tolist(), len(tag)]
        starts = arrival[edges[:-1]].tolist()
        for at_ns, a, b in zip(starts, edges[:-1], edges[1:], strict=True):
            yield Instant(at_ns, Batch(number[a:b], time_ns[a:b], value[a:b], quality[a:b], sequence[a:b]))

    def _note_strangers(self, rows: Rows, known: Sequence[Tag | None]) -> None:
        rows_of = np.bincount(rows.tag, minlength=len(known)).tolist()
        for name, tag, count in zip(rows.names, known, rows_of, strict=True):
            if tag is None:
                if name not in self._tally.strangers:
                    self._tally.unknown(name)
                self._tally.strangers[name] += count

    def _judge(
        self,
        tag: npt.NDArray[np.int32],
        value: npt.NDArray[np.float64],
        quality: npt.NDArray[np.int16],
        known: Sequence[Tag | None],
    ) -> None:
        """Take out the values that a tag lists as bad, and count what is bad."""
        for i, one in enumerate(known):
            if one is not None and one.bad_values:
                missing = (tag == i) & np.isin(value, one.bad_values)
                value[missing] = np.nan
                quality[missing] = Quality.NO_VALUE
        bad = np.bincount(tag[quality >= Quality.BAD], minlength=len(known)).tolist()
        self._tally.bad.update({one.name: n for one, n in zip(known, bad, strict=True) if one is not None and n})


class Feed:
    """Reads files in their order; `instants` groups their readings by the recording's time."""

    def __init__(self, files: Sequence[Path], shape: Shape, tags: Iterable[Tag], tally: Tally) -> None:
        self._files = files
        self._shape = shape
        self._grouping = Grouping(tags, tally)
        self._tally = tally

    def instants(self) -> Iterator[Instant]:
        """Instant by instant. Raises `RecordingError`."""
        blocks = (rows for file in self._files for rows in read_rows(file, self._shape, self._tally.progress))
        return self._grouping.instants(blocks)
