"""What turns "beyond the limit" into a level: delays, hysteresis per level, hold, unknown (LAWS T4, L5, C6).

Every condition of every kind is a short ladder of *gates*, one per level. A kind's kernel says for each row which
levels are beyond and which are clear; the machine does all that has to do with time, and writes down the changes.

    idle --beyond--> pending --on-delay has run--> active --clear--> clearing --off-delay has run--> idle
                        |                            ^                  |
                        +--good, not beyond--> idle  +--anything else---+

The level of a condition is the highest of its gates that is active or clearing.
"""

from __future__ import annotations

import numpy as np

from rules.admission import DOUBTFUL, LATE, RESTART
from rules.compiling import kernel
from schemas.changes import Basis
from schemas.time import SECOND

IDLE, PENDING, ACTIVE, CLEARING = 0, 1, 2, 3
UNKNOWN = -1
"""The stated level of a condition without history (LAWS C6)."""

FRESH = 60 * SECOND
"""A raise whose onset is older waits for a good reading that is younger (LAWS L5)."""
HOLD = 5 * SECOND
"""But no longer than this (LAWS L5)."""
NEVER = np.iinfo(np.int64).max
FIGURES = 8
"""The most numbers that a change can carry beside its value."""

BASES = tuple(Basis)
READING, LATE_READING, TIMER, LINK, RESTATEMENT, FIRST, RETIRED = (
    BASES.index(b)
    for b in (Basis.READING, Basis.LATE, Basis.TIMER, Basis.LINK, Basis.RESTATEMENT, Basis.FIRST, Basis.RETIRED)
)

CONDITION = np.dtype(
    [
        ("stated", "i4"),  # the level last said, UNKNOWN at first
        ("level", "i4"),  # the level that the gates give; above `stated` while a raise is held
        ("since", "i8"),  # event time at which the excursion began, 0 without one
        ("hold", "i8"),  # `now` at which the first raise was held since the last fresh good reading, 0 when none
        ("doubtful", "i4"),  # whether `since` rests on a replaced time
        ("quiet", "i4"),  # stated normal, all gates idle, nothing held: a row that is not beyond changes nothing
    ],
    align=True,
)
GATE = np.dtype(
    [
        ("phase", "i4"),
        ("doubtful", "i4"),  # whether `on_event` is a replaced time
        ("on_event", "i8"),  # event time and `now` at which the value went beyond
        ("on_now", "i8"),
        ("off_event", "i8"),  # event time and `now` at which the run of clear readings began
        ("off_now", "i8"),
        ("off_last", "i8"),  # event time of the run's last reading
    ],
    align=True,
)
SETUP = np.dtype(
    [
        ("levels", "i4"),
        ("holds", "i4"),  # whether LAWS L5 applies
        ("on_delay", "i8"),
        ("off_delay", "i8"),
        ("gap", "i8"),  # a hole in event time that counts as missing data
        ("link", "i4"),  # number of the link of its first tag
    ],
    align=True,
)
CHANGE = np.dtype(
    [
        ("row", "i4"),
        ("condition", "i4"),
        ("level", "i4"),
        ("basis", "i4"),
        ("due", "i8"),  # the `now` at which a timer fell due
        ("onset", "i8"),
        ("since", "i8"),
        ("at", "i8"),
        ("value", "f8"),
        ("quality", "i4"),
        ("doubtful", "i4"),
        ("figures", "f8", (FIGURES,)),  # what the kind tells beside the value; NaN where it tells nothing
    ],
    align=True,
)


@kernel
def _level(c, conditions, gates, setup):  # type: ignore[no-untyped-def]
    """Recompute level and excursion of condition c from its gates; returns the level."""
    condition = conditions[c]
    level = 0
    first = NEVER
    doubtful = 0
    for k in range(setup[c]["levels"]):
        g = gates[c, k]
        if g["phase"] >= ACTIVE:
            level = k + 1
            if g["on_event"] < first:
                first = g["on_event"]
                doubtful = g["doubtful"]
    if level == 0:
        condition["since"] = 0
        condition["doubtful"] = 0
    elif condition["level"] <= 0:
        condition["since"] = first
        condition["doubtful"] = doubtful
    condition["level"] = level
    return level


@kernel
def _held(c, conditions, gates, setup, level, now, append, due):  # type: ignore[no-untyped-def]
    """L5: whether the raise to `level` must still wait at this moment; the wait itself is a timer."""
    s = setup[c]
    if s["holds"] == 0 or append - gates[c, level - 1]["on_event"] <= FRESH + s["on_delay"]:
        return False
    condition = conditions[c]
    if condition["hold"] == 0:
        condition["hold"] = now
    until = condition["hold"] + HOLD
    if now >= until:
        return False
    due[0] = min(due[0], until)
    return True


