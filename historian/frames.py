"""Readings as the bytes of a PostgreSQL binary COPY, made from columns without touching a row in Python.

Table `readings` has the columns ts, value, sensor_id, quality in this order; every field has a fixed width and none is
NULL, so a batch is one structured array. Format: PostgreSQL documentation, COPY, "Binary Format".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
"""Without it PostgreSQL accepts a frame all the same, so a cut one would not be noticed."""

SLICE_ROWS = 10_000
"""Rows handed to the driver at a time: the event loop stands still for about 2 ms each."""

_ROW = np.dtype(
    [
        ("fields", ">i2"),
        ("ts_bytes", ">i4"),
        ("ts", ">i8"),
        ("value_bytes", ">i4"),
        ("value", ">f8"),
        ("sensor_bytes", ">i4"),
        ("sensor", ">i4"),
        ("quality_bytes", ">i4"),
        ("quality", ">i2"),
    ]
)
EPOCH_US = 946_684_800_000_000
"""2000-01-01 UTC, from which PostgreSQL counts, in microseconds since 1970."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of `readings` in columns of shape (n,): `us` is the effective time in microseconds since 1970 UTC."""

    us: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    sensor: npt.NDArray[np.int32]
    quality: npt.NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.us)

    def take(self, chosen: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Rows:
        return Rows(self.us[chosen], self.value[chosen], self.sensor[chosen], self.quality[chosen])


@dataclass(frozen=True, slots=True)
class Frame:
    """Rows ready to be sent."""

    rows: int
    body: npt.NDArray[np.void]

    def slices(self) -> Iterator[bytes | memoryview]:
        """Header, rows and trailer, in pieces of at most `SLICE_ROWS` rows."""
        yield HEADER
        body = memoryview(self.body.view(np.uint8))  # type: ignore[arg-type]
        step = SLICE_ROWS * _ROW.itemsize
        for start in range(0, len(body), step):
            yield body[start : start + step]
        yield TRAILER


def frame(rows: Rows) -> Frame:
    """The rows as a binary COPY."""
    body = np.empty(len(rows), _ROW)
    body["fields"] = 4
    body["ts_bytes"] = 8
    body["ts"] = rows.us - EPOCH_US
    body["value_bytes"] = 8
    # One NaN for all of them: PostgreSQL takes them for equal, and a row must not differ by bits that mean nothing.
    body["value"] = np.where(np.isnan(rows.value), np.nan, rows.value)
    body["sensor_bytes"] = 4
    body["sensor"] = rows.sensor
    body["quality_bytes"] = 2
    body["quality"] = rows.quality
    return Frame(len(rows), body)


def empty_rows() -> Rows:
    return Rows(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int32), np.zeros(0, np.int16))


def concat_rows(parts: list[Rows]) -> Rows:
    """Rows behind one another."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return empty_rows()
    return Rows(
        np.concatenate([p.us for p in parts]),
        np.concatenate([p.value for p in parts]),
        np.concatenate([p.sensor for p in parts]),
        np.concatenate([p.quality for p in parts]),
    )
