"""How the state of a whole unit is judged at a step: five charts over a model of its healthy period.

The kernels work on a condition's parameters `PARAMS`, which come from the model (`schemas.models`), and on its memory
`MEMORY`; the inputs lie in the rings of `rules.stepping`. Rule kind `anomaly` says what the charts are and mean.
"""

from __future__ import annotations

import math

import numpy as np

from rules.compiling import kernel, scratch_kernel
from rules.projection import distances, fill, project, pull
from rules.stepping import recall
from rules.verdicts import BEYOND, CLEAR, HOLDS
from schemas.models import CHARTS, MOST_COLUMNS, MOST_COMPONENTS, MOST_INPUTS
from schemas.time import DAY

RELEASE = 0.85
"""The share of the limit below which an alarm ends."""
MARGIN = 6.0
"""How far outside of what was trained (scales) a reading still counts as what it is."""
MOST_MISSING = 0.25
"""The share of the inputs that may be missing."""
TOLD = 3
RAW = 3
"""How many of the charts look at the state itself; the others look at the smoothed one."""
FIGURES = ("first", "first_share", "second", "second_share", "third", "third_share", "missing", "outside")

PARAMS = np.dtype(
    [
        ("stamp", "i8"),
        ("step", "i8"),  # ns
        ("inputs", "i8"),
        ("lags", "i8"),
        ("harmonics", "i8"),
        ("columns", "i8"),
        ("main", "i8"),
        ("kept", "i8"),
        ("most_missing", "i8"),
        ("longest", "i8"),  # steps, the longest of all holds
        ("at_once", "i8"),  # whether a step is complete when every input was heard in it
        ("weight", "f8"),
        ("rest", "f8"),
        ("ridge", "f8"),
        ("limits", "f8", (len(CHARTS),)),
        ("number", "i8", (MOST_INPUTS,)),
        ("hold", "i8", (MOST_INPUTS,)),  # steps
        ("mean", "f8", (MOST_INPUTS,)),
        ("scale", "f8", (MOST_INPUTS,)),
        ("low", "f8", (MOST_INPUTS,)),  # of the validity range, scaled
        ("high", "f8", (MOST_INPUTS,)),
        ("range_low", "f8", (MOST_INPUTS,)),
        ("range_high", "f8", (MOST_INPUTS,)),
        ("variances", "f8", (MOST_COMPONENTS,)),
        ("loadings", "f8", (MOST_COMPONENTS * MOST_COLUMNS,)),
        ("diagonal", "f8", (3 * MOST_COLUMNS,)),
    ],
    align=True,
)
MEMORY = np.dtype(
    [
        ("value", "f8"),  # the greatest chart, in its limit
        ("figures", "f8", (len(FIGURES),)),
        ("stamp", "i8"),  # of the model that all this belongs to
        ("clock", "i8"),  # the newest step that was heard
        ("done", "i8"),  # the newest step that was judged
        ("judged", "i8"),  # `now` and append time at which enough inputs were there, or the clock was set
        ("appended", "i8"),
        ("heard", "i4"),  # inputs heard in the newest step
        ("verdict", "i4"),
    ],
    align=True,
)


@kernel
def blame(p, own, form, z, t):  # type: ignore[no-untyped-def]
    """Write the three inputs that have most to do with a chart, and their shares of all inputs."""
    inputs = p["inputs"]
    total = 0.0
    for n in range(2 * TOLD):
        own["figures"][n] = np.nan
    for s in range(inputs):
        part, way = 0.0, 0.0
        for lag in range(p["lags"] + 1):
            j = lag * inputs + s
            pulled = pull(p, form, z, t, j)
            part += pulled * pulled / p["diagonal"][form * MOST_COLUMNS + j]
            way += pulled
        total += part
        place = float(s + 1) if way >= 0 else -float(s + 1)
        for n in range(TOLD):
            there = own["figures"][2 * n + 1]
            if not there >= part:  # also where there is none yet
                before = own["figures"][2 * n]
                own["figures"][2 * n] = place
                own["figures"][2 * n + 1] = part
                place, part = before, there
                if part != part:
                    break
    for n in range(TOLD):
        if total > 0:
            own["figures"][2 * n + 1] /= total


@scratch_kernel
def judge(p, memory, c, cell, now, append):  # type: ignore[no-untyped-def]
    """Judge the unit at step `cell`."""
    own = memory.own[c]
    own["done"] = cell
    inputs = p["inputs"]
    raw, slow = np.zeros(MOST_COLUMNS), np.zeros(MOST_COLUMNS)
    missing = np.zeros(MOST_INPUTS, np.bool_)
    gone, outside = 0, 0
    for s in range(inputs):
        missing[s] = recall(p, memory.samples[memory.first[c] + s], s, cell, raw, slow)
        if missing[s]:
            gone += 1
        elif raw[s] < p["low"][s] or raw[s] > p["high"][s]:
            outside += 1
    if gone > p["most_missing"]:
        own["verdict"] = HOLDS
        return
    own["judged"] = now
    own["appended"] = append
    day = ((cell * p["step"] + p["step"] // 2) % DAY) / DAY
    for n in range(p["harmonics"]):
        j = inputs * (p["lags"] + 1) + 2 * n
        angle = 2.0 * math.pi * (n + 1) * day
        raw[j] = math.sqrt(2.0) * math.sin(angle)
        raw[j + 1] = math.sqrt(2.0) * math.cos(angle)
        slow[j] = raw[j]
        slow[j + 1] = raw[j + 1]
    t, u = np.zeros(MOST_COMPONENTS), np.zeros(MOST_COMPONENTS)
    if gone > 0:
        fill(p, raw, t, missing)
        fill(p, slow, u, missing)
    else:
        project(p, raw, t)
        project(p, slow, u)
    found, smoothed = np.zeros(3), np.zeros(3)
    distances(p, raw, t, found)
    distances(p, slow, u, smoothed)
    worst, chart = -1.0, 0
    for n in range(RAW):
        ratio = found[n] / p["limits"][n]
        if ratio > worst:
            worst, chart = ratio, n
    for n in range(RAW, len(CHARTS)):
        ratio = smoothed[n - 2] / p["limits"][n]
        if ratio > worst:
            worst, chart = ratio, n
    own["value"] = worst
    own["figures"][6] = gone
    own["figures"][7] = outside
    if worst > 1.0:
        own["verdict"] = BEYOND
        if chart < RAW:
            blame(p, own, chart, raw, t)
        else:
            blame(p, own, chart - 2, slow, u)
    else:
        own["verdict"] = CLEAR if worst < RELEASE else HOLDS


@kernel
def turn(p, memory, c, cell, now, append):  # type: ignore[no-untyped-def]
    """Let a reading of step `cell` move the unit's clock; returns False where it is too far off and has to wait."""
    own = memory.own[c]
    if own["stamp"] != p["stamp"]:
        own["stamp"] = p["stamp"]
        own["clock"] = cell
        own["done"] = -1
        own["judged"] = now
        own["appended"] = append
        own["heard"] = 0
        own["verdict"] = HOLDS
    far = abs(cell - own["clock"]) > p["longest"]
    # `now` follows a hole in the log only when two have seen it, and the clock of the log itself may be set back
    waited = max(now - own["judged"], abs(append - own["appended"]))
    if far and waited < p["longest"] * p["step"]:
        return False
    if far or cell > own["clock"]:
        if own["done"] < own["clock"]:
            judge(p, memory, c, own["clock"], now, append)
        if far:
            own["done"] = min(own["done"], cell - 1)
            own["judged"] = now
            own["appended"] = append
        own["clock"] = cell
        own["heard"] = 0
    return True
