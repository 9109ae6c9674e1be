"""A release of gas as its detectors and the wind show it: what they said last, the probable source, rate and zones.

The kernels work on a condition's parameters `PARAMS` and memory `MEMORY`, and on one `SAMPLE` for each of its
detectors. Rule kind `dispersion` says what they are for, `rules.plume` has the formulas.
"""

from __future__ import annotations

import math

import numpy as np

from rules.compiling import kernel, scratch_kernel
from rules.plume import dilution, locate, reach
from rules.windows import remember
from schemas.quality import FIRST_UNCERTAIN, Quality
from schemas.time import HOUR, SECOND

MOST = 32
OVER = int(Quality.OVER_RANGE)
SEES, FLOOR = 0.25, 0.1
"""Shares of a detector's first limit: from where it sees the gas, and what log(c + e) has for e."""
CALM_MS = 1.0
MEMORY_S = 60.0
"""Time constant of the means of wind and gas."""
MOST_FINITE = 1e12

EACH = ("east", "north", "height", "scale", "limit", "deadband", "range_low", "range_high")
PARAMS = np.dtype(
    [
        ("members", "i8"),  # detectors, the first tags of the condition
        ("speed_at", "i8"),  # places of wind speed and direction among its tags
        ("stability", "i8"),
        ("every", "i8"),
        ("solar_noon", "i8"),  # ns after midnight UTC
        ("speed_scale", "f8"),
        ("speed_stale", "i8"),
        ("direction_stale", "i8"),
        ("start", "f8"),
        ("assume", "f8"),
        ("margin", "f8"),
        ("release", "f8"),  # height of the release
        ("initial", "f8"),
        ("zones", "f8", (3,)),  # g/m3, NaN where there is none
        ("number", "i8", (MOST,)),
        ("stale", "i8", (MOST,)),
        *((name, "f8", (MOST,)) for name in EACH),
    ],
    align=True,
)
FIGURES = ("east_m", "north_m", "spread_m", "zone_1_m", "zone_2_m", "zone_3_m", "towards_deg", "class")
MEMORY = np.dtype(
    [
        ("value", "f8"),  # g/s
        ("judged", "i8"),  # `now` of the last judgement, 0 before the first
        ("up", "i8"),  # how many detectors are up
        ("speed", "f8"),  # m/s, the mean of the last minute
        ("speed_now", "i8"),  # `now` of its last good reading, 0 before the first
        ("toward_east", "f8"),  # the mean of the directions
        ("toward_north", "f8"),
        ("direction_now", "i8"),
        ("figures", "f8", (8,)),
    ],
    align=True,
)
SAMPLE = np.dtype(
    [
        ("number", "i8"),  # the detector's tag: a revision may put another one into this place
        ("heard", "i8"),  # `now` of its last usable live reading
        ("at", "i8"),  # event time of it
        ("value", "f8"),  # in g/m3
        ("mean", "f8"),
        ("up", "i8"),  # reached its limit, and not back from it
    ],
    align=True,
)


@kernel
def _blend(old, new, passed):  # type: ignore[no-untyped-def]
    """The mean after a reading that came `passed` ns after the last one."""
    share = passed / (passed + MEMORY_S * SECOND)
    return old + share * (new - old)


@kernel
def feel(p, own, is_speed, v, now):  # type: ignore[no-untyped-def]
    """A good wind reading."""
    if is_speed:
        speed = max(0.0, v * p["speed_scale"])
        fresh = own["speed_now"] != 0 and now - own["speed_now"] <= p["speed_stale"]
        own["speed"] = _blend(own["speed"], speed, now - own["speed_now"]) if fresh else speed
        own["speed_now"] = now
        return
    east, north = -math.sin(math.radians(v)), -math.cos(math.radians(v))  # towards, from where it comes
    fresh = own["direction_now"] != 0 and now - own["direction_now"] <= p["direction_stale"]
    passed = now - own["direction_now"]
    own["toward_east"] = _blend(own["toward_east"], east, passed) if fresh else east
    own["toward_north"] = _blend(own["toward_north"], north, passed) if fresh else north
    own["direction_now"] = now


