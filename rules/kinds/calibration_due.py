"""Calibration due: an instrument whose calibration or verification ends soon, or has ended.

The registry gives the last day (`calibration_due`); it ends with that day in China, at 24:00 +08:00. The first level
comes `notice_days` before, so that the work can be planned; the second when it is over: from then on nobody vouches for
the numbers. A tag without a date is not watched, and `hazwatch check` names the gas points that have none.

The date is compared with the append time of the record at hand, at readings and at the heartbeats of the tag's link, so
a silent instrument is told too; no clock is asked. (`now` counts no outages, so it would be late by all of them.) In a
replay it is the day of the recording. The alarm ends at a reading under a revision with a new date.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import date

import numpy as np

from rules.admission import LIVE
from rules.compiling import kernel
from rules.instruments import QUIET
from rules.kinds import Example, Kind, Level, Planned, Said
from rules.machine import LINK, READING, step
from rules.words import name, number
from schemas.changes import AlarmClass, Side
from schemas.problems import Problem
from schemas.registry import Limits, Measure, RuleCase, Struct, Tag
from schemas.text import Text
from schemas.time import DAY, end_of_day, seconds

LEVELS = (
    Level("due_soon", Text(zh="检定即将到期", en="calibration due soon")),
    Level("overdue", Text(zh="检定已过期", en="calibration overdue")),
)


class Params(Struct, frozen=True, kw_only=True):
    """How many days before the last one it is told that it is due."""

    notice_days: float = 30.0


PARAMS = np.dtype([("soon", "i8"), ("over", "i8")], align=True)
MEMORY = np.dtype([("value", "f8"), ("cause_now", "i8")], align=True)


@kernel
def rows(  # type: ignore[no-untyped-def]
    n, index, flags, at, value, quality, first, members, conditions, gates, setup, params, memory, now, append, out, due
):
    m = np.int64(0)
    basis = np.int64(READING)
    for i in range(n):
        j = index[i]
        if j < 0 or (flags[i] & LIVE) == 0:
            continue
        for k in range(first[j], first[j + 1]):
            c = members[k]
            p = params[c]
            s = memory[c]
            beyond = (1 if append >= p["soon"] else 0) | (2 if append >= p["over"] else 0)
            if beyond == 0 and conditions[c]["quiet"] != 0:
                continue
            if beyond != 0:
                s["cause_now"] = now
            s["value"] = (p["over"] - append) / DAY
            clear = 3 - beyond if beyond != 0 or now - s["cause_now"] >= QUIET else 0
            m = step(
                c, conditions, gates, setup, beyond, clear, True, flags[i], basis, at[i], now, append, i, s["value"],
                quality[i], out, due, m,
            )  # fmt: skip
    return m


@kernel
def beat(  # type: ignore[no-untyped-def]
    link, since, tag_at, tags, conditions, gates, setup, params, memory, now, append, row, out, due
):
    m = np.int64(0)
    basis = np.int64(LINK)
    for c in range(len(conditions)):
        p = params[c]
        beyond = (1 if append >= p["soon"] else 0) | (2 if append >= p["over"] else 0)
        if setup[c]["link"] != link or beyond == 0 or conditions[c]["stated"] >= (2 if beyond == 3 else 1):
            continue
        memory[c]["cause_now"] = now
        memory[c]["value"] = (p["over"] - append) / DAY
        m = step(
            np.int32(c), conditions, gates, setup, beyond, 0, np.bool_(False), np.uint8(0), basis, append, now, append,
            row, memory[c]["value"], np.int16(0), out, due, m,
        )  # fmt: skip
    return m


def plan(tags: Sequence[Tag], params: Params) -> Iterator[Planned]:
    for tag in tags:
        if tag.calibration_due is None:
            continue
        over = min(end_of_day(tag.calibration_due), 2**62)
        yield Planned(
            tags=(tag,),
            side=Side.FAULT,
            levels=LEVELS,
            holds=False,
            values={"soon": over - seconds(params.notice_days * 86_400), "over": over},
        )


def check(tag: Tag, params: Params) -> Iterable[Problem]:
    if not (math.isfinite(params.notice_days) and 0 <= params.notice_days <= 366):
        yield Problem.of("params.notice_days", f"{params.notice_days:g} days are no notice", "0 to 366; 30 is usual")


def say(said: Said) -> Text:
    """Such as "1#炉 CO：检定有效期至 2027-03-31，还剩 12 天"."""
    what = name(said.tag)
    if said.level is None or said.tag.calibration_due is None:
        return Text(zh=f"{what.zh}：检定在有效期内", en=f"{what.en}: its calibration is valid")
    day = said.tag.calibration_due.isoformat()
    left = said.value
    if said.level is LEVELS[1]:
        days = "" if math.isnan(left) else number(max(0, math.floor(-left)))
        return Text(
            zh=f"{what.zh}：检定有效期至 {day}，已过期{days and f' {days} 天'}，读数没有保证",
            en=f"{what.en}: its calibration ended on {day}{days and f', {days} days ago'};"
            " nobody vouches for its readings",
        )
    days = "" if math.isnan(left) else number(max(0, math.floor(left)))
    return Text(
        zh=f"{what.zh}：检定有效期至 {day}{days and f'，还剩 {days} 天'}，安排检定",
        en=f"{what.en}: its calibration ends with {day}{days and f', in {days} days'}; have it calibrated",
    )


def _due(day: date) -> Tag:
    return Tag(
        number=1, name="CO-1", enterprise="e", measure=Measure.GAS, cas="630-08-0", unit="ppm", range_low=0.0,
        range_high=500.0, period_s=10.0, limits=Limits(high=17.2, high_high=34.3), calibration_due=day,
    )  # fmt: skip


KIND = Kind(
    name="calibration_due",
    title=Text(zh="检定到期", en="Calibration due"),
    alarm_class=AlarmClass.INSTRUMENT,
    params=Params,
    levels=2,
    plan=plan,
    check=check,
    rows=rows,
    beat=beat,
    say=say,
    unit=lambda planned: "d",
    param_dtype=PARAMS,
    memory_dtype=MEMORY,
    source="Verification of gas detectors as a rule once a year (JJG 693, JJG 695, JJG 915); notice: project default.",
    examples=(
        Example(
            _due(date(2026, 1, 20)),
            RuleCase(
                name="it is 1 January 2026 08:00 in China: a calibration that ends on the 20th is due in 19 days",
                tag="CO-1",
                readings=((0, 2.0), (10, 2.0)),
                expect=((0, "raise", "due_soon"),),
            ),
        ),
        Example(
            _due(date(2025, 12, 31)),
            RuleCase(
                name="one that ended yesterday is overdue; a heartbeat tells it where no reading does",
                tag="CO-1",
                readings=((12, 2.0),),
                expect=((5, "raise", "overdue"),),
            ),
        ),
        Example(
            _due(date(2026, 1, 1)),
            RuleCase(
                name="it holds until the end of its last day",
                tag="CO-1",
                readings=((0, 2.0), (10, 2.0)),
            ),
            params={"notice_days": 0.0},
        ),
        Example(
            _due(date(2026, 6, 30)),
            RuleCase(
                name="half a year is far",
                tag="CO-1",
                readings=((0, 2.0), (10, 2.0)),
            ),
        ),
    ),
)
