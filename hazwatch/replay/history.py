"""What the historian holds, as a recording: the rows of a stretch of time in the order of their event times.

The history knows when a reading was taken, not when it came. So a replay of it is that of a plant whose readings all
came in time: what was late then is in its place here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from typing import TypeVar

import numpy as np

from hazwatch.clock import SystemClock
from hazwatch.replay.csvfile import RecordingError
from hazwatch.replay.recording import Rows
from historian.config import HistorianConfig
from historian.errors import HistoryError
from historian.reader import Reader
from schemas.batch import Batch
from schemas.time import MS

T = TypeVar("T")


def history_rows(
    url: str,
    config: HistorianConfig,
    names: Collection[str],
    start_ns: int,
    end_ns: int,
    progress: Callable[[int], None] = lambda ms: None,
) -> Iterator[Rows]:
    """The readings in [start, end) of the tags called `names`; `progress` hears how many ms were passed meanwhile.

    A name that was given to another tag when its first one retired stands for both. Raises `RecordingError`.
    """
    with asyncio.Runner() as runner:
        reader = Reader(url, config, SystemClock())
        try:
            numbers = {number: name for number, name in runner.run(reader.tags()) if name in names}
            if not numbers:
                raise RecordingError([f"the history knows none of the tags {', '.join(sorted(names)[:8])}"])
            pieces = reader.export(start_ns, end_ns, sorted(numbers))
            told_ns = start_ns
            while (piece := runner.run(_next(pieces))) is not None:
                yield _rows(piece, numbers)
                newest_ns = int(piece.event_ns[-1])
                progress((newest_ns - told_ns) // MS)
                told_ns = newest_ns
            progress((end_ns - told_ns) // MS)
        except HistoryError as error:
            raise RecordingError([str(error)]) from None
        finally:
            runner.run(reader.close())


async def _next(pieces: AsyncIterator[T]) -> T | None:
    return await anext(pieces, None)


def _rows(piece: Batch, numbers: Mapping[int, str]) -> Rows:
    known = np.array(sorted(numbers), np.int32)
    names = tuple(numbers[number] for number in known.tolist())
    value, quality = piece.value.copy(), piece.quality.copy()  # what is judged is written to
    return Rows(piece.event_ns, np.searchsorted(known, piece.tag).astype(np.int32), value, quality, names)
