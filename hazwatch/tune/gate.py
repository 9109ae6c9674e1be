"""One level of one condition over recorded readings, with any deadband and delays: when it is raised, and when it ends.

The same rules as the gates of `rules.machine`, for one level alone and readings in the order of time: a level is
pending while the value stays beyond its limit, is raised when the on-delay has run (readings or not), and ends at a
reading that is back past limit and deadband once such readings have lasted for the off-delay. What a proposal does is
proved by the real fold afterwards; this exists because a grid of hundreds of settings is tried on each tag.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rules.compiling import kernel

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
NEVER = np.int64(2**63 - 1)
IDLE, PENDING, ACTIVE, CLEARING = 0, 1, 2, 3


class Samples(NamedTuple):
    """The readings of one tag in the order of time, arrays of shape (n,): when (ns), what (the tag's unit), whether
    they can raise (a number, not of bad quality) and whether they can lower (good and in range as well)."""

    at: Ints
    value: Floats
    raises: Bools
    lowers: Bools


class Setting(NamedTuple):
    """Deadband (the tag's unit) and delays (s) of a tag."""

    deadband: float
    on_delay_s: float
    off_delay_s: float


@kernel
def _run(at, beyond, clear, lowers, on, off, gap, raised, ended):  # type: ignore[no-untyped-def]
    """Fill `raised` and `ended` (n + 1,) with the times of each alarm; returns how many there are. The last one may
    not have ended: its end is NEVER. Times and delays in ns."""
    phase = 0
    since = np.int64(0)
    back = np.int64(0)
    last = np.int64(0)
    m = 0
    for i in range(len(at)):
        now = at[i]
        if phase == 1 and since + on <= now:  # the timer comes before the reading
            phase = 2
            raised[m] = since + on
            ended[m] = 9223372036854775807
            m += 1
        if beyond[i]:
            if phase == 0:
                phase = 1
                since = now
                if on == 0:
                    phase = 2
                    raised[m] = now
                    ended[m] = 9223372036854775807
                    m += 1
            elif phase == 3:
                phase = 2
        elif phase == 1:
            if lowers[i]:
                phase = 0
        elif phase >= 2:
            if lowers[i] and clear[i]:
                if phase == 2 or now - last > gap:
                    back = now
                last = now
                phase = 3
                if now - back >= off:
                    phase = 0
                    ended[m - 1] = now
            else:
                phase = 2
    if phase == 1:  # readings end, time does not
        raised[m] = since + on
        ended[m] = 9223372036854775807
        m += 1
    return m


def alarms(samples: Samples, limit: float, sign: float, setting: Setting, gap_ns: int) -> tuple[Ints, Ints]:
    """When the level was raised and when it ended (`NEVER` for one that did not), ns, arrays of shape (alarms,).

    `sign` is +1 for a limit that is crossed upwards, -1 for the other; after a gap of more than `gap_ns` between two
    readings an off-delay begins anew.
    """
    x = sign * samples.value
    edge = sign * limit
    beyond = samples.raises & (x >= edge)
    clear = samples.raises & ~(x >= edge - setting.deadband)
    raised, ended = np.empty(len(x) + 1, np.int64), np.empty(len(x) + 1, np.int64)
    on, off = round(setting.on_delay_s * 1e9), round(setting.off_delay_s * 1e9)
    count = _run(samples.at, beyond, clear, samples.lowers, on, off, gap_ns, raised, ended)
    return raised[:count].copy(), ended[:count].copy()
