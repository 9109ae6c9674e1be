"""A Parquet file as blocks of columns, in the shape in which CSV files are read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pyarrow as pa
from pyarrow import parquet

from hazwatch.replay.csvfile import RecordingError

SUFFIX = ".parquet"
BLOCK_ROWS = 1 << 18
_REPEATED = ("tag", "quality")
_UNREADABLE = (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError)


class ParquetFile:
    """An open file: `names` of its columns, `blocks` of its rows with the types that the file gives them."""

    decimal_comma = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self._first = 1
        self._reported = 0
        try:
            schema = parquet.read_schema(path)
            # texts that repeat, as the names of tags do, stay coded: a hundred times fewer to look at
            coded = [f.name for f in schema if f.name in _REPEATED and pa.types.is_string(f.type)]
            self._file = parquet.ParquetFile(path, read_dictionary=coded)
        except _UNREADABLE as error:
            raise RecordingError([f"{path}: not readable as Parquet: {error}"]) from None
        self.names = list(schema.names)
        self._rows = self._file.metadata.num_rows
        self._size = path.stat().st_size

    def __enter__(self) -> ParquetFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def blocks(self) -> Iterator[pa.RecordBatch]:
        """The rows in their order. Raises `RecordingError`."""
        try:
            for block in self._file.iter_batches(BLOCK_ROWS):
                yield block
                self._first += block.num_rows
        except _UNREADABLE as error:
            raise RecordingError([f"{self.path}: not readable as Parquet: {error}"]) from None

    def place(self, block: pa.RecordBatch, row: int) -> str:
        """Where row `row` of the block that was given out last stands in the file, counted from 1."""
        return f"{self.path}: row {self._first + row}"

    def bytes_read(self) -> int:
        """The share of the file's bytes that its rows given out since the last call stand for."""
        here: int = self._size * min(self._rows, self._first - 1 + BLOCK_ROWS) // max(1, self._rows)
        before, self._reported = self._reported, here
        return here - before
