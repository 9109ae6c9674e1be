"""Inputs on a common grid of time steps: means of a step, the steps before it, and an exponentially smoothed value.

Each input keeps its own newest steps in one sample, and only its own readings change it; how it stands at a step of the
unit is worked out when it is asked for. Between two readings an input holds its value, for `hold` steps at most. After
a longer silence, or when its clock was set back by more, it begins anew: with itself as its past and 0, the healthy
mean, as its smoothed value.

Values are scaled (mean 0, in scales). `p` is a condition's parameters (`rules.unitcharts.PARAMS`).
"""

from __future__ import annotations

import numpy as np

from rules.compiling import kernel

CLIP = 5.0
"""The furthest (scales) that a step may pull the smoothed value, so that it comes back soon from what is over."""
SAMPLE = np.dtype(
    [
        ("number", "i8"),  # the input's tag and model: a revision may put another one into this place
        ("stamp", "i8"),
        ("cell", "i8"),  # the step of its newest good reading
        ("count", "i8"),
        ("total", "f8"),  # of the scaled readings of this step
        ("past", "f8", (2,)),  # the means of the steps before it, newest first
        ("known", "i8"),  # how many of them there are
        ("smooth", "f8", (2,)),  # the smoothed value at the end of the steps before it
    ],
    align=True,
)


@kernel
def hear(p, sample, s, cell, z):  # type: ignore[no-untyped-def]
    """Take in a scaled reading of input s at step `cell`; returns whether it is the first one of a newer step."""
    if sample["number"] != p["number"][s] or sample["stamp"] != p["stamp"]:
        sample["number"] = p["number"][s]
        sample["stamp"] = p["stamp"]
        sample["count"] = 0
        sample["cell"] = cell
    gap = cell - sample["cell"]
    if gap < -p["hold"][s]:
        sample["count"] = 0
    elif gap < 0:
        return False
    first = gap > 0 or sample["count"] == 0
    if sample["count"] == 0 or gap > p["hold"][s]:
        sample["known"] = 0
        for n in range(2):
            sample["past"][n] = 0.0
            sample["smooth"][n] = 0.0
    elif gap > 0:
        mean = sample["total"] / sample["count"]
        bounded = min(max(mean, -CLIP), CLIP)
        for _ in range(gap):
            sample["past"][1] = sample["past"][0]
            sample["past"][0] = mean
            sample["smooth"][1] = sample["smooth"][0]
            sample["smooth"][0] += p["weight"] * (bounded - sample["smooth"][0])
        sample["known"] = min(sample["known"] + gap, 2)
    if first:
        sample["count"] = 0
        sample["total"] = 0.0
        sample["cell"] = cell
    sample["count"] += 1
    sample["total"] += z
    return first


@kernel
def recall(p, sample, s, cell, raw, slow):  # type: ignore[no-untyped-def]
    """Write the columns of input s at step `cell`; returns whether the input is missing."""
    inputs = p["inputs"]
    gap = cell - sample["cell"]
    known = sample["number"] == p["number"][s] and sample["stamp"] == p["stamp"]
    if not known or sample["count"] == 0 or gap < 0 or gap > p["hold"][s]:
        for lag in range(p["lags"] + 1):
            raw[lag * inputs + s] = 0.0
            slow[lag * inputs + s] = 0.0
        return True
    mean = sample["total"] / sample["count"]
    bounded = min(max(mean, -CLIP), CLIP)
    older, old, new = 0.0, sample["smooth"][1], sample["smooth"][0]
    for _ in range(gap + 1):
        older = old
        old = new
        new += p["weight"] * (bounded - new)
    for lag in range(p["lags"] + 1):
        back = lag - gap  # how many steps before the one of the newest reading
        value = mean
        if back > 0 and sample["known"] > 0:
            value = sample["past"][min(back, sample["known"]) - 1]
        raw[lag * inputs + s] = value
        slow[lag * inputs + s] = new if lag == 0 else (old if lag == 1 else older)
    return False
