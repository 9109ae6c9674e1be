"""Bad data: the instrument says so, or its number cannot be true.

Bad is a bad or stale quality, no number, or a number (or quality) outside of the measuring range by more than a 4-20 mA
signal can carry: 1.25 % of the span below, 3.125 % above (3.8 and 20.5 mA, NAMUR NE 43). Over-range on a gas point with
a limit on its high side is no fault but an alarm, and belongs to `limits`.

The fault ends at a good, live, in-range reading once no bad one has come for 60 s of `now` (law 7). Uncertain readings
change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from rules.admission import LATE, LIVE
from rules.compiling import kernel
from rules.instruments import QUIET
from rules.kinds import Example, Kind, Level, Planned, Said
from rules.kinds.limits import lowest
from rules.machine import LATE_READING, READING, step
from rules.words import name, quantity
from schemas.changes import AlarmClass, Side
from schemas.problems import Problem
from schemas.quality import FIRST_BAD, FIRST_UNCERTAIN, Quality
from schemas.registry import Limits, Measure, RuleCase, Struct, Tag
from schemas.text import Text

OVER_TOLERANCE = 0.03125
"""Share of the span above the range that a signal can still carry: 20.5 mA of 4-20 mA (NAMUR NE 43)."""
STALE, OVER, UNDER = int(Quality.STALE), int(Quality.OVER_RANGE), int(Quality.UNDER_RANGE)
LEVEL = Level("bad", Text(zh="数据无效", en="bad data"))


class Params(Struct, frozen=True, kw_only=True):
    """How long (s) data must be bad without a good reading in between before it is a fault."""

    on_delay_s: float = 5.0


PARAMS = np.dtype([("lowest", "f8"), ("highest", "f8"), ("over_is_alarm", "f8")], align=True)
MEMORY = np.dtype([("bad_now", "i8")])


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
        finite = v - v == 0.0
        for k in range(first[j], first[j + 1]):
            c = members[k]
            p = params[c]
            over = q == OVER or (finite and v > p["highest"])
            under = q == UNDER or (finite and v < p["lowest"])
            if q >= FIRST_BAD or q == STALE:
                bad = True
            elif over:
                bad = p["over_is_alarm"] == 0.0
            else:
                bad = under or not finite
            if bad:
                memory[c]["bad_now"] = now
            elif conditions[c]["quiet"] != 0:
                continue
            good = (flags[i] & LIVE) != 0 and q < FIRST_UNCERTAIN and finite and not over and not under
            clear = 1 if good and now - memory[c]["bad_now"] >= QUIET else 0
            basis = LATE_READING if (flags[i] & LATE) != 0 else READING
            m = step(
                c, conditions, gates, setup, 1 if bad else 0, clear, good, flags[i], basis, at[i], now, append, i, v, q,
                out, due, m,
            )  # fmt: skip
    return m


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    for tag in tags:
        limited = tag.limits.high is not None or tag.limits.high_high is not None
        yield Planned(
            tags=(tag,),
            side=Side.FAULT,
            levels=(LEVEL,),
            on_delay_s=params.on_delay_s,
            holds=False,
            values={
                "lowest": lowest(tag),
                "highest": highest(tag),
                "over_is_alarm": float(tag.measure is Measure.GAS and limited),
            },
        )


def highest(tag: Tag) -> float:
    """The largest number that the signal can carry: a little above the range (NAMUR NE 43)."""
    if tag.range_high is None:
        return math.inf
    span = 0.0 if tag.range_low is None else tag.range_high - tag.range_low
    return tag.range_high + OVER_TOLERANCE * span


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    if not (math.isfinite(params.on_delay_s) and 0 <= params.on_delay_s <= 100):
        message = f"{params.on_delay_s:g} s; a fault must be told within 100 s"
        yield Problem.of("params.on_delay_s", message, "0 to 100")


_REASONS = {
    Quality.STALE: Text(zh="网关报告数据陈旧", en="the gateway says that the value is stale"),
    Quality.SENSOR_FAILURE: Text(zh="传感器故障", en="sensor failure"),
    Quality.NO_COMMUNICATION: Text(zh="与传感器通信中断", en="no communication with the sensor"),
    Quality.NO_VALUE: Text(zh="没有数值", en="no value"),
    Quality.CONFIGURATION: Text(zh="网关配置错误", en="configuration error at the gateway"),
    Quality.OUT_OF_SERVICE: Text(zh="仪表已停用", en="instrument out of service"),
    Quality.OVER_RANGE: Text(zh="超出量程", en="over range"),
    Quality.UNDER_RANGE: Text(zh="低于量程", en="under range"),
}
_BAD = Text(zh="数据质量为坏", en="bad quality")


def say(said: Said) -> Text:
    """Such as "1#炉 CO：数据无效，传感器故障；报警判断暂停"."""
    what = name(said.tag)
    if said.level is None:
        return Text(zh=f"{what.zh}：数据已恢复有效", en=f"{what.en}: data is good again")
    reason = _REASONS.get(Quality(said.quality), _BAD) if said.quality in set(Quality) else _BAD
    if said.quality < FIRST_UNCERTAIN:
        if math.isfinite(said.value):
            value = quantity(said.value, said.tag.unit)
            reason = Text(zh=f"数值 {value} 超出量程", en=f"value {value} is outside of the range")
        else:
            reason = _REASONS[Quality.NO_VALUE]
    return Text(
        zh=f"{what.zh}：数据无效，{reason.zh}；不能判断是否超限",
        en=f"{what.en}: bad data, {reason.en}; limits cannot be judged",
    )


_CO = Tag(
    number=1, name="CO-1", enterprise="e", measure=Measure.GAS, cas="630-08-0", unit="ppm", range_low=0.0,
    range_high=500.0, limits=Limits(high=17.2, high_high=34.3),
)  # fmt: skip

KIND = Kind(
    name="quality",
    title=Text(zh="数据无效", en="Bad data"),
    alarm_class=AlarmClass.INSTRUMENT,
    params=Params,
    levels=1,
    plan=plan,
    check=check,
    rows=rows,
    say=say,
    calm=lambda params: (np.nextafter(params["lowest"], -np.inf), np.nextafter(params["highest"], np.inf)),
    param_dtype=PARAMS,
    memory_dtype=MEMORY,
    source="NAMUR NE 43 for the ends of the range; quality classes of OPC UA.",
    examples=(
        Example(
            _CO,
            RuleCase(
                name="bad for 5 s is a fault; it ends when 60 s have passed without bad data",
                tag="CO-1",
                readings=((0, 5.0), (1, None, "NO_VALUE"), (3, None, "NO_VALUE"), (7, 5.0), (62, 5.0), (63, 5.0)),
                expect=((6, "raise", "bad"), (63, "return", "normal")),
            ),
        ),
        Example(
            _CO,
            RuleCase(
                name="over range on a gas point is no fault",
                tag="CO-1",
                readings=((0, 5.0), (1, 600.0), (30, 600.0)),
            ),
        ),
    ),
)
