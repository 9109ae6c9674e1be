"""Change of state: a discrete tag (a valve, a pump, a switch) has entered a state that it must not be in, or left those
that it should be in.

States are whole numbers from 0 to 62. Level 1 is any state of `alarm` and, where `normal` is given, any state that is
not in there; level 2 is any state of `critical`. A level is raised when its state has lasted for the on-delay (which
rides out a valve's travel), and ends when a known other state has lasted for the off-delay.

`states` gives the numbers names, such as ["0=closed/关", "1=open/开"]. With names, the lists may use them, alarms speak
of them, and a number without one is unknown.

- **Unknown** numbers (no whole number, out of bounds, without a name) are no proof of anything: they end nothing, and
  raise only where `normal` is given, because they are not in there.
- **Bad** readings (quality bad, or no number) neither raise nor clear. **Uncertain** readings raise but never clear.
- **Late** readings may raise, never clear: what tripped and came back has tripped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rules.admission import LATE, LIVE
from rules.compiling import kernel
from rules.kinds import Example, Kind, Level, Planned, Said
from rules.ladders import check_lengths, delays
from rules.machine import LATE_READING, READING, step
from rules.words import name, number
from schemas.changes import AlarmClass, Side
from schemas.problems import Problem
from schemas.quality import FIRST_BAD, FIRST_UNCERTAIN
from schemas.registry import Measure, RuleCase, Struct, Tag
from schemas.text import Text

MOST = 62
"""The largest state: a set of states is a mask of bits."""


class Params(Struct, frozen=True, kw_only=True):
    """Lists of states, each a number or a name of `states` ("number=English/Chinese", the Chinese may be left out).

    Delays in s are the tag's own where they are None."""

    states: tuple[str, ...] = ()
    normal: tuple[str, ...] = ()
    alarm: tuple[str, ...] = ()
    critical: tuple[str, ...] = ()
    on_delay_s: float | None = None
    off_delay_s: float | None = None


@dataclass(frozen=True, slots=True)
class StateLevel(Level):
    """A level that knows what the states are called."""

    names: Mapping[int, Text] = field(default_factory=dict)


PARAMS = np.dtype(
    [
        ("known", "i8"),  # masks of states
        ("normal", "i8"),
        ("alarm", "i8"),
        ("critical", "i8"),
        ("leaves", "i4"),  # whether leaving `normal` is level 1
        ("first", "i4"),  # whether there is a level 1
    ],
    align=True,
)


@kernel
def rows(  # type: ignore[no-untyped-def]
    n, index, flags, at, value, quality, first, members, conditions, gates, setup, params, memory, now, append, out, due
):
    m = np.int64(0)
    for i in range(n):
        j = index[i]
        if j < 0:
            continue
        v = value[i]
        q = quality[i]
        usable = q < FIRST_BAD and v - v == 0.0
        state = np.int64(0)
        if usable and v >= 0.0 and v <= MOST and v == np.floor(v):
            state = np.int64(1) << np.int64(v)
        basis = LATE_READING if (flags[i] & LATE) != 0 else READING
        for k in range(first[j], first[j + 1]):
            c = members[k]
            p = params[c]
            known = (state & p["known"]) != 0
            beyond = 0
            if usable:
                if (state & p["critical"]) != 0:
                    beyond = 2 | p["first"]
                elif (state & p["alarm"]) != 0 or (p["leaves"] != 0 and (state & p["normal"]) == 0):
                    beyond = 1
            if beyond == 0 and conditions[c]["quiet"] != 0:
                continue
            lowers = usable and known and (flags[i] & LIVE) != 0 and q < FIRST_UNCERTAIN
            clear = 3 & ~beyond
            m = step(
                c, conditions, gates, setup, beyond, clear, lowers, flags[i], basis, at[i], now, append, i, v, q,
                out, due, m,
            )  # fmt: skip
    return m


_LEVELS = {
    "alarm": Text(zh="异常状态", en="alarm state"),
    "critical": Text(zh="危险状态", en="critical state"),
}
_DISCRETE = (Measure.STATE, Measure.OTHER)


