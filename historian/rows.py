"""From records of `readings` and `backfill` to rows of the table: effective times, order, exact duplicates.

The key of a row is (sensor, time, value, quality). Times are cut to microseconds (rounded down), which is what
PostgreSQL keeps; whoever compares the history with the log cuts them by the same `microseconds`. Values stay as they
are, to the bit; NaN equals NaN and -0.0 equals 0.0 in the key, as in PostgreSQL.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from historian.frames import Rows
from schemas import batch
from schemas.time import Int64Array, effective_times

_SENSOR_BITS = 23
_SPAN_BITS = 40


def microseconds(ns: Int64Array) -> Int64Array:
    """Times as the database keeps them: nanoseconds to microseconds, rounded down."""
    return ns // 1000


def rows_of(value: bytes, append_ns: int) -> Rows:
    """The rows in one record, in arrival order. Raises `schemas.batch.BatchError`."""
    readings = batch.decode(value)
    effective, _ = effective_times(readings.event_ns, append_ns)
    return Rows(microseconds(effective), readings.value, readings.tag, readings.quality)


def arranged(rows: Rows) -> Rows:
    """The rows in the order of the key's (sensor, time), without exact neighbours.

    Sorted rows go into neighbouring places of the index, which is what makes COPY fast. Duplicates that the order does
    not bring together (a, b, a at one instant) are left for the database.
    """
    if len(rows) < 2:
        return rows
    ordered = rows.take(_order(rows))
    same = (ordered.sensor[1:] == ordered.sensor[:-1]) & (ordered.us[1:] == ordered.us[:-1])
    if not same.any():
        return ordered
    same &= (ordered.quality[1:] == ordered.quality[:-1]) & _equal(ordered.value[1:], ordered.value[:-1])
    if not same.any():
        return ordered
    return ordered.take(np.concatenate(([True], ~same)))


def _order(rows: Rows) -> npt.NDArray[np.intp]:
    """A permutation that sorts by (sensor, time): one sort of a packed key where the ranges allow it."""
    first = rows.us.min()
    span, low, high = int(rows.us.max()) - int(first), int(rows.sensor.min()), int(rows.sensor.max())
    if low >= 0 and high < 1 << _SENSOR_BITS and span < 1 << _SPAN_BITS:
        return np.argsort((rows.sensor.astype(np.int64) << _SPAN_BITS) | (rows.us - first))
    return np.lexsort((rows.us, rows.sensor))


def _equal(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    equal: npt.NDArray[np.bool_] = (a == b) | (np.isnan(a) & np.isnan(b))
    return equal
