"""The index of a hazard source: what its points say, what that comes to, and who contributes how much.

The kernels work on a condition's parameters `PARAMS` and memory `MEMORY`, and on one `SAMPLE` for each of its points.
Rule kind `risk` says what the index is and means.
"""

from __future__ import annotations

import math

import numpy as np

from rules.compiling import kernel
from rules.severity import EACH, severity
from rules.windows import remember
from schemas.quality import FIRST_BAD, FIRST_UNCERTAIN, Quality

MOST = 128
STALE, OVER, UNDER = int(Quality.STALE), int(Quality.OVER_RANGE), int(Quality.UNDER_RANGE)
SUREST = 0.999
"""The most that one point can add: with 1 there would be no shares."""

PARAMS = np.dtype(
    [
        ("members", "i8"),
        ("longest", "i8"),
        ("factor", "f8"),
        ("blind", "f8"),
        ("near", "f8"),
        ("hysteresis", "f8"),
        ("votes", "i8"),
        ("bounds", "f8", (4,)),
        ("number", "i8", (MOST,)),
        ("silent", "i8", (MOST,)),
        ("weight", "f8", (MOST,)),
        *((name, "f8", (MOST,)) for name in EACH),
    ],
    align=True,
)
FIGURES = ("first", "first_share", "second", "second_share", "third", "third_share", "data_share", "override")
MEMORY = np.dtype(
    [
        ("value", "f8"),  # the index
        ("clock", "i8"),  # how long the cell has been heard
        ("last", "i8"),  # `now` of its last row
        ("check", "i8"),  # the clock at which the next point will have been silent for too long
        ("figures", "f8", (8,)),
    ],
    align=True,
)
SAMPLE = np.dtype(
    [
        ("number", "i8"),  # the point's tag: a revision may put another one into this place
        ("heard", "i8"),  # the cell's clock at its last live reading that was no bad data; see `rules.members`
        ("severity", "f8"),
        ("second", "i8"),  # reached its second limit, and not back from it
    ],
    align=True,
)
FOREVER = np.iinfo(np.int64).max


@kernel
def _reads(p, s, v, q):  # type: ignore[no-untyped-def]
    """What a reading of point s says: (severity, at its second limit, back from it, usable, good, sick)."""
    over = p["gas"][s] != 0.0 and p["high_1"][s] + p["high_2"][s] != 0.0
    if over and (q == OVER or (q < FIRST_BAD and v > p["range_high"][s])):
        return 1.0, True, False, True, False, False
    usable = q < FIRST_BAD and v == v
    outside = q in (OVER, UNDER) or v < p["range_low"][s] or v > p["highest"][s]
    sick = not usable or q == STALE or outside
    if not usable:
        return 0.0, False, False, False, False, sick
    up = severity(v, p["near"], p["rest_high"][s], p["high_1"][s], p["high_2"][s], p["top"][s])
    down = severity(-v, p["near"], -p["rest_low"][s], -p["low_1"][s], -p["low_2"][s], -p["bottom"][s])
    high, low, deadband = p["high_2"][s], p["low_2"][s], p["deadband"][s]
    reached = v >= high or v <= low
    back = not v >= high - deadband and not v <= low + deadband
    good = q < FIRST_UNCERTAIN and v >= p["range_low"][s] and v <= p["range_high"][s] and v - v == 0.0
    return max(up, down), reached, back, True, good, sick


@kernel
def hear(p, held, c, s, v, q, live):  # type: ignore[no-untyped-def]
    """Keep what point s of condition c has said; returns whether that changes anything, and whether it may lower."""
    said, reached, back, usable, good, sick = _reads(p, s, v, q)
    k = held.first[c] + s
    remember(held, k)
    sample = held.samples[k]
    changed = False
    if sample["number"] != p["number"][s]:
        sample["number"] = p["number"][s]
        sample["heard"] = 0
        sample["severity"] = 0.0
        sample["second"] = 0
        changed = True
    clock = held.own[c]["clock"]
    if live and not sick:
        changed = changed or sample["heard"] < 0 or clock - sample["heard"] > p["silent"][s]
        sample["heard"] = clock
    if usable:
        lowers = live and good
        new = said if lowers else max(said, sample["severity"])
        changed = changed or new != sample["severity"]
        sample["severity"] = new
        if reached:
            changed = changed or sample["second"] == 0
            sample["second"] = 1
        elif back and lowers and sample["second"] != 0:
            changed = True
            sample["second"] = 0
    return changed, usable and live and good


@kernel
def judge(p, held, c):  # type: ignore[no-untyped-def]
    """The index of condition c, the level that overrides ask for, and 1 - d; notes when to look again."""
    first, own = held.first[c], held.own[c]
    clock, check = own["clock"], FOREVER
    weight, lost, left = 0.0, 0.0, 1.0
    gases, gases_lost, toxic, others = 0, 0, 0, 0
    for s in range(p["members"]):
        sample = held.samples[first + s]
        known = sample["number"] == p["number"][s]
        heard = sample["heard"] if known else 0
        joined = heard < 0
        if joined:
            heard = ~heard
        until = heard + p["silent"][s]
        ill = clock > until
        if not ill:
            check = min(check, until + 1)
        new = joined and not ill  # nothing is known of it, so it must not lower the share of the missing ones
        if not new:
            weight += p["weight"][s]
        lost += p["weight"][s] if ill else 0.0
        if p["gas"][s] != 0.0 and not new:
            gases += 1
            gases_lost += 1 if ill else 0
        if not known:
            continue
        left *= 1.0 - min(SUREST, p["weight"][s] * sample["severity"])
        if sample["second"] != 0:
            if p["toxic"][s] != 0.0:
                toxic += 1
            others += 1
    own["check"] = check
    sound = 1.0 - min(SUREST, p["blind"] * lost / weight if weight > 0.0 else 0.0)
    floor, reason = 0, 0.0
    if toxic >= p["votes"]:
        floor, reason = 4, 1.0
    elif others > 0:
        floor, reason = 3, 2.0
    elif gases > 0 and gases_lost == gases:
        floor, reason = 2, 3.0
    own["figures"][7] = reason
    return 100.0 * min(1.0, p["factor"] * (1.0 - left * sound)), floor, sound


@kernel
def explain(p, held, c, sound):  # type: ignore[no-untyped-def]
    """Write the three largest contributions, each with its share, and that of missing data. NaN where there is none."""
    first, figures = held.first[c], held.own[c]["figures"]
    total = -math.log(sound)
    for i in range(6):
        figures[i] = np.nan
    for s in range(p["members"]):
        sample = held.samples[first + s]
        if sample["number"] != p["number"][s]:
            continue
        part = -math.log(1.0 - min(SUREST, p["weight"][s] * sample["severity"]))
        total += part
        place = 6
        while place > 0 and part > 0.0 and not part <= figures[place - 1]:
            place -= 2
            if place < 4:
                figures[place + 2] = figures[place]
                figures[place + 3] = figures[place + 1]
        if place < 6:
            figures[place] = s
            figures[place + 1] = part
    for i in range(3):
        figures[2 * i + 1] = figures[2 * i + 1] / total if total > 0.0 else np.nan
    figures[6] = -math.log(sound) / total if total > 0.0 else 0.0
