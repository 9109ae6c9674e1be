"""Shifts: the times of day at which people change, and what that does to a sum over a shift.

Shifts begin at the same times of day, in a zone without daylight saving; a reading belongs to the shift of its event
time. A clock that is set, ahead or back, begins no new shift.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.compiling import kernel
from rules.exposure import Dose
from schemas.problems import Problem
from schemas.time import DAY, HOUR, MINUTE, MS

MOST = 4
PARAMS = [
    ("offset", "i8"),  # of the zone (ns)
    ("start_1", "i8"),  # ns of the day; what is not used lies behind the day's end
    ("start_2", "i8"),
    ("start_3", "i8"),
    ("start_4", "i8"),
    ("last", "i8"),  # the latest of them
]


class Schedule(Dose, frozen=True, kw_only=True):
    """A dose over a shift: `shifts` are the times of day at which they begin, in the zone `utc_offset_h` (h)."""

    shifts: tuple[str, ...] = ("00:00", "08:00", "16:00")
    utc_offset_h: float = 8.0


@kernel
def shift_of(at, p):  # type: ignore[no-untyped-def]
    """When the shift of this instant began and when it ends (ns)."""
    local = at + p["offset"]
    of_day = local % DAY
    begins, ends = p["last"] - DAY, p["start_1"]
    if of_day >= p["start_1"]:
        begins, ends = p["start_1"], p["start_2"]
    if of_day >= p["start_2"]:
        begins, ends = p["start_2"], p["start_3"]
    if of_day >= p["start_3"]:
        begins, ends = p["start_3"], p["start_4"]
    if of_day >= p["start_4"]:
        begins, ends = p["start_4"], p["start_1"] + DAY
    midnight = at - of_day
    return midnight + begins, midnight + ends


@kernel
def carried(s, p, before, passed, begins):  # type: ignore[no-untyped-def]
    """After `rules.doses.advance` from event time `before` by `passed` ms: how many of them, held by the last reading,
    lie in a shift that has begun meanwhile at `begins`; -1 when it is still the same shift."""
    from_here = s["at"] - passed * MS
    if from_here >= begins or before >= begins:  # in this shift, or the clock was set
        return -1
    return max(0, min(from_here + p["hold"] * MS, s["at"]) - begins) // MS


def of_day(text: str) -> int | None:
    """Nanoseconds of the day of "08:00"; None when it is no such time."""
    hours, colon, minutes = text.partition(":")
    if not (colon and len(minutes) == 2 and 1 <= len(hours) <= 2 and (hours + minutes).isascii()):
        return None
    if not (hours + minutes).isdigit() or int(hours) > 23 or int(minutes) > 59:
        return None
    return int(hours) * HOUR + int(minutes) * MINUTE


def starts_of(schedule: Schedule) -> list[int]:
    return sorted(found for text in schedule.shifts if (found := of_day(text)) is not None)


def lengths(schedule: Schedule) -> list[int]:
    """How long each shift is (ns)."""
    starts = starts_of(schedule)
    return [after - start for start, after in zip(starts, [*starts[1:], starts[0] + DAY], strict=True)]


def values(schedule: Schedule) -> dict[str, float]:
    """The numbers of `PARAMS`."""
    starts = starts_of(schedule)
    padded = [*starts, *[starts[0] + DAY] * (MOST - len(starts))]
    return {
        **{f"start_{n}": start for n, start in enumerate(padded, 1)},
        "last": starts[-1],
        "offset": round(schedule.utc_offset_h * HOUR),
    }


def check(schedule: Schedule) -> Iterator[Problem]:
    if not -12 <= schedule.utc_offset_h <= 14:
        yield Problem.of("params.utc_offset_h", f"{schedule.utc_offset_h:g} is not possible", "-12 to 14")
    wrong = [text for text in schedule.shifts if of_day(text) is None]
    if wrong:
        yield Problem.of("params.shifts", f"{', '.join(map(repr, wrong))} is no time of day", 'such as "08:00"')
    elif not 1 <= len(schedule.shifts) <= MOST:
        yield Problem.of("params.shifts", f"{len(schedule.shifts)} shifts", f"1 to {MOST} times of day")
    elif min(lengths(schedule)) < HOUR:
        yield Problem.of("params.shifts", "two shifts begin within an hour", "name the times at which people change")
