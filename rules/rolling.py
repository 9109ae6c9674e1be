"""The last 15 minutes of a dose: a ring of running sums, and how long until its sum reaches a limit.

Samples are kept at least `APART` from each other, so with faster readings the far end of the window is interpolated
within 10 s. Kinds put `RING` before `rules.doses.STATE` in their memory; the ring holds `SAMPLE`.
"""

from __future__ import annotations

import numpy as np

from rules.compiling import kernel
from rules.doses import MINUTE_MS, advance
from rules.windows import remember

WINDOW = 15 * MINUTE_MS
SLOTS = 92
APART = WINDOW // (SLOTS - 2)
"""Samples are kept this far apart (ms), so the ring never runs over."""

BITS = 21
FIELD = (1 << BITS) - 1
"""A sample packs three running times (ms) into one integer. Only their differences within a window count, and a window
with the segment before it and the longest hold are less than 2^21 ms (35 min)."""

RING = [
    ("kept", "i8"),  # `clock` at the newest sample
    # the samples at both ends of the segment that the far end of the window lies in, so that most rows need no ring
    ("tail_times", "i8"),
    ("tail_dose", "f8"),
    ("next_times", "i8"),
    ("next_dose", "f8"),
    ("head", "i4"),  # places in the ring: the newest sample, the one before or at the far end of the window
    ("tail", "i4"),
]
SAMPLE = np.dtype([("times", "i8"), ("dose", "f8")], align=True)

NOTHING, KEEP, ALONE = 0, 1, 2
"""What a reading asks of the ring: nothing, a new sample, a new sample and no older one."""


@kernel
def _since(s, times, dose):  # type: ignore[no-untyped-def]
    """What has run since a sample: time, covered time, good time (ms), dose."""
    return (
        (s["clock"] - (times >> 2 * BITS)) & FIELD,
        (s["covered"] - (times >> BITS)) & FIELD,
        (s["good"] - times) & FIELD,
        s["dose"] - dose,
    )


@kernel
def _move(s, p, samples, start, size, concentration, good, at, now):  # type: ignore[no-untyped-def]
    """Take one reading into the window, whose ring begins at `start`; returns what it asks of the ring."""
    first = s["seen"] == 0
    passed = advance(s, p, concentration, good, at, now)
    if first or passed - p["hold"] >= WINDOW:
        return ALONE
    if passed == 0:
        return NOTHING
    while s["tail"] != s["head"] and (s["clock"] - (s["next_times"] >> 2 * BITS)) & FIELD >= WINDOW:
        s["tail"] = s["tail"] + 1 if s["tail"] + 1 < size else 0
        s["tail_times"] = s["next_times"]
        s["tail_dose"] = s["next_dose"]
        if s["tail"] != s["head"]:
            following = samples[start + (s["tail"] + 1 if s["tail"] + 1 < size else 0)]
            s["next_times"] = following["times"]
            s["next_dose"] = following["dose"]
    return KEEP if s["clock"] - s["kept"] >= APART else NOTHING


@kernel
def _keep(held, c, s, alone):  # type: ignore[no-untyped-def]
    """Keep the present as a sample of condition c; `alone` when nothing older counts any more."""
    start = held.first[c]
    times = ((s["clock"] & FIELD) << 2 * BITS) | ((s["covered"] & FIELD) << BITS) | (s["good"] & FIELD)
    only = s["tail"] == s["head"]
    s["head"] = (s["head"] + 1) % (held.first[c + 1] - start)
    s["kept"] = s["clock"]
    if alone:
        s["tail"] = s["head"]
        s["tail_times"] = times
        s["tail_dose"] = s["dose"]
    elif only:
        s["next_times"] = times
        s["next_dose"] = s["dose"]
    k = start + s["head"]
    remember(held, k)
    held.samples[k]["times"] = times
    held.samples[k]["dose"] = s["dose"]


@kernel
def window(s):  # type: ignore[no-untyped-def]
    """Dose, covered time and good time (ms) of the last 15 minutes."""
    time, covered, good, dose = _since(s, s["tail_times"], s["tail_dose"])
    outside = time - WINDOW
    if outside <= 0:
        return dose, float(covered), float(good)
    covered_after, good_after, dose_after = np.int64(0), np.int64(0), 0.0
    if s["tail"] != s["head"]:
        _, covered_after, good_after, dose_after = _since(s, s["next_times"], s["next_dose"])
    # a segment is covered from its beginning; what is missing of it lies at its end
    length = covered - covered_after
    outside = min(outside, length)
    share = outside / length if length > 0 else 0.0
    return dose - (dose - dose_after) * share, float(covered - outside), good - (good - good_after) * share


@kernel
def time_left(held, c, dose, most, concentration, horizon):  # type: ignore[no-untyped-def]
    """How long (ms) `concentration` may last until the `dose` of the window of condition c is `most`; infinite when
    that is further away than the horizon and cannot be told without looking at all of the window."""
    if dose > most:
        return 0.0
    if concentration <= 0.0:
        return np.inf
    soonest = (most - dose) / concentration
    if soonest > horizon:
        return soonest
    s, samples, start = held.own[c], held.samples, held.first[c]
    size = held.first[c + 1] - start
    k = s["tail"]
    time, covered, _, amount = _since(s, s["tail_times"], s["tail_dose"])
    ahead = float(min(0, WINDOW - time))  # where the segment begins, seen from the end of the window
    if time < WINDOW:
        gap = float(WINDOW - time)  # before the first reading nothing leaves
        if soonest <= gap:
            return soonest
        dose += concentration * gap
        ahead = gap
    while ahead < horizon:
        time_after, covered_after, amount_after = np.int64(0), np.int64(0), 0.0
        if k != s["head"]:
            after = samples[start + (k + 1) % size]
            time_after, covered_after, _, amount_after = _since(s, after["times"], after["dose"])
        length = covered - covered_after
        rate = (amount - amount_after) / length if length > 0 else 0.0
        for part in range(2):  # what is covered leaves first, then what is missing
            whole = float(length) if part == 0 else float(time - time_after - length)
            inside = whole + min(0.0, ahead)
            if ahead < 0.0:
                ahead = min(0.0, ahead + whole)
            if inside <= 0.0:
                continue
            grows = concentration - rate if part == 0 else concentration
            if grows > 0.0 and dose + grows * inside >= most:
                return ahead + (most - dose) / grows
            dose += grows * inside
            ahead += inside
        if k == s["head"]:
            break
        time, covered, amount = time_after, covered_after, amount_after
        k = (k + 1) % size
    return np.inf


@kernel
def take(held, c, p, concentration, good, at, now):  # type: ignore[no-untyped-def]
    """Take one reading into the window of condition c."""
    s, start = held.own[c], held.first[c]
    asked = _move(s, p, held.samples, start, held.first[c + 1] - start, concentration, good, at, now)
    if asked != NOTHING:
        _keep(held, c, s, asked == ALONE)
