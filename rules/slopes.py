"""A straight line through samples by least squares, and how sure its slope is.

With n samples at times t and residuals e of the line, the slope b and its standard error are

    b = sum (t - mean t)(v - mean v) / sum (t - mean t)^2
    sigma_b = sqrt(sum e^2 / (n - 2)) / sqrt(sum (t - mean t)^2)

which for equally spaced samples, dt apart, is sigma * sqrt(12 / (n (n^2 - 1))) / dt.

The samples lie in a ring in the order of event time, readings close together being one sample, with running sums over
all but the newest: `take` moves the window on, `about` gives the slope of the sums, fast and good to a few digits. A
condition remembers `RUNNING`, its parameters have `window`, `spacing` and `back` (ns).
"""

from __future__ import annotations

import numpy as np

from rules.compiling import kernel
from rules.windows import remember

RUNNING = [
    ("count", "i4"),
    ("oldest", "i4"),  # place of the oldest sample in the ring
    ("opened", "i8"),  # first reading in the newest sample
    ("offsets", "i8"),  # sum of the times of its readings since then
    ("fill", "i8"),  # and their number
    ("sure_from", "i8"),  # until then the kind trusts the window less; 0 again when it begins anew
    ("origin", "i8"),  # of the sums below, which are over all samples but the newest
    ("level", "f8"),
    ("t", "f8"),
    ("tt", "f8"),
    ("v", "f8"),
    ("tv", "f8"),
    ("largest", "f8"),  # of the numbers in the sums since they were computed anew
]
SAMPLE = np.dtype([("at", "i8"), ("value", "f8")], align=True)


@kernel
def line(samples, base, size, oldest, n, hole):  # type: ignore[no-untyped-def]
    """The line through the n samples of a ring (`at` in ns, `value`) that begins at place `oldest` of `size` from
    `base` on.

    Returns its slope per second, the standard error of that, and how many ns the samples cover: steps between
    neighbours that are longer than `hole` count as nothing. Without two different times the slope is NaN; without
    three samples the error is.
    """
    first = samples[base + oldest]["at"]
    origin = samples[base + oldest]["value"]
    covered = np.int64(0)
    before = first
    sum_t, sum_v = 0.0, 0.0
    k = oldest
    for _ in range(n):
        s = samples[base + k]
        step = s["at"] - before
        if step <= hole:
            covered += step
        before = s["at"]
        sum_t += (s["at"] - first) * 1e-9
        sum_v += s["value"] - origin
        k = k + 1 if k + 1 < size else 0
    mean_t, mean_v = sum_t / n, sum_v / n
    sum_tt, sum_tv = 0.0, 0.0
    k = oldest
    for _ in range(n):
        t = (samples[base + k]["at"] - first) * 1e-9 - mean_t
        sum_tt += t * t
        sum_tv += t * (samples[base + k]["value"] - origin - mean_v)
        k = k + 1 if k + 1 < size else 0
    if not sum_tt > 0.0:
        return np.nan, np.nan, covered
    slope = sum_tv / sum_tt
    squares = 0.0
    k = oldest
    for _ in range(n):
        t = (samples[base + k]["at"] - first) * 1e-9 - mean_t
        e = samples[base + k]["value"] - origin - mean_v - slope * t
        squares += e * e
        k = k + 1 if k + 1 < size else 0
    if n < 3:
        return slope, np.nan, covered
    return slope, np.sqrt(squares / (n - 2) / sum_tt), covered


@kernel
def _sum(own, sample, sign):  # type: ignore[no-untyped-def]
    """Put a sample into the running sums, or take it out."""
    t = (sample["at"] - own["origin"]) * 1e-9
    v = sample["value"] - own["level"]
    own["t"] += sign * t
    own["tt"] += sign * t * t
    own["v"] += sign * v
    own["tv"] += sign * t * v
    own["largest"] = max(own["largest"], abs(v))


@kernel
def _sum_anew(own, samples, base, size):  # type: ignore[no-untyped-def]
    """Compute the running sums from the ring, so that no rounding lives longer than the ring."""
    k = own["oldest"]
    own["origin"] = samples[base + k]["at"]
    own["level"] = samples[base + k]["value"]
    own["t"], own["tt"], own["v"], own["tv"], own["largest"] = 0.0, 0.0, 0.0, 0.0, 0.0
    for _ in range(own["count"] - 1):
        _sum(own, samples[base + k], 1.0)
        k = k + 1 if k + 1 < size else 0


@kernel
def _drop(own, samples, base, size):  # type: ignore[no-untyped-def]
    """Let the oldest sample go; the newest one stays."""
    _sum(own, samples[base + own["oldest"]], -1.0)
    own["oldest"] = own["oldest"] + 1 if own["oldest"] + 1 < size else 0
    own["count"] -= 1


@kernel
def take(held, c, p, at, v, restart):  # type: ignore[no-untyped-def]
    """Put a reading into the window of condition c. False where its time has no place there."""
    own = held.own[c]
    samples = held.samples
    base = held.first[c]
    size = np.int32(held.first[c + 1] - base)
    if own["count"] > 0 and at < own["opened"]:
        if not restart and own["opened"] - at <= p["back"]:
            return False
        own["count"] = 0
        own["sure_from"] = 0
    if own["count"] > 0 and at - own["opened"] < p["spacing"]:
        k = base + (own["oldest"] + own["count"] - 1) % size
        remember(held, k)
        own["fill"] += 1
        own["offsets"] += at - own["opened"]
        samples[k]["at"] = own["opened"] + own["offsets"] // own["fill"]
        samples[k]["value"] += (v - samples[k]["value"]) / own["fill"]
    else:
        if own["count"] == 0:
            own["oldest"] = 0
        else:
            _sum(own, samples[base + (own["oldest"] + own["count"] - 1) % size], 1.0)
        if own["count"] == size:  # only after a change of parameters
            _drop(own, samples, base, size)
        place = (own["oldest"] + own["count"]) % size
        remember(held, base + place)
        samples[base + place]["at"] = at
        samples[base + place]["value"] = v
        own["count"] += 1
        own["opened"] = at
        own["offsets"] = 0
        own["fill"] = 1
        if place == 0:
            _sum_anew(own, samples, base, size)
    newest = samples[base + (own["oldest"] + own["count"] - 1) % size]["at"]
    while own["count"] > 1 and newest - samples[base + own["oldest"]]["at"] > p["window"]:
        _drop(own, samples, base, size)
    if own["count"] == 1:
        _sum_anew(own, samples, base, size)
    return True


@kernel
def about(own, newest):  # type: ignore[no-untyped-def]
    """The slope per second from the running sums and the newest sample: fast, and good to a few digits."""
    n = own["count"]
    t = (newest["at"] - own["origin"]) * 1e-9
    v = newest["value"] - own["level"]
    sum_t, sum_v = own["t"] + t, own["v"] + v
    spread = n * (own["tt"] + t * t) - sum_t * sum_t
    return (n * (own["tv"] + t * v) - sum_t * sum_v) / spread if spread > 0.0 else np.nan