@kernel
def hear(p, held, c, s, v, q, live, at, now):  # type: ignore[no-untyped-def]
    """Keep a usable reading of detector s; returns whether it may lower."""
    own, high, limit = held.own[c], p["range_high"][s], p["limit"][s] * p["start"]
    over = q == OVER or v > high
    x = v
    if over:
        x = high if high < np.inf else max(limit, v if v == v else limit)
    good = not over and q < FIRST_UNCERTAIN and v >= p["range_low"][s] and v - v == 0.0
    density = min(max(0.0, x), MOST_FINITE) * p["scale"][s]
    k = held.first[c] + s
    remember(held, k)
    sample = held.samples[k]
    if sample["number"] != p["number"][s]:
        sample["number"] = p["number"][s]
        sample["heard"] = 0
        sample["at"] = 0
        sample["value"] = 0.0
        sample["mean"] = 0.0
        sample["up"] = 0
    if live:
        passed = at - sample["at"]
        fresh = sample["heard"] != 0 and 0 < passed <= 5 * MEMORY_S * SECOND
        sample["mean"] = _blend(sample["mean"], density, passed) if fresh else density
        sample["value"] = density
        sample["at"] = at
        sample["heard"] = now
    elif x >= limit:
        sample["value"] = max(sample["value"], density)
    lowers = live and good
    if x >= limit:
        sample["up"] = 1
        own["up"] += 1
    elif lowers and not x >= limit - p["deadband"][s] and sample["up"] != 0:
        sample["up"] = 0
    if own["up"] > 0:
        own["up"] = _up(p, held, c)
    return lowers


@kernel
def _up(p, held, c):  # type: ignore[no-untyped-def]
    """How many detectors of condition c are up; one that is no more does not count."""
    up = 0
    for s in range(p["members"]):
        sample = held.samples[held.first[c] + s]
        if sample["number"] == p["number"][s] and sample["up"] != 0:
            up += 1
    return up


@kernel
def _class(p, wind, append):  # type: ignore[no-untyped-def]
    """The stability class, 0 to 5, of a wind (m/s) at this time."""
    if p["stability"] >= 0:
        return p["stability"]
    day = 24 * HOUR
    away = (append - p["solar_noon"] + day // 2) % day - day // 2
    if abs(away) <= 6 * HOUR or wind >= 5.0:
        return np.int64(3)
    return np.int64(5) if wind < 3.0 else np.int64(4)


@scratch_kernel
def judge(p, held, c, now, append):  # type: ignore[no-untyped-def]
    """Work out source, rate and zones of condition c, into its value and figures."""
    first, own, n = held.first[c], held.own[c], p["members"]
    own["judged"] = now
    figures = own["figures"]
    for i in range(8):
        figures[i] = np.nan
    length = math.hypot(own["toward_east"], own["toward_north"])
    known = own["speed_now"] != 0 and now - own["speed_now"] <= p["speed_stale"]
    steered = own["direction_now"] != 0 and now - own["direction_now"] <= p["direction_stale"] and length > 0.1
    wind = max(CALM_MS, own["speed"]) if known else CALM_MS
    moving = known and steered and own["speed"] >= CALM_MS
    stability = _class(p, wind, append)
    sees, strongest = 0, 0.0
    seen, density, floor = np.zeros(MOST, np.int64), np.zeros(MOST), np.ones(MOST)
    for s in range(n):
        sample = held.samples[first + s]
        if sample["number"] != p["number"][s]:
            continue
        density[s] = max(sample["value"], sample["mean"])
        limit = p["limit"][s] * p["scale"][s]
        floor[s] = FLOOR * limit
        if now - sample["heard"] <= p["stale"][s] or sample["up"] != 0:  # what killed its detector is still there
            seen[s] = 2 if density[s] >= SEES * limit else 1
            strongest = max(strongest, density[s])
            sees += 1 if seen[s] == 2 else 0
    if moving and sees >= 3:
        east, north, rate, spread = locate(
            n, seen, p["east"], p["north"], p["height"], density, floor, wind, own["toward_east"] / length,
            own["toward_north"] / length, stability, p["release"], p["initial"], p["margin"],
        )  # fmt: skip
        figures[0], figures[1], figures[2] = east, north, spread
    else:
        rate = strongest / dilution(wind, stability, p["assume"], 0.0, p["release"], p["release"], p["initial"])
    own["value"] = rate
    for i in range(3):
        if p["zones"][i] == p["zones"][i]:
            figures[3 + i] = reach(rate, wind, stability, p["zones"][i], 0.0, p["release"], p["initial"])
    if moving:
        towards = math.degrees(math.atan2(own["toward_east"], own["toward_north"])) % 360.0
        figures[6] = 0.0 if towards >= 360.0 - 1e-9 else towards
    figures[7] = stability
