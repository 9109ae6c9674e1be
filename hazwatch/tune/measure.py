"""What one setting would have done on one tag: alarms, chattering, false and missed alarms, delay."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from hazwatch.backtest.intervals import Interval, common, total, touches, union, within, without
from hazwatch.backtest.measures import frequent, runs
from hazwatch.tune.gate import NEVER, Ints, Samples, Setting, alarms
from schemas.time import MINUTE, SECOND

FLEETING = MINUTE
"""An alarm that ends sooner leaves nobody the time to do anything about it (a choice of this project)."""


class Side(NamedTuple):
    """One side of a tag: `limits` from the first level on, `real` its real excursions (ns, sorted, disjoint)."""

    name: str
    sign: float
    limits: tuple[float, ...]
    real: tuple[Interval, ...]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a setting does on one side of a tag.

    `calls` are alarms that call for attention, `false` those at which no excursion was real, `bursts` how often they
    chatter (3 times or more in a minute), `chattering` the alarms in these, `fleeting` those that ended within a
    minute. `in_vain` is the share of the whole time in which an alarm stood before a real excursion, or without one;
    what it stands on behind one is not in there. `found` and `missed` count real excursions, `reached` those in which
    the second level was told too. `far` is the share of the
    time without a real excursion in which the alarm stood, `mar` the share of real excursions' time in which it did
    not; None where there was no such time.
    `delay_s` is how long after the beginning of a real excursion the alarm came, on average over those found.
    """

    side: str
    calls: int
    false: int
    bursts: int
    chattering: int
    fleeting: int
    in_vain: float
    found: int
    missed: int
    reached: int
    far: float | None
    mar: float | None
    delay_s: float | None


def told(samples: Samples, side: Side, setting: Setting, gap_ns: int, lead_ns: int = 0) -> Told:
    """Judge a setting on one side. `lead_ns` is how long before a real excursion an alarm is no false one."""
    begin, end = int(samples.at[0]), int(samples.at[-1])
    levels = [alarms(samples, limit, side.sign, setting, gap_ns) for limit in side.limits]
    times = np.unique(np.concatenate([raised for raised, _ in levels]))
    stood = union(_spells(levels[0], end)) if levels else []
    chatter = [at for raised, _ in levels for at in frequent(raised.tolist())]
    bursts = runs(sorted(chatter))
    windows = union((a - lead_ns, b) for a, b in side.real)
    higher = union(_spells(levels[-1], end)) if len(levels) > 1 else []
    delays = [found for a, b in side.real if (found := _delay(stood, a, b, lead_ns)) is not None]
    normal = without([(begin, end)], windows)
    abnormal = within(side.real, begin, end)
    vain_ns = sum(_before(windows, a, b) for a, b in stood)
    normal_ns, abnormal_ns = total(normal), total(abnormal)
    return Told(
        side=side.name,
        calls=len(times),
        false=sum(not _answers(windows, stood, at) for at in times.tolist()),
        bursts=len(bursts),
        chattering=sum(len(run) for run in bursts),
        fleeting=int(sum(((ended - raised) < FLEETING).sum() for raised, ended in levels[:1])),
        in_vain=vain_ns / (end - begin) if end > begin else 0.0,
        found=len(delays),
        missed=len(side.real) - len(delays),
        reached=sum(_delay(higher, a, b, 0) is not None for a, b in side.real),
        far=common(stood, normal) / normal_ns if normal_ns else None,
        mar=1 - common(stood, abnormal) / abnormal_ns if abnormal_ns else None,
        delay_s=sum(delays) / len(delays) / SECOND if delays else None,
    )


def _spells(level: tuple[Ints, Ints], end: int) -> list[Interval]:
    raised, ended = level
    return [(a, max(a, end) if b == NEVER else b) for a, b in zip(raised.tolist(), ended.tolist(), strict=True)]


def _before(windows: Sequence[Interval], begin: int, end: int) -> int:
    """How much of an alarm lies before the first real excursion that it touches; all of it when it touches none."""
    place = bisect_left(windows, begin, key=lambda window: window[1])
    first = windows[place][0] if place < len(windows) else end
    return min(max(first, begin), end) - begin


def _answers(windows: Sequence[Interval], stood: Sequence[Interval], at: int) -> bool:
    """Whether the alarm that was raised at a moment has to do with a real excursion: it stands in one."""
    place = bisect_right(stood, at, key=lambda spell: spell[0]) - 1
    end = max(at, stood[place][1]) if place >= 0 else at
    return touches(windows, at, end)


def _delay(stood: Sequence[Interval], begin: int, end: int, lead_ns: int) -> int | None:
    """How long after its beginning an excursion was in alarm; 0 when it was already, None when it never was."""
    place = bisect_left(stood, begin - lead_ns, key=lambda spell: spell[1])
    if place == len(stood) or stood[place][0] > end:
        return None
    return max(0, stood[place][0] - begin)
