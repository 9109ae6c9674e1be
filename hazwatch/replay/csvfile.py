"""A CSV file of unknown dialect as blocks of text columns; what a cell means is the caller's matter."""

from __future__ import annotations

import codecs
import csv as text_csv
import ctypes
import gzip
import lzma
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, cast

import pyarrow as pa
from pyarrow import csv

BLOCK_BYTES = 1 << 22
SAMPLE_BYTES = 1 << 16
SHOWN = 20
_UNREADABLE = (pa.ArrowInvalid, OSError, EOFError, lzma.LZMAError, UnicodeError)


class RecordingError(ValueError):
    """A recording cannot be read; `problems` names each place."""

    def __init__(self, problems: Sequence[str]) -> None:
        shown = list(problems[:SHOWN])
        if len(problems) > SHOWN:
            shown.append(f"... and {len(problems) - SHOWN} more")
        super().__init__("\n".join(shown))
        self.problems = tuple(problems)


class CsvFile:
    """An open file: `names` of its columns, `blocks` of its rows, every cell as text and null where it is empty."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stack = ExitStack()
        self._reported = 0
        self._first = 2
        self._torn: list[str] = []
        try:
            self._raw = self._stack.enter_context(path.open("rb"))
            sample = _plain(path, self._raw).read(SAMPLE_BYTES)
            self._raw.seek(0)
            self._source = self._stack.enter_context(_plain(path, self._raw))
            self._encoding = _encoding(sample)
            header = self._source.readline().decode(self._encoding)
        except _UNREADABLE as error:
            self._stack.close()
            raise RecordingError([f"{path}: not readable as CSV: {error}"]) from None
        self._delimiter = _delimiter(header)
        self.names = [name.strip() for name in next(text_csv.reader([header.strip()], delimiter=self._delimiter), [])]
        self._check_names()

    @property
    def decimal_comma(self) -> bool:
        """Whether a comma may stand for the decimal point: where it does not separate columns."""
        return self._delimiter != ","

    def __enter__(self) -> CsvFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def _check_names(self) -> None:
        twice = [name for name, count in Counter(self.names).items() if name and count > 1]
        problems = [f"{self.path}: two columns are called {name!r}" for name in twice]
        if not any(self.names):
            problems.append(f"{self.path}: the file is empty; its first row must name the columns")
        if problems:
            self._stack.close()
            raise RecordingError(problems)

    def blocks(self) -> Iterator[pa.RecordBatch]:
        """The rows behind the header, some megabytes at a time. Raises `RecordingError`."""
        try:
            with csv.open_csv(_lasting(self._source), *self._options()) as reader:
                for block in reader:
                    if self._torn:
                        break
                    yield block
                    self._first += block.num_rows
        except _UNREADABLE as error:
            if not (self._first == 2 and "Empty CSV" in str(error)):
                raise RecordingError([f"{self.path}: not readable as CSV: {error}"]) from None
        if self._torn:
            raise RecordingError(self._torn)

    def _options(self) -> tuple[csv.ReadOptions, csv.ParseOptions, csv.ConvertOptions]:
        columns = [name or f"\0{i}" for i, name in enumerate(self.names)]
        read = csv.ReadOptions(
            block_size=BLOCK_BYTES,
            use_threads=False,
            column_names=columns,
            encoding="utf8" if self._encoding == "utf-8-sig" else self._encoding,
        )
        parse = csv.ParseOptions(delimiter=self._delimiter, invalid_row_handler=self._refuse)
        convert = csv.ConvertOptions(
            column_types=dict.fromkeys(columns, pa.string()),
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
            null_values=[""],
        )
        return read, parse, convert

    def _refuse(self, row: csv.InvalidRow) -> str:
        where = f"row {row.number + 1}" if row.number else f"a row ({row.text[:60]!r})"
        self._torn.append(f"{self.path}: {where}: {row.actual_columns} cells, the header has {row.expected_columns}")
        return "skip"

    def place(self, block: pa.RecordBatch, row: int) -> str:
        """Where row `row` of the block that was given out last stands in the file; the header is row 1."""
        return f"{self.path}: row {self._first + row}"

    def bytes_read(self) -> int:
        """How many bytes of the file, as it lies on the disk, were read since the last call."""
        here = self._raw.tell()
        before, self._reported = self._reported, here
        return here - before


def _lasting(source: IO[bytes]) -> pa.PythonFile:
    """The file for Arrow, whose wrapper is never freed. A thread of Arrow may be the last to let go of it, which takes
    the interpreter's lock; when the program ends at that moment, it is aborted (apache/arrow 34314)."""
    file = pa.PythonFile(source, mode="r")
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(file))
    return file


def _plain(path: Path, raw: IO[bytes]) -> IO[bytes]:
    """The uncompressed bytes."""
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.GzipFile(fileobj=raw, mode="rb"))
    if path.suffix == ".xz":
        return cast(IO[bytes], lzma.LZMAFile(raw, "rb"))
    return raw


def _encoding(sample: bytes) -> str:
    """What the text is in, by its beginning."""
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UnicodeError("it is UTF-16; save it as CSV UTF-8")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return "gb18030"
    return "utf-8-sig"


def _delimiter(header: str) -> str:
    counts = {mark: header.count(mark) for mark in (",", ";", "\t")}
    return max(counts, key=lambda mark: counts[mark])
