"""Recordings in CSV, long (`time,tag,value[,quality]`) or wide (a column per tag), plain, .gz or .xz.

Times are ISO 8601 with an offset, epoch seconds or milliseconds, or text in one or more columns with a `strptime`
format (taken as UTC). All that is wrong with a file is said at once, by row.
"""

from __future__ import annotations

import csv as text_csv
import gzip
import lzma
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from schemas.quality import Quality
from schemas.time import MS, SECOND, from_iso

BLOCK_BYTES = 1 << 22
SHOWN = 20


class RecordingError(ValueError):
    """A recording cannot be read; `problems` names each place."""

    def __init__(self, problems: Sequence[str]) -> None:
        shown = list(problems[:SHOWN])
        if len(problems) > SHOWN:
            shown.append(f"... and {len(problems) - SHOWN} more")
        super().__init__("\n".join(shown))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Shape:
    """How the columns are to be read."""

    time_columns: tuple[str, ...] = ("time",)
    time_format: str = ""


@dataclass(frozen=True, slots=True)
class Rows:
    """A block of a recording in file order: times in ns, tag names, values (NaN where empty), qualities."""

    time_ns: npt.NDArray[np.int64]
    names: list[str]
    value: npt.NDArray[np.float64]
    quality: npt.NDArray[np.int16]
    bytes_read: int


def open_recording(path: Path) -> IO[bytes]:
    """The uncompressed bytes of a recording."""
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.open(path, "rb"))
    if path.suffix == ".xz":
        return cast(IO[bytes], lzma.open(path, "rb"))
    return path.open("rb")


def read_rows(path: Path, shape: Shape) -> Iterator[Rows]:
    """The rows of one file, block by block. Raises `RecordingError` with the problems of the block that has some."""
    with closing(open_recording(path)) as source, _stream(path, source) as reader:
        names = reader.schema.names
        _check_columns(path, names, shape)
        first = 2
        for block in reader:
            times = _times(path, block, shape, first)
            if {"tag", "value"} <= set(names):
                yield _long(path, block, times, first)
            else:
                yield _wide(path, block, times, shape, first)
            first += block.num_rows


def _stream(path: Path, source: IO[bytes]) -> csv.CSVStreamingReader:
    """Every column as text: what a cell means is decided here, so that a bad one can be named."""
    try:
        header = source.readline().decode("utf-8-sig").strip()
        names = next(text_csv.reader([header]), [])
        return csv.open_csv(
            source,
            read_options=csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False, column_names=names),
            convert_options=csv.ConvertOptions(
                column_types={name: pa.string() for name in names},
                strings_can_be_null=True,
                null_values=["", "NA", "NaN", "nan", "null"],
            ),
        )
    except (pa.ArrowInvalid, OSError, EOFError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise RecordingError([f"{path}: not readable as CSV: {error}"]) from None


def _check_columns(path: Path, names: Sequence[str], shape: Shape) -> None:
    missing = [c for c in shape.time_columns if c not in names]
    if missing:
        raise RecordingError(
            [
                f"{path}: no column {c!r}; its columns are {', '.join(names)}. Name them with --time-columns"
                for c in missing
            ]
        )


def _times(path: Path, block: pa.RecordBatch, shape: Shape, first: int) -> npt.NDArray[np.int64]:
    columns = [block.column(c).to_pylist() for c in shape.time_columns]
    out = np.zeros(block.num_rows, np.int64)
    problems = []
    for i, parts in enumerate(zip(*columns, strict=True)):
        try:
            out[i] = _time(" ".join(p or "" for p in parts), shape.time_format)
        except (ValueError, OverflowError) as error:
            problems.append(f"{path}: row {first + i}: time {' '.join(p or '' for p in parts)!r}: {error}")
    if problems:
        raise RecordingError(problems)
    return out


def _time(text: str, form: str) -> int:
    if form:
        moment = datetime.strptime(text, form)  # noqa: DTZ007 - a format without an offset is taken as UTC
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1_000_000) * 1000
    try:
        number = float(text)
    except ValueError:
        return from_iso(text)
    if not 0 < number < 1e14:
        raise ValueError("is neither epoch seconds nor milliseconds")
    return int(number * SECOND) if number < 1e11 else int(number * MS)


def _numbers(path: Path, column: pa.Array, name: str, first: int) -> npt.NDArray[np.float64]:
    try:
        filled = pc.fill_null(column.cast(pa.float64()), float("nan"))
        return np.asarray(filled.to_numpy(zero_copy_only=False), np.float64)
    except pa.ArrowInvalid:
        problems = []
        for i, text in enumerate(column.to_pylist()):
            try:
                float(text or "nan")
            except ValueError:
                problems.append(f"{path}: row {first + i}, column {name}: {text!r} is not a number")
        raise RecordingError(problems or [f"{path}: column {name} is not numeric"]) from None


def _long(path: Path, block: pa.RecordBatch, times: npt.NDArray[np.int64], first: int) -> Rows:
    value = _numbers(path, block.column("value"), "value", first)
    quality = np.zeros(block.num_rows, np.int16)
    if "quality" in block.schema.names:
        problems = []
        for i, text in enumerate(block.column("quality").to_pylist()):
            try:
                quality[i] = quality_of(text or "good")
            except ValueError as error:
                problems.append(f"{path}: row {first + i}: {error}")
        if problems:
            raise RecordingError(problems)
    quality[np.isnan(value) & (quality < Quality.BAD)] = Quality.NO_VALUE
    names = [name or "" for name in block.column("tag").to_pylist()]
    return Rows(times, names, value, quality, block.nbytes)


def _wide(path: Path, block: pa.RecordBatch, times: npt.NDArray[np.int64], shape: Shape, first: int) -> Rows:
    tags = [name for name in block.schema.names if name and name not in shape.time_columns]
    columns = np.column_stack([_numbers(path, block.column(name), name, first) for name in tags])
    value = columns.reshape(-1)
    quality = np.where(np.isnan(value), np.int16(Quality.NO_VALUE), np.int16(Quality.GOOD))
    return Rows(np.repeat(times, len(tags)), tags * block.num_rows, value, quality, block.nbytes)


def quality_of(text: str) -> Quality:
    """A quality by name (`good`, `over_range`) or internal number. Raises ValueError that lists the names."""
    try:
        return Quality(int(text)) if text.lstrip("-").isdigit() else Quality[text.strip().upper()]
    except (KeyError, ValueError):
        raise ValueError(f"quality {text!r} is not one of {', '.join(q.name.lower() for q in Quality)}") from None
