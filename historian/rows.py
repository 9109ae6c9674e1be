"""From records of `readings` and `backfill` to rows of the table: effective times, order, exact duplicates.

The key of a row is (sensor, time, value, quality). Times are cut to microseconds (rounded down), which is what
PostgreSQL keeps; whoever compares the history with the log cuts them by the same `microseconds`. Values stay as they
are, to the bit, but for NaN, which is one; in the key it equals itself and -0.0 equals 0.0, as in PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from historian.frames import Rows, empty_rows
from schemas.batch import Batch, concat
from schemas.time import FUTURE, OLDEST, Int64Array, effective_times

_SENSOR_BITS = 23
_SPAN_BITS = 40


def microseconds(ns: Int64Array) -> Int64Array:
    """Times as the database keeps them: nanoseconds to microseconds, rounded down."""
    return ns // 1000


@dataclass(frozen=True, slots=True)
class Stamped:
    """The readings of one record and the time at which the log took it."""

    readings: Batch
    append_ns: int


def rows_of(records: Sequence[Stamped]) -> Rows:
    """The rows in some records, in arrival order, at their effective times (LAWS L3)."""
    if not records:
        return empty_rows()
    whole = concat([record.readings for record in records])
    effective = whole.event_ns
    if len(whole) and not _plausible(effective, min(record.append_ns for record in records)):
        effective = np.concatenate([effective_times(r.readings.event_ns, r.append_ns)[0] for r in records])
    return Rows(microseconds(effective), whole.value, whole.tag, whole.quality)


def _plausible(event_ns: Int64Array, append_ns: int) -> bool:
    """Whether no time needs to be replaced, whichever record it came with; asked once for thousands of records."""
    return int(event_ns.min()) >= OLDEST and int(event_ns.max()) <= append_ns + FUTURE


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