@kernel
def _state(c, conditions, gates, level, row, basis, due, at, value, quality, out, m):  # type: ignore[no-untyped-def]
    """Write the change to `level` down (LAWS C1: the resulting level, once per condition and row)."""
    condition = conditions[c]
    said = out[m]
    said["row"] = row
    said["condition"] = c
    said["level"] = level
    said["basis"] = FIRST if condition["stated"] == UNKNOWN and basis == READING else basis
    said["due"] = due
    said["since"] = condition["since"]
    said["onset"] = at
    said["doubtful"] = condition["doubtful"]
    if level > 0:
        said["onset"] = gates[c, level - 1]["on_event"]
        said["doubtful"] = gates[c, level - 1]["doubtful"]
    said["at"] = at
    said["value"] = value
    said["quality"] = quality
    for i in range(FIGURES):
        said["figures"][i] = np.nan
    condition["stated"] = level
    return m + 1


@kernel
def step(  # type: ignore[no-untyped-def]
    c, conditions, gates, setup, beyond, clear, lowers, flags, basis, at, now, append, row, value, quality, out, due, m
):
    """One row of condition c. `beyond` and `clear` are bit masks over the levels, lowest level in bit 0.

    `lowers` says that the row is good, in range and in order: nothing else stops an on-delay, runs an off-delay or
    ends a level (law 7). Returns the number of changes in `out`, which held `m` before.
    """
    condition = conditions[c]
    condition["quiet"] = 0
    s = setup[c]
    late = (flags & LATE) != 0
    restart = (flags & RESTART) != 0
    pending = False
    idle = True
    for k in range(s["levels"]):
        g = gates[c, k]
        hit = (beyond >> k) & 1 != 0
        if hit:
            if g["phase"] == IDLE:
                g["phase"] = PENDING
                g["on_event"] = at
                g["on_now"] = now
                g["doubtful"] = 1 if flags & DOUBTFUL else 0
            elif g["phase"] == CLEARING:
                g["phase"] = ACTIVE
        elif late:
            # T4: a late reading may start an on-delay, never stop or restart it; nor does it touch an off-delay
            pending = pending or g["phase"] == PENDING
            idle = idle and g["phase"] == IDLE
            continue
        if g["phase"] == PENDING:
            # T4: an on-delay ends when event time or `now` has run it, whatever this row says
            ran = at - g["on_event"] >= s["on_delay"] and (hit or not restart)
            if ran or now - g["on_now"] >= s["on_delay"]:
                g["phase"] = ACTIVE
            elif lowers and not hit:
                g["phase"] = IDLE
        if g["phase"] >= ACTIVE and not hit:
            if lowers and (clear >> k) & 1 != 0:
                if g["phase"] == ACTIVE or restart:
                    g["off_event"] = at
                    g["off_now"] = now
                elif at - g["off_last"] > s["gap"]:
                    g["off_event"] = at  # T4: missing data restarts the run, here seen in event time
                g["off_last"] = at
                g["phase"] = CLEARING
                if at - g["off_event"] >= s["off_delay"] or now - g["off_now"] >= s["off_delay"]:
                    g["phase"] = IDLE
            else:
                g["phase"] = ACTIVE  # T4: anything but a clear reading restarts the run
        pending = pending or g["phase"] == PENDING
        if g["phase"] == PENDING:
            due[0] = min(due[0], g["on_now"] + s["on_delay"])
        idle = idle and g["phase"] == IDLE
    level = _level(c, conditions, gates, setup)

    fresh = lowers and append - at <= FRESH
    if fresh:
        condition["hold"] = 0
    quiet = 1 if idle and level == 0 and condition["hold"] == 0 else 0
    if level == condition["stated"]:
        condition["quiet"] = quiet
        return m
    if level > 0 and level > condition["stated"]:
        if not fresh and _held(c, conditions, gates, setup, level, now, append, due):
            return m
    elif condition["stated"] == UNKNOWN and (pending or not lowers):
        return m  # C6: normal is said at a good reading, and not while an on-delay runs
    condition["quiet"] = quiet
    return _state(c, conditions, gates, level, row, basis, now, at, value, quality, out, m)


@kernel
def fire(conditions, gates, setup, now, append, out, due):  # type: ignore[no-untyped-def]
    """T3: every timer that has fallen due, as row -1; returns the number of changes and sets the next due time.

    Timers only raise: an on-delay that `now` has run (T4), and a hold that ends (L5).
    """
    m = np.int64(0)
    due[0] = NEVER
    for c in range(len(conditions)):
        condition = conditions[c]
        if condition["quiet"] != 0:
            continue
        s = setup[c]
        when = NEVER
        for k in range(s["levels"]):
            g = gates[c, k]
            if g["phase"] == PENDING:
                ends = g["on_now"] + s["on_delay"]
                if ends <= now:
                    g["phase"] = ACTIVE
                    when = min(when, ends)
                else:
                    due[0] = min(due[0], ends)
        level = _level(c, conditions, gates, setup) if when != NEVER else condition["level"]
        if level <= 0 or level <= condition["stated"]:
            continue
        # judged at the time it fell due, so that ticks in between change nothing (T2)
        if when == NEVER or _held(c, conditions, gates, setup, level, when, append - (now - when), due):
            when = condition["hold"] + HOLD
            if when > now:
                due[0] = min(due[0], when)
                continue
        row, basis, no_quality = np.int64(-1), np.int64(TIMER), np.int16(0)
        m = _state(np.int32(c), conditions, gates, level, row, basis, when, when, 0.0, no_quality, out, m)
    return m
