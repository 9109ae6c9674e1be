"""The times of a recording: ISO 8601 with an offset, epoch seconds or milliseconds, or as a `strptime` format says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hazwatch.replay.csvfile import CsvFile
from hazwatch.replay.parquetfile import ParquetFile
from schemas.time import from_iso

MOST_SECONDS = 1e11
"""A number from here on is milliseconds: as seconds it would lie in the year 5138."""
MOST_MILLISECONDS = 1e14
Times = npt.NDArray[np.int64]
RecordingFile = CsvFile | ParquetFile


@dataclass(frozen=True, slots=True)
class Shape:
    """Where the time stands: one column, or several that are joined by a blank, and their `strptime` format.

    Text without an offset is taken as UTC when a format is given, and refused without one. So is a Parquet timestamp
    without a time zone.
    """

    time_columns: tuple[str, ...] = ("time",)
    time_format: str = ""


def times_of(file: RecordingFile, block: pa.RecordBatch, shape: Shape, problems: list[str]) -> Times:
    """The times of a block in ns, shape (n,); what cannot be read is added to `problems`."""
    if (stamps := _timestamps(file, block, shape, problems)) is not None:
        return stamps
    given = [as_text(block.column(name)) for name in shape.time_columns]
    columns = [pc.utf8_trim_whitespace(pc.fill_null(column, "")) for column in given]
    text = pc.binary_join_element_wise(*columns, " ") if len(columns) > 1 else columns[0]
    if not shape.time_format:
        found = _epoch(text)
        found = _iso(text) if found is None else found
        if found is not None:
            return found
    coded = text.dictionary_encode()  # long files say every time once per tag
    which = coded.indices.to_numpy(zero_copy_only=False)
    times = np.zeros(len(coded.dictionary), np.int64)
    for i, one in enumerate(coded.dictionary.to_pylist()):
        try:
            times[i] = time_of(one, shape.time_format)
        except (ValueError, OverflowError) as error:
            rows = np.flatnonzero(which == i).tolist()
            problems += [f"{file.place(block, row)}: time {one!r}: {_cure(str(error), shape)}" for row in rows]
    return np.asarray(times[which], np.int64)


def as_text(column: pa.Array) -> pa.Array:
    """A column of whatever type as text; null stays null."""
    return column if pa.types.is_string(column.type) else column.cast(pa.string())


def _timestamps(file: RecordingFile, block: pa.RecordBatch, shape: Shape, problems: list[str]) -> Times | None:
    """A typed column of timestamps at once; None where the time is written in another way."""
    column = block.column(shape.time_columns[0])
    if len(shape.time_columns) > 1 or not pa.types.is_timestamp(column.type):
        return None
    if column.type.tz is None and not shape.time_format:
        problems.append(
            f"{file.path}: column {shape.time_columns[0]}: its timestamps have no time zone; write them with one, or "
            "give any --time-format to take them as UTC"
        )
    for row in np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False)).tolist():
        problems.append(f"{file.place(block, row)}: time is empty")
    whole = column.cast(pa.timestamp("ns", column.type.tz)).cast(pa.int64())
    return np.asarray(pc.fill_null(whole, 0).to_numpy(zero_copy_only=False), np.int64)


def _epoch(text: pa.Array) -> Times | None:
    """All of a column of numbers at once; None when it is not one, or not all of them are times."""
    try:
        number = np.asarray(text.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
    except pa.ArrowInvalid:
        return None
    if not ((number > 0) & (number < MOST_MILLISECONDS)).all():
        return None
    return _microseconds(np.where(number < MOST_SECONDS, number * 1e6, number * 1e3))


def _iso(text: pa.Array) -> Times | None:
    """All of a column of ISO 8601 texts with offsets at once; None when one of them is not so plain."""
    try:
        stamps = text.cast(pa.timestamp("ns", "UTC"))
    except pa.ArrowInvalid:
        return None
    return np.asarray(stamps.cast(pa.int64()).to_numpy(zero_copy_only=False), np.int64)


def _microseconds(number: npt.NDArray[np.float64]) -> Times:
    """A float holds today's time to less than a microsecond and not to a nanosecond: what is below is noise."""
    return np.rint(number).astype(np.int64) * 1000


def time_of(text: str, form: str = "") -> int:
    """One time in ns. Raises ValueError, OverflowError."""
    if form:
        moment = datetime.strptime(text, form)  # noqa: DTZ007 - a format without an offset is taken as UTC
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1_000_000) * 1000
    try:
        number = float(text)
    except ValueError:
        return from_iso(text)
    if not 0 < number < MOST_MILLISECONDS:
        raise ValueError("is neither epoch seconds nor milliseconds")
    return int(_microseconds(np.array([number * (1e6 if number < MOST_SECONDS else 1e3)]))[0])


def _cure(error: str, shape: Shape) -> str:
    if shape.time_format or "offset" in error:
        return error
    return f"{error}; other times need --time-format"
