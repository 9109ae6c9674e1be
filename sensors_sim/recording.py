"""A scenario as files, as fast as it can be computed: the values (CSV or Parquet, a column per tag), and what happened.

The values are those that the instruments say; a cell is empty where an instrument does not read at that moment, is
silent or is cut off. What a gateway does to messages (its clock, floods, history) is not in a recording. Two kinds of
events can be had as `start,end,label`, for `hazwatch backtest --events`: what went wrong (the scenario's own faults),
and where it led (the outermost limit of a tag crossed by what its instrument said).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from sensors_sim.faults import Shown
from sensors_sim.scenario import Scenario
from sensors_sim.taglist import Instrument

BLOCK_ROWS = 4096
SAME_TRIP_S = 3600.0
"""A limit that is crossed again sooner is the same event."""
PARQUET, CSV = ".parquet", ".csv"


@dataclass(frozen=True, slots=True)
class Happened:
    """Seconds since 1970."""

    start_s: float
    end_s: float
    label: str


def faults(scenario: Scenario, begin_s: float, end_s: float) -> list[Happened]:
    """What goes wrong in a scenario played once from `begin_s` to `end_s`, in order of its start."""
    found = [
        Happened(begin_s + upset.start_s, begin_s + upset.start_s + upset.duration_s, upset.label or upset.knob)
        for upset in scenario.upset
    ]
    for table in scenario.effect:
        start = begin_s + table["start_s"]
        found.append(Happened(start, start + table["duration_s"], table.get("label") or table["kind"]))
    inside = [Happened(one.start_s, min(one.end_s, end_s), one.label) for one in found if one.start_s < end_s]
    return sorted(inside, key=lambda one: (one.start_s, one.end_s, one.label))


def write_events(file: Path, events: Iterable[Happened]) -> None:
    """`start,end,label`, times in ISO 8601."""
    with file.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(("start", "end", "label"))
        for one in events:
            rows.writerow((*_iso(np.array([one.start_s, one.end_s])), one.label))


class Trips:
    """Watches what instruments say for their outermost limits."""

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self._names = [tag.name for tag in instruments]
        outer = [(tag.low if tag.low_low is None else tag.low_low) for tag in instruments]
        self._low = np.array([-np.inf if limit is None else limit for limit in outer])
        outer = [(tag.high if tag.high_high is None else tag.high_high) for tag in instruments]
        self._high = np.array([np.inf if limit is None else limit for limit in outer])
        self._open: dict[tuple[int, str], Happened] = {}
        self._over: list[Happened] = []

    def see(self, now_s: float, said: npt.NDArray[np.float64]) -> None:
        """The values at `now_s`, NaN where there is none."""
        for side, beyond in (("high", said >= self._high), ("low", said <= self._low)):
            for i in np.flatnonzero(beyond).tolist():
                before = self._open.get((i, side))
                start = now_s
                if before is not None:
                    if now_s - before.end_s <= SAME_TRIP_S:
                        start = before.start_s
                    else:
                        self._over.append(before)
                self._open[i, side] = Happened(start, now_s, f"{self._names[i]} {side}")

    def found(self) -> list[Happened]:
        """In order of their start."""
        return sorted([*self._over, *self._open.values()], key=lambda one: (one.start_s, one.label))


def write(
    file: Path, instruments: Sequence[Instrument], moments: Iterable[tuple[float, Shown]], every_s: float, trips: Trips
) -> int:
    """Write a recording; the suffix says the format. Returns the number of rows. `every_s`: leave out what lies between
    (0: every moment that has a reading). Raises OSError."""
    names = [tag.name for tag in instruments]
    rows = 0
    columns = [pa.field(name, pa.float64()) for name in names]
    if file.suffix == PARQUET:
        schema = pa.schema([pa.field("time", pa.timestamp("ms", "UTC")), *columns])
        with parquet.ParquetWriter(file, schema) as out:
            for times, values in _blocks(instruments, moments, every_s, trips):
                stamps = pa.array(np.round(times * 1000).astype("datetime64[ms]"), schema[0].type)
                out.write_batch(pa.record_batch([stamps, *_cells(values)], schema))
                rows += len(times)
        return rows
    schema = pa.schema([pa.field("time", pa.string()), *columns])
    options = arrow_csv.WriteOptions(include_header=False, quoting_style="none")
    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(schema.names)
    with file.open("wb") as raw, arrow_csv.CSVWriter(raw, schema, write_options=options) as text:
        raw.write(header.getvalue().encode())
        for times, values in _blocks(instruments, moments, every_s, trips):
            text.write_batch(pa.record_batch([pa.array(_iso(times)), *_cells(values)], schema))
            rows += len(times)
    return rows


def _blocks(
    instruments: Sequence[Instrument], moments: Iterable[tuple[float, Shown]], every_s: float, trips: Trips
) -> Iterator[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    """Times of shape (r,) and values of shape (r, n), NaN where there is no reading."""
    period_s = np.maximum(1.0, np.round([tag.period_s for tag in instruments]))
    enterprises = [tag.enterprise for tag in instruments]
    times: list[float] = []
    block: list[npt.NDArray[np.float64]] = []
    for now_s, shown in moments:
        absent = (np.round(now_s) % period_s != 0) | shown.missing
        if shown.offline:
            absent |= np.array([name in shown.offline for name in enterprises])
        said = np.where(absent, np.nan, shown.value)
        trips.see(now_s, said)
        if absent.all() or (every_s and round(now_s) % every_s):
            continue
        times.append(now_s)
        block.append(np.asarray(np.round(said, 6), np.float64))
        if len(block) == BLOCK_ROWS:
            yield np.array(times), np.array(block)
            times, block = [], []
    if block:
        yield np.array(times), np.array(block)


def _cells(values: npt.NDArray[np.float64]) -> list[pa.Array]:
    return [pa.array(column, pa.float64(), from_pandas=True) for column in values.T]


def _iso(times_s: npt.NDArray[np.float64]) -> list[str]:
    stamps = np.round(times_s).astype("datetime64[s]")
    return [f"{stamp}Z" for stamp in np.datetime_as_string(stamps).tolist()]
