"""Recordings as records of a partition: one batch per instant, and the seconds that pass between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hazwatch.replay.recording import RecordingError, Rows, Shape, read_rows
from schemas.batch import Batch, batch
from schemas.quality import Quality
from schemas.registry import Tag
from schemas.time import SECOND


@dataclass(frozen=True, slots=True)
class Instant:
    """Readings that a recording has for one instant of its time."""

    append_ns: int
    readings: Batch


def instants(
    files: Sequence[Path],
    shape: Shape,
    tags: Iterable[Tag],
    unknown: Callable[[str], None],
    progress: Callable[[int], None] = lambda size: None,
) -> Iterator[Instant]:
    """The readings of the files in their order, grouped by the recording's time.

    The recording's time never goes back: a row whose time is older than one before it is a late reading. Names that are
    no tags go to `unknown`, once each. A value that the tag lists as bad counts as missing.
    """
    known = {tag.name: tag for tag in tags if not tag.retired}
    told: set[str] = set()
    now_ns = 0
    for file in files:
        for rows in read_rows(file, shape):
            progress(rows.bytes_read)
            numbers = _numbers(rows.names, known, told, unknown)
            keep = numbers >= 0
            if not keep.any():
                continue
            value, quality = _judged(rows, numbers, keep, {tag.number: tag for tag in known.values()})
            times, numbers = rows.time_ns[keep], numbers[keep]
            arrival = np.maximum.accumulate(np.maximum(times, now_ns))
            edges = np.flatnonzero(np.diff(arrival)) + 1
            for part in np.split(np.arange(len(times)), edges):
                yield Instant(int(arrival[part[0]]), batch(numbers[part], times[part], value[part], quality[part]))
            now_ns = int(arrival[-1])
    if now_ns == 0:
        raise RecordingError([f"{', '.join(map(str, files))}: no row names a tag of the configuration"])


def _numbers(
    names: Sequence[str], known: dict[str, Tag], told: set[str], unknown: Callable[[str], None]
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    by_name = {name: known[name].number if name in known else -1 for name in set(names)}
    for name in sorted(name for name, number in by_name.items() if number < 0 and name not in told):
        told.add(name)
        unknown(name)
    return np.fromiter((by_name[name] for name in names), np.int64, len(names))


def _judged(
    rows: Rows,
    numbers: np.ndarray[tuple[int], np.dtype[np.int64]],
    keep: np.ndarray[tuple[int], np.dtype[np.bool_]],
    tags: dict[int, Tag],
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.int16]]]:
    """Values and qualities of the kept rows, with the tags' bad values taken out."""
    value, quality, kept = rows.value[keep].copy(), rows.quality[keep].copy(), numbers[keep]
    for number in np.unique(kept).tolist():
        bad = tags[number].bad_values
        if bad:
            missing = (kept == number) & np.isin(value, np.array(bad))
            value[missing] = np.nan
            quality[missing] = Quality.NO_VALUE
    return value, quality


@dataclass(frozen=True, slots=True)
class Delays:
    """What can fall due while nothing is recorded: delays of limits, and the silences that count as stale, in ns."""

    longest_ns: int
    silences_ns: tuple[int, ...]

    @property
    def all_ns(self) -> int:
        """After this nothing new can fall due."""
        return self.longest_ns + max(self.silences_ns, default=0)


def moments_between(
    before_ns: int, after_ns: int, delays: Delays, anything_active: Callable[[], bool]
) -> Iterator[int]:
    """When time must pass between two instants, so that timers fire as they would have lived.

    Every second until all delays have run out; at each silence that counts, to the second; in between in steps of an
    eighth of the silence, and of at most 30 s while an alarm stands, so that it is said again.
    """
    stops = sorted(before_ns + silence + SECOND for silence in delays.silences_ns)
    at = before_ns + SECOND
    while at < after_ns:
        yield at
        silence = at - before_ns
        step = SECOND if silence < delays.longest_ns else max(SECOND, silence // 8)
        following = at + (min(step, 30 * SECOND) if anything_active() else step)
        at = next((stop for stop in stops if at < stop < following), following)
