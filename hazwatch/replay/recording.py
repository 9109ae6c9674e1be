"""Recordings, long (`time,tag,value[,quality]`) or wide (a column per tag): CSV, plain, .gz or .xz, or Parquet.

In CSV the separator is a comma, a semicolon (then decimals may have a comma) or a tab; the text is UTF-8, or GBK as
Excel writes it in China. In a wide file an empty cell is no reading at all; `NaN`, `NA` or `null` is one without a
value, and so is an empty value in a long file. All that is wrong with a block of a file is said at once, by row and
column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hazwatch.replay.csvfile import CsvFile, RecordingError
from hazwatch.replay.parquetfile import SUFFIX, ParquetFile
from hazwatch.replay.times import RecordingFile, Shape, as_text, times_of
from schemas.quality import Quality

T = TypeVar("T")
Int16s = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float64]
NO_VALUE_WORDS = ("na", "n/a", "#n/a", "null", "none", "-")


@dataclass(frozen=True, slots=True)
class Rows:
    """A block of a recording in file order: times in ns, values (NaN without one), qualities, and whose they are:
    `tag` counts in `names`. Arrays of shape (n,)."""

    time_ns: npt.NDArray[np.int64]
    tag: npt.NDArray[np.int32]
    value: Floats
    quality: Int16s
    names: tuple[str, ...]


def read_rows(path: Path, shape: Shape, progress: Callable[[int], None] = lambda size: None) -> Iterator[Rows]:
    """The rows of one file, block by block; `progress` hears how many bytes of the file were read meanwhile.

    Raises `RecordingError` with all problems of the first block that has some.
    """
    with ParquetFile(path) if path.suffix == SUFFIX else CsvFile(path) as file:
        _check_columns(file, shape)
        form = _long if {"tag", "value"} <= set(file.names) else _wide
        for block in file.blocks():
            yield form(file, block, shape)
            progress(file.bytes_read())


def _check_columns(file: RecordingFile, shape: Shape) -> None:
    if missing := [c for c in shape.time_columns if c not in file.names]:
        listed = ", ".join(file.names) or "none"
        raise RecordingError(
            [f"{file.path}: no column {c!r}; its columns are {listed}. Name them with --time-columns" for c in missing]
        )


def _long(file: RecordingFile, block: pa.RecordBatch, shape: Shape) -> Rows:
    problems: list[str] = []
    times = times_of(file, block, shape, problems)
    value = _numbers(file, block, "value", problems)
    tag, names = _each(file, block, "tag", _name, problems)
    which, kinds = np.zeros(block.num_rows, np.int32), [Quality.GOOD]
    if "quality" in file.names:
        which, kinds = _each(file, block, "quality", quality_of, problems)
    if problems:
        raise RecordingError(problems)
    quality = np.array(kinds, np.int16)[which]
    quality[np.isnan(value) & (quality < Quality.BAD)] = Quality.NO_VALUE
    return Rows(times, tag, value, quality, tuple(names))


def _wide(file: RecordingFile, block: pa.RecordBatch, shape: Shape) -> Rows:
    names = tuple(name for name in file.names if name and name not in shape.time_columns)
    problems: list[str] = []
    times = times_of(file, block, shape, problems)
    value = np.empty((block.num_rows, len(names)))
    given = np.empty((block.num_rows, len(names)), bool)
    for i, name in enumerate(names):
        value[:, i] = _numbers(file, block, name, problems)
        given[:, i] = block.column(name).is_valid().to_numpy(zero_copy_only=False)
    if problems:
        raise RecordingError(problems)
    row, tag = np.nonzero(given)
    kept = value[given]
    quality = np.where(np.isnan(kept), np.int16(Quality.NO_VALUE), np.int16(Quality.GOOD))
    return Rows(times[row], tag.astype(np.int32), kept, quality, names)


def _numbers(file: RecordingFile, block: pa.RecordBatch, name: str, problems: list[str]) -> Floats:
    """The numbers of a column, NaN where there is none."""
    column = block.column(name)
    try:
        return _as_floats(column)
    except pa.ArrowInvalid:
        texts = pc.utf8_trim_whitespace(as_text(column))
    no_value = pc.is_in(pc.utf8_lower(texts), value_set=pa.array(NO_VALUE_WORDS))
    texts = pc.if_else(no_value, pa.scalar("nan"), texts)
    if file.decimal_comma:
        texts = pc.replace_substring(texts, ",", ".")
    try:
        return _as_floats(texts)
    except pa.ArrowInvalid:
        for i, text in enumerate(texts.to_pylist()):
            try:
                float(text or "nan")
            except ValueError:
                problems.append(f"{file.place(block, i)}, column {name}: {column[i].as_py()!r} is not a number")
        return np.full(block.num_rows, np.nan)


def _as_floats(column: pa.Array) -> Floats:
    numbers = pc.fill_null(column.cast(pa.float64()), float("nan"))
    return np.asarray(numbers.to_numpy(zero_copy_only=False), np.float64)


def _each(
    file: RecordingFile, block: pa.RecordBatch, name: str, read: Callable[[str], T], problems: list[str]
) -> tuple[npt.NDArray[np.int32], list[T]]:
    """A column of few different texts: for each row the place in the list of what they were read as."""
    column = block.column(name)
    if column.null_count or not pa.types.is_dictionary(column.type):
        column = pc.fill_null(as_text(column), "").dictionary_encode()
    which = np.asarray(column.indices.to_numpy(zero_copy_only=False), np.int32)
    found: list[T] = []
    for i, text in enumerate(as_text(column.dictionary).to_pylist()):
        try:
            found.append(read(text))
        except ValueError as error:
            rows: Sequence[int] = np.flatnonzero(which == i).tolist()
            problems += [f"{file.place(block, row)}, column {name}: {error}" for row in rows]
    return which, found


def _name(text: str) -> str:
    if not text.strip():
        raise ValueError("empty; every row needs the name of a tag")
    return text.strip()


def quality_of(text: str) -> Quality:
    """A quality by name (`good`, `over_range`) or internal number; good when empty. Raises ValueError."""
    try:
        plain = text.strip() or "good"
        return Quality(int(plain)) if plain.lstrip("-").isdigit() else Quality[plain.upper()]
    except (KeyError, ValueError):
        raise ValueError(f"quality {text!r} is not one of {', '.join(q.name.lower() for q in Quality)}") from None
