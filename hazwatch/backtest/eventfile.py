"""The file of labelled events: `start,end,label`, times in ISO 8601 with an offset, or in epoch seconds or
milliseconds. A moment needs no end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from hazwatch.backtest.events import Event
from hazwatch.replay.csvfile import CsvFile, RecordingError
from hazwatch.replay.times import time_of

COLUMNS = ("start", "end", "label")


def read_events(path: Path) -> list[Event]:
    """The events in the order of their start; one without an end is a moment. Raises `RecordingError` with all that is
    wrong with the file."""
    problems: list[str] = []
    with CsvFile(path) as file:
        if missing := [name for name in COLUMNS if name not in file.names]:
            listed = ", ".join(file.names)
            raise RecordingError(
                [f"{path}: no column {name!r}; its columns are {listed}. It needs start,end,label" for name in missing]
            )
        found = [event for block in file.blocks() for event in _of_block(file, block, problems)]
    if not found and not problems:
        problems.append(f"{path}: there are no events; write one per row: start,end,label")
    if problems:
        raise RecordingError(problems)
    return sorted(found, key=lambda event: (event.start_ns, event.end_ns, event.label))


def _of_block(file: CsvFile, block: pa.RecordBatch, problems: list[str]) -> Iterator[Event]:
    cells = zip(*(block.column(name).to_pylist() for name in COLUMNS), strict=True)
    for row, (start, end, label) in enumerate(cells):
        place = file.place(block, row)
        start_ns = _time(start, f"{place}, column start", problems)
        end_ns = _time(end, f"{place}, column end", problems) if (end or "").strip() else start_ns
        if start_ns and end_ns and end_ns < start_ns:
            problems.append(f"{place}: the event ends before it starts; exchange start and end")
        yield Event(start_ns, end_ns, (label or "").strip() or f"row {place.rpartition(' ')[2]}")


def _time(text: str | None, place: str, problems: list[str]) -> int:
    try:
        return time_of((text or "").strip())
    except (ValueError, OverflowError) as error:
        cure = str(error) if "offset" in str(error) else f"{error}; write it as 2026-01-31T12:00:00+08:00 or in epoch s"
        problems.append(f"{place}: time {text or ''!r}: {cure}")
        return 0
