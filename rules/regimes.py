"""Regimes: at which states of the process, and at which hours, other limits apply.

A regime is written as one line, its parts divided by `;`: a name that people are told, then when it applies (states, or
hours and days, or both), then the limits that differ, in the tag's unit; `none` takes one away.

    start-up; state 2, 3; high 95, high_high 110
    night; 22:00-06:00 mon-fri; high 60
    cleaning; state 5; low none, low_low none

The first regime that applies counts, else the normal limits. Hours are local (a zone without daylight saving) and are
those of a reading's event time; hours that run over midnight belong to the day on which they begin. A state that is not
known, or that neither a regime nor the normal states name, brings the strictest limits of all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import msgspec

from rules.compiling import kernel
from rules.kinds import limits as plain
from schemas.problems import Problem
from schemas.registry import Limits, Tag
from schemas.setpoints import looser
from schemas.time import DAY, HOUR, MINUTE

MOST = 8
HIGHEST_STATE = 61
"""A set of states is a mask of bits."""
NORMAL, STRICTEST = 0, MOST + 1
"""Places of the normal limits and of the strictest; regimes lie between."""
ANY = -1
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY = 0b1111111
PARAMS: list[Any] = [
    ("by_state", "i8"),
    ("normal", "i8"),  # mask of the normal states
    ("regimes", "i8"),
    ("offset", "i8"),  # of the zone, ns
    ("states", "i8", (MOST,)),  # masks; ANY where the state does not matter
    ("begins", "i8", (MOST,)),  # ns of the day; -1 where the hour does not matter
    ("ends", "i8", (MOST,)),
    ("days", "i8", (MOST,)),  # masks, Monday in bit 0
]


class Unclear(ValueError):
    """What is wrong with a line, and the cure."""

    def __init__(self, reason: str, cure: str) -> None:
        super().__init__(f"{reason}; {cure}")
        self.reason = reason
        self.cure = cure


@dataclass(frozen=True, slots=True)
class Regime:
    """`states` is a mask (ANY for all), `begins` and `ends` ns of the day (-1 for always), `changed` the limits that
    differ from the normal ones, None for one that is taken away."""

    name: str
    states: int
    begins: int
    ends: int
    days: int
    changed: Mapping[str, float | None]

    def limits(self, normal: Limits) -> Limits:
        return Limits(**{level: self.changed.get(level, getattr(normal, level)) for level in Limits.__struct_fields__})


@kernel
def which(p, state, at):  # type: ignore[no-untyped-def]
    """The place of the limits that apply at this event time; `state` is NaN where it is not known."""
    if p["by_state"] == 0 and p["regimes"] == 0:
        return NORMAL
    bit = 0
    if p["by_state"] != 0:
        if not (state >= 0.0 and state <= HIGHEST_STATE and state == int(state)):
            return STRICTEST
        bit = 1 << int(state)
    local = at + p["offset"]
    of_day = local % DAY
    today = (local // DAY + 3) % 7  # 1970 began on a Thursday
    for k in range(p["regimes"]):
        if p["by_state"] != 0 and p["states"][k] & bit == 0:
            continue
        begins, ends = p["begins"][k], p["ends"][k]
        if begins >= 0:
            first_part = of_day >= begins and p["days"][k] >> today & 1 != 0
            if begins < ends:
                inside = first_part and of_day < ends
            else:
                inside = first_part or (of_day < ends and p["days"][k] >> ((today + 6) % 7) & 1 != 0)
            if not inside:
                continue
        return k + 1
    if p["by_state"] != 0 and p["normal"] & bit == 0:
        return STRICTEST
    return NORMAL


def read(line: str) -> Regime:
    """The regime that a line describes. Raises `Unclear`."""
    parts = [part.strip() for part in line.replace("；", ";").split(";")]
    if len(parts) < 3 or not all(parts):
        raise Unclear(f"{line[:60]!r} is no regime", "write name; when; limits, such as start-up; state 2; high 95")
    name, *conditions, limits = parts
    states, begins, ends, days = ANY, -1, -1, EVERY_DAY
    for condition in conditions:
        by_state = condition.casefold().startswith("state")
        if (states != ANY) if by_state else (begins >= 0):
            cure = "write hours with their days in one part, and a regime for each of several hours"
            raise Unclear(f"{condition[:40]!r} says a second time when it applies", cure)
        if by_state:
            states = states_of(condition[5:].lstrip("s ").split(","))
        else:
            begins, ends, days = _hours(condition)
    return Regime(name, states, begins, ends, days, _limits(limits))


def states_of(numbers: Iterable[str]) -> int:
    """A mask of states. Raises `Unclear`."""
    mask = 0
    for written in numbers:
        number = written.strip()
        if not number.isdecimal() or int(number) > HIGHEST_STATE:
            raise Unclear(f"{number[:20]!r} is no state", f"whole numbers from 0 to {HIGHEST_STATE}")
        mask |= 1 << int(number)
    return mask


_HOURS = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")


def _hours(written: str) -> tuple[int, int, int]:
    cure = "write hours and days, such as 22:00-06:00 mon-fri, or states, such as state 2, 3"
    text = written.casefold()
    found = _HOURS.match(text)
    begins, ends = 0, DAY
    if found is not None:
        hour, minute, to_hour, to_minute = map(int, found.groups())
        begins, ends = hour * HOUR + minute * MINUTE, to_hour * HOUR + to_minute * MINUTE
        if not (begins < DAY and ends <= DAY and minute < 60 and to_minute < 60 and begins != ends):
            raise Unclear(f"{found.group()} are no hours of a day", "00:00 to 24:00")
        text = text[found.end() :]
    days = _days(text.replace(" ", "")) if text.strip() else EVERY_DAY
    if days == 0 or (found is None and not text.strip()):
        raise Unclear(f"{written[:40]!r} says nothing about hours, days or states", cure)
    return begins, ends, days


def _days(text: str) -> int:
    """A mask of days, such as mon-fri or sat,sun; 0 for what is none."""
    mask = 0
    for piece in text.split(","):
        first, _, last = piece.partition("-")
        if first not in DAYS or (last or first) not in DAYS:
            return 0
        day = DAYS.index(first)
        while True:
            mask |= 1 << day
            if DAYS[day] == (last or first):
                break
            day = (day + 1) % 7
    return mask


def _limits(written: str) -> dict[str, float | None]:
    levels = Limits.__struct_fields__
    cure = f"write such as high 95, low none; the limits are {', '.join(levels)}"
    found: dict[str, float | None] = {}
    for piece in written.split(","):
        level, _, number = piece.strip().partition(" ")
        if level not in levels or level in found:
            raise Unclear(f"{piece.strip()[:40]!r} is no limit", cure)
        if number.strip().casefold() == "none":
            found[level] = None
            continue
        try:
            found[level] = float(number)
        except ValueError:
            raise Unclear(f"{number.strip()[:40]!r} is no number", cure) from None
        if not math.isfinite(float(number)):
            raise Unclear(f"{number.strip()[:40]!r} is no number", cure)
    return found


def values(regimes: Sequence[Regime], normal: int, by_state: bool, offset_h: float) -> dict[str, Any]:
    """The numbers for `PARAMS`."""
    padding = [0] * (MOST - len(regimes))
    return {
        "by_state": int(by_state),
        "normal": normal,
        "regimes": len(regimes),
        "offset": round(offset_h * HOUR),
        "states": [*(r.states for r in regimes), *padding],
        "begins": [*(r.begins for r in regimes), *padding],
        "ends": [*(r.ends for r in regimes), *padding],
        "days": [*(r.days for r in regimes), *padding],
    }


def strictest(of: Sequence[Limits]) -> Limits:
    """Each level where it is reached first."""
    picked: dict[str, float | None] = {}
    for level in Limits.__struct_fields__:
        given = [v for limits in of if (v := getattr(limits, level)) is not None]
        choose = min if level.startswith("high") else max
        picked[level] = choose(given) if given else None
    return Limits(**picked)


def check_limits(tag: Tag, where: str, limits: Limits, deadband: float | None) -> Iterator[Problem]:
    """Order, range, room for the deadband, and the profile, of the limits of one regime; `where` names it among the
    parameters, empty for the normal limits."""
    of = msgspec.structs.replace(tag, limits=limits)
    room = tag.deadband if deadband is None else deadband
    given = [(level, v) for level in Limits.__struct_fields__ if (v := getattr(limits, level)) is not None]
    for (level, v), (above, w) in pairwise(given):
        if not v < w:
            message = f"{tag.name}: {level} {v:g} is not below {above} {w:g}"
            yield Problem.of(f"params.{where or level}", message, "the order is low_low < low < high < high_high")
        elif not room < w - v:
            message = f"{tag.name}: the deadband {room:g} is not smaller than the gap between {level} and {above}"
            yield Problem.of(f"params.{where or level}", message, f"below {w - v:g} {tag.unit}")
    for level, v in given:
        if (tag.range_low is not None and v < tag.range_low) or (tag.range_high is not None and v > tag.range_high):
            message = f"{tag.name}: {level} {v:g} lies outside of the measuring range"
            yield Problem.of(f"params.{where or level}", message, "it could never be reached")
    for problem in plain.check(of, plain.Params(deadband=deadband)):
        yield Problem.of(f"params.{where}" if where else problem.path, problem.message, problem.cure)
    for problem in looser(of):
        level = problem.path.rpartition(".")[2]
        cure = problem.cure.replace("limit_reason", "`reason`")
        yield Problem.of(f"params.{where or level}", f"{tag.name}: {level}: {problem.message}", cure)
