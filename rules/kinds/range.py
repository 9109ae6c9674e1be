"""Range: a number that the process cannot have, for long enough to be the instrument's.

Two tests, by what the tag measures:

- *A quantity* is outside when it lies below or above the measuring range by more than the share `outside` of the span,
  for `on_delay_s`. A reading that stays negative is never a zero: its zero has drifted, or a gas drives the sensor
  the wrong way and hides the one it is there for. Of a gas point only the low side is watched: over-range is an alarm.
- *A loop current* (unit mA, range 4 to 20 or none) is read by the bands of NAMUR NE 43 for 4 s: at most 3.6 mA or at
  least 21 mA is the instrument's own sign of failure (level 2); between there and the valid 3.8 to 20.5 mA lies nothing
  that it should send (level 1; above, on a gas point, again no fault).

Uncertain readings raise and never clear, except stale ones and those of a function check, which say nothing of the
instrument; bad ones and no number neither raise nor clear (rule kind `quality` tells of them). Late readings may raise.
A tag without a range is not watched. The fault ends at a good reading in the range, 60 s after the last outside.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from rules.admission import LATE, LIVE
from rules.compiling import kernel
from rules.instruments import QUIET, check_share
from rules.kinds import Example, Kind, Level, Planned, Said
from rules.machine import LATE_READING, READING, step
from rules.words import duration, name, quantity
from schemas.changes import AlarmClass, Side
from schemas.problems import Problem
from schemas.quality import FIRST_BAD, FIRST_UNCERTAIN, Quality
from schemas.registry import Limits, Measure, RuleCase, Struct, Tag
from schemas.text import Text

STALE, CHECK = int(Quality.STALE), int(Quality.FUNCTION_CHECK)

BANDS = ("failure_low", "under", "saturated_low", "valid", "saturated_high", "over", "failure_high")
"""What a current of a 4-20 mA loop says, from below (NAMUR NE 43)."""
FAILURE_LOW, UNDER, OVER, FAILURE_HIGH = (BANDS.index(b) for b in ("failure_low", "under", "over", "failure_high"))
SATURATED_LOW, VALID, SATURATED_HIGH = (BANDS.index(b) for b in ("saturated_low", "valid", "saturated_high"))
LOOP = (4.0, 20.0)
LOOP_DELAY_S = 4.0
DELAY_S = 60.0


class Params(Struct, frozen=True, kw_only=True):
    """How far outside (share of the span), and for how long (s; None: 60 s, for currents 4 s)."""

    outside: float = 0.02
    on_delay_s: float | None = None


PARAMS = np.dtype([("lowest", "f8"), ("highest", "f8"), ("loop", "i4"), ("gas", "i4")], align=True)
MEMORY = np.dtype([("cause_now", "i8")])  # `now` of the last reading outside


@kernel
def band(current):  # type: ignore[no-untyped-def]
    """Which of the bands a current (mA) lies in."""
    if current <= 3.6:
        return FAILURE_LOW
    if current < 3.8:
        return UNDER
    if current < 4.0:
        return SATURATED_LOW
    if current <= 20.0:
        return VALID
    if current <= 20.5:
        return SATURATED_HIGH
    return OVER if current < 21.0 else FAILURE_HIGH


@kernel
def rows(  # type: ignore[no-untyped-def]
    n, index, flags, at, value, quality, first, members, conditions, gates, setup, params, memory, now, append, out, due
):
    m = np.int64(0)
    for i in range(n):
        j = index[i]
        v = value[i]
        q = quality[i]
        if j < 0 or q >= FIRST_BAD or q in (STALE, CHECK) or v - v != 0.0:
            continue
        for k in range(first[j], first[j + 1]):
            c = members[k]
            p = params[c]
            beyond = 0
            inside = True
            if p["loop"] != 0:
                b = band(v)
                inside = SATURATED_LOW <= b <= SATURATED_HIGH
                if b in (FAILURE_LOW, FAILURE_HIGH):
                    beyond = 3
                elif b == UNDER or (b == OVER and p["gas"] == 0):
                    beyond = 1
            else:
                inside = p["lowest"] <= v <= p["highest"]
                if v < p["lowest"] or (v > p["highest"] and p["gas"] == 0):
                    beyond = 1
            if beyond != 0:
                memory[c]["cause_now"] = now
            elif conditions[c]["quiet"] != 0:
                continue
            good = (flags[i] & LIVE) != 0 and q < FIRST_UNCERTAIN and inside
            clear = 3 if good and now - memory[c]["cause_now"] >= QUIET else 0
            basis = LATE_READING if (flags[i] & LATE) != 0 else READING
            m = step(
                c, conditions, gates, setup, beyond, clear, good, flags[i], basis, at[i], now, append, i, v, q, out,
                due, m,
            )  # fmt: skip
    return m


def calm(params: npt.NDArray[np.void]) -> tuple[npt.ArrayLike, npt.ArrayLike]:
    """Inside of the range, or of what a loop carries when all is well."""
    loop = params["loop"] != 0
    lowest, highest = np.where(loop, LOOP[0], params["lowest"]), np.where(loop, LOOP[1], params["highest"])
    return np.nextafter(lowest, -np.inf), np.nextafter(highest, np.inf)


def is_loop(tag: Tag) -> bool:
    """Whether the tag reads the bare current of a 4-20 mA loop: another current is a quantity like any other."""
    return tag.unit == "mA" and (tag.range_low, tag.range_high) in (LOOP, (None, None))


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    for tag in tags:
        low, high, loop = tag.range_low, tag.range_high, is_loop(tag)
        gas = tag.measure is Measure.GAS
        margin = 0.0
        levels: tuple[Level, ...] = _LOOP_LEVELS
        if not loop:
            if low is None or high is None:
                continue
            margin = params.outside * (high - low)
            levels = (Level("outside", _OUTSIDE, low - margin if gas else None),)
        yield Planned(
            tags=(tag,),
            side=Side.FAULT,
            levels=levels,
            on_delay_s=(LOOP_DELAY_S if loop else DELAY_S) if params.on_delay_s is None else params.on_delay_s,
            holds=False,
            values={
                "lowest": math.nan if low is None else low - margin,
                "highest": math.nan if high is None else high + margin,
                "loop": loop,
                "gas": gas,
            },
        )


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    yield from check_share("outside", params.outside, 0.5, 0.02)
    delay = params.on_delay_s
    if delay is not None and not (math.isfinite(delay) and 0 <= delay <= 3600):
        yield Problem.of("params.on_delay_s", f"{delay:g} s is no delay for a fault", "0 to 3600; leave it out for 60")


_OUTSIDE = Text(zh="超出量程", en="out of range")
_LOOP_LEVELS = (
    Level("outside", Text(zh="电流无效", en="invalid current")),
    Level("failure", Text(zh="故障电流", en="failure current")),
)


def say(said: Said) -> Text:
    """Such as "1#炉 CO：-12 ppm 低于量程超过 60 秒，零点漂移、干扰或故障"."""
    what = name(said.tag)
    if said.level is None:
        return Text(zh=f"{what.zh}：数值回到量程内", en=f"{what.en}: back in range")
    value = quantity(said.value, said.tag.unit)
    if said.level.name == "failure":
        return Text(
            zh=f"{what.zh}：电流 {value}，仪表报告自身故障",
            en=f"{what.en}: current {value}, the instrument signals a failure",
        )
    longer = duration(said.condition.on_delay_s)
    if said.condition.values["loop"]:
        return Text(
            zh=f"{what.zh}：电流 {value} 超过 {longer.zh}不在有效范围 3.8 至 20.5 mA 内",
            en=f"{what.en}: current {value} outside of the valid 3.8 to 20.5 mA for more than {longer.en}",
        )
    if said.value < said.condition.values["lowest"]:
        return Text(
            zh=f"{what.zh}：{value} 低于量程超过 {longer.zh}，零点漂移、干扰或故障",
            en=f"{what.en}: {value} below the range for more than {longer.en}: drifted zero, interference or fault",
        )
    return Text(
        zh=f"{what.zh}：{value} 超出量程超过 {longer.zh}，仪表或量程设置有误",
        en=f"{what.en}: {value} out of range for more than {longer.en}: faulty instrument or wrong range",
    )


_CL2 = Tag(
    number=1, name="CL2-1", enterprise="e", measure=Measure.GAS, cas="7782-50-5", unit="ppm", range_low=0.0,
    range_high=10.0, limits=Limits(high=0.34, high_high=0.68),
)  # fmt: skip
_I = Tag(number=1, name="I-1", enterprise="e", measure=Measure.CURRENT, unit="mA", range_low=4.0, range_high=20.0)

KIND = Kind(
    name="range",
    title=Text(zh="超出量程", en="Out of range"),
    alarm_class=AlarmClass.INSTRUMENT,
    params=Params,
    levels=2,
    plan=plan,
    check=check,
    rows=rows,
    say=say,
    calm=calm,
    param_dtype=PARAMS,
    memory_dtype=MEMORY,
    source="NAMUR NE 43 for currents; project default for quantities: 2 % of the span for 60 s.",
    examples=(
        Example(
            _CL2,
            RuleCase(
                name="a chlorine detector that reads negative for a minute, as nitrogen dioxide or drift makes it",
                tag="CL2-1",
                readings=((0, 0.1), *((t, -0.3) for t in range(5, 70, 5)), *((t, 0.1) for t in range(70, 130, 5))),
                expect=((65, "raise", "outside"), (125, "return", "normal")),
            ),
        ),
        Example(
            _CL2,
            RuleCase(
                name="a little below zero is no fault, nor is over-range: that is an alarm",
                tag="CL2-1",
                readings=(*((t, -0.2) for t in range(0, 70, 5)), *((t, 12.0) for t in range(70, 140, 5))),
            ),
        ),
        Example(
            _I,
            RuleCase(
                name="3.7 mA means nothing, 3.5 mA is the instrument's own sign of failure",
                tag="I-1",
                readings=(
                    (0, 3.9), *((t, 3.7) for t in range(1, 8)), *((t, 3.5) for t in range(8, 14)),
                    *((t, 12.0) for t in range(14, 80)),
                ),
                expect=((5, "raise", "outside"), (12, "rise", "failure"), (73, "return", "normal")),
            ),
        ),
    ),
)  # fmt: skip