def names_of(params: Params) -> Mapping[int, Text]:
    """The declared states by number; entries that cannot be read are left out (`check` tells them)."""
    found: dict[int, Text] = {}
    for entry in params.states:
        written, _, title = entry.partition("=")
        en, _, zh = title.partition("/")
        state = _number(written)
        if state is not None and en.strip():
            found[state] = Text(zh=zh.strip() or en.strip(), en=en.strip())
    return found


def _number(written: str) -> int | None:
    text = written.strip()
    return int(text) if text.isascii() and text.isdigit() and int(text) <= MOST else None


def _state(written: str, names: Mapping[int, Text]) -> int | None:
    """The state that a list names by number or by name."""
    state = _number(written)
    if state is not None:
        return state if not names or state in names else None
    return next((n for n, text in names.items() if written.strip() in (text.en, text.zh)), None)


def _mask(listed: Iterable[str], names: Mapping[int, Text]) -> int:
    return sum({1 << state for state in (_state(w, names) for w in listed) if state is not None})


def _known(names: Mapping[int, Text]) -> int:
    return sum(1 << n for n in names) if names else (1 << MOST + 1) - 1


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    names = names_of(params)
    first = bool(params.alarm or params.normal)
    levels = (
        StateLevel("alarm", _LEVELS["alarm"], names=names) if first else None,
        StateLevel("critical", _LEVELS["critical"], names=names) if params.critical else None,
    )
    for tag in tags:
        yield Planned(
            tags=(tag,),
            side=Side.HIGH,
            levels=levels,
            **delays(tag, params.on_delay_s, params.off_delay_s),
            values={
                "known": _known(names),
                "normal": _mask(params.normal, names),
                "alarm": _mask(params.alarm, names),
                "critical": _mask(params.critical, names),
                "leaves": int(bool(params.normal)),
                "first": int(first),
            },
        )


def check(tag: Tag, params: Params) -> Iterator[Problem]:
    lists = {"normal": params.normal, "alarm": params.alarm, "critical": params.critical}
    if not any(lists.values()):
        yield Problem.of("params", "no state is an alarm", "set normal, alarm or critical")
    if tag.measure not in _DISCRETE:
        message = f"{tag.name} measures {tag.measure.value}, which has no states"
        yield Problem.of("tags", message, "narrow the rule's tags or measures")
    names = names_of(params)
    yield from _check_names(params, names)
    known = _known(names)
    masks: dict[str, int] = {}
    for field_, listed in lists.items():
        masks[field_] = _mask(listed, names)
        for written in listed:
            if _state(written, names) is None:
                cure = (
                    f"one of: {', '.join(f'{n} {text.en}' for n, text in names.items())}" if names else f"0 to {MOST}"
                )
                yield Problem.of(f"params.{field_}", f"there is no state {written!r}", cure)
    for one, other in (("normal", "alarm"), ("normal", "critical"), ("alarm", "critical")):
        if both := masks[one] & masks[other]:
            shared = ", ".join(str(n) for n in range(MOST + 1) if both >> n & 1)
            yield Problem.of(f"params.{other}", f"state {shared} is in {one} too", "leave it in one of the two")
    if not params.normal and known & ~(masks["alarm"] | masks["critical"]) == 0:
        yield Problem.of(
            "params.alarm", "every known state is an alarm; it would never end", "leave a normal state out"
        )
    yield from check_lengths(params, ("on_delay_s", "off_delay_s"))


def _check_names(params: Params, names: Mapping[int, Text]) -> Iterator[Problem]:
    for entry in params.states:
        written, _, title = entry.partition("=")
        if _number(written) is None or not title.partition("/")[0].strip():
            cure = f'write "number=English/Chinese", the number 0 to {MOST}'
            yield Problem.of("params.states", f"{entry!r} is not a state with a name", cure)
    spoken = [word for text in names.values() for word in {text.en, text.zh}]
    if len(names) < len([e for e in params.states if _number(e.partition("=")[0]) is not None]):
        yield Problem.of("params.states", "a number is named twice", "one name each")
    if len(set(spoken)) < len(spoken) or any(_number(word) is not None for word in spoken):
        yield Problem.of("params.states", "a name means two states, or is a number", "different names")


