"""Time is an integer: nanoseconds since 1970-01-01 UTC. Local time exists only on the screen."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import numpy.typing as npt

MS = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

NO_TIME = 0
"""The event time of a reading that carried none: older than `OLDEST`, so the append time stands in (LAWS L3)."""

OLDEST = 946_684_800 * SECOND
"""2000-01-01: a sensor that says it is older has lost its clock."""

FUTURE = 5 * SECOND
"""A reading may be this far ahead of its record's append time before its time is replaced."""

Int64Array = npt.NDArray[np.int64]


def seconds(value: float) -> int:
    """A duration in seconds as nanoseconds, rounded to the nearest."""
    return round(value * SECOND)


def effective_times(event_ns: Int64Array, append_ns: int) -> tuple[Int64Array, npt.NDArray[np.bool_]]:
    """The times that count, and which of them were replaced (LAWS L3).

    A time before 2000 or more than 5 s after the record's append time is replaced by the append time. The same
    function serves the rules fold and the historian, so both speak of the same instant. Shapes: (n,) -> (n,), (n,).
    """
    replaced = (event_ns < OLDEST) | (event_ns > append_ns + FUTURE)
    if not replaced.any():
        return event_ns, replaced
    return np.where(replaced, np.int64(append_ns), event_ns), replaced


def from_iso(text: str) -> int:
    """Nanoseconds of an ISO 8601 instant with an offset or `Z`; up to nine fractional digits are kept.

    Raises ValueError when there is no offset: a local time names no instant.
    """
    body, _, fraction_and_zone = text.partition(".")
    if not fraction_and_zone:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00").replace("z", "+00:00"))
        fraction = 0
    else:
        digits = 0
        while digits < len(fraction_and_zone) and fraction_and_zone[digits].isdigit() and digits < 18:
            digits += 1
        zone = fraction_and_zone[digits:].replace("Z", "+00:00").replace("z", "+00:00")
        if digits == 0:
            raise ValueError(f"time {text!r} has a point without digits behind it")
        moment = datetime.fromisoformat(body + zone)
        fraction = int(fraction_and_zone[:9][:digits].ljust(9, "0"))
    if moment.tzinfo is None:
        raise ValueError(f"time {text!r} has no offset; write it as 2026-01-31T12:00:00+08:00 or with Z")
    return int(moment.astimezone(UTC).timestamp()) * SECOND + fraction


def to_iso(ns: int) -> str:
    """The instant in UTC with milliseconds: `2026-01-31T04:00:00.000Z`."""
    moment = datetime.fromtimestamp(ns // SECOND, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ns % SECOND // MS:03d}Z"


CHINA_S = 8 * 3600
"""China's time is 8 h ahead of UTC, without daylight saving."""


def end_of_day(day: date) -> int:
    """The instant at which a day is over in China (+08:00): the midnight behind it."""
    return ((day.toordinal() - date(1970, 1, 1).toordinal() + 1) * 86_400 - CHINA_S) * SECOND


def in_zone(ns: int, hours: float = 8.0) -> datetime:
    """The instant as an aware datetime at a fixed offset (China: +8, without daylight saving)."""
    return datetime.fromtimestamp(ns / SECOND, timezone(timedelta(hours=hours)))