def say(said: Said) -> Text:
    """Such as "P-101 状态 为“跳闸”，属危险状态"."""
    what, level, condition = name(said.tag), said.level, said.condition
    names = next((found.names for found in condition.levels if isinstance(found, StateLevel)), {})
    state = -1
    if math.isnan(said.value):
        how = Text(zh="没有有效数值", en="has no valid value")
    else:
        whole = said.value.is_integer() and 0 <= said.value <= MOST
        state = int(said.value) if whole else -1
        called = names.get(state) or Text(zh=number(said.value), en=number(said.value))
        how = Text(zh=f"为“{called.zh}”", en=f"is {called.en}")
    if level is None:
        return Text(zh=f"{what.zh} {how.zh}，已恢复正常", en=f"{what.en} {how.en}, back to normal")
    masks = {f: int(condition.values[f]) for f in ("normal", "alarm", "critical")}
    bit = 1 << state if state >= 0 else 0
    left = bool(masks["normal"]) and not bit & masks["normal"] and not math.isnan(said.value)
    within = bool(bit & masks["critical"]) or (level.name == "alarm" and (left or bool(bit & masks["alarm"])))
    if not within:
        return Text(
            zh=f"{what.zh} {how.zh}，{level.title.zh}报警仍未解除",
            en=f"{what.en} {how.en}, {level.title.en} still in alarm",
        )
    return Text(zh=f"{what.zh} {how.zh}，属{level.title.zh}", en=f"{what.en} {how.en}: {level.title.en}")


_PUMP = Tag(number=1, name="P-101", enterprise="e", measure=Measure.STATE, unit="", range_low=0.0, range_high=3.0)
_PUMP_STATES = ["0=stopped/停止", "1=running/运行", "2=starting/启动中", "3=tripped/跳闸"]
_VALVE = Tag(number=1, name="XV-7", enterprise="e", measure=Measure.STATE, unit="")

KIND = Kind(
    name="change",
    title=Text(zh="状态变化", en="Change of state"),
    alarm_class=AlarmClass.PROCESS,
    params=Params,
    levels=2,
    plan=plan,
    check=check,
    rows=rows,
    say=say,
    param_dtype=PARAMS,
    source="Discrete (digital, change-of-state) alarms as in ISA-18.2 / IEC 62682.",
    examples=(
        Example(
            _PUMP,
            RuleCase(
                name="a cooling pump leaves its normal states, then trips; starting is not running",
                tag="P-101",
                readings=((0, 1.0), (5, 0.0), (8, 3.0), (20, 2.0), (25, 1.0)),
                expect=(
                    (5, "raise", "alarm"),
                    (8, "rise", "critical"),
                    (20, "fall", "alarm"),
                    (25, "return", "normal"),
                ),
            ),
            params={"states": _PUMP_STATES, "normal": ["running"], "critical": ["tripped"]},
        ),
        Example(
            _VALVE,
            RuleCase(
                name="a drain valve may be open for 30 s; a bad or an unknown state does not close it",
                tag="XV-7",
                readings=((0, 0.0), (10, 1.0), (30, 0.0), (50, 1.0), (85, 7.0), (90, None, "BAD"), (95, 0.0)),
                expect=((80, "raise", "alarm"), (95, "return", "normal")),
            ),
            params={"states": ["0=closed/关", "1=open/开"], "alarm": ["open"], "on_delay_s": 30.0},
        ),
        Example(
            _VALVE,
            RuleCase(
                name="by numbers: 2 is an alarm, 3 a worse one, everything else is none",
                tag="XV-7",
                readings=((0, 0.0), (1, 2.0), (2, 3.0), (3, 5.0)),
                expect=((1, "raise", "alarm"), (2, "rise", "critical"), (3, "return", "normal")),
            ),
            params={"alarm": ["2"], "critical": ["3"]},
        ),
    ),
)
