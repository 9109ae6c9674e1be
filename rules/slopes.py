"""A straight line through samples by least squares, and how sure its slope is.

With n samples at times t and residuals e of the line, the slope b and its standard error are

    b = sum (t - mean t)(v - mean v) / sum (t - mean t)^2
    sigma_b = sqrt(sum e^2 / (n - 2)) / sqrt(sum (t - mean t)^2)

which for equally spaced samples, dt apart, is sigma * sqrt(12 / (n (n^2 - 1))) / dt.
"""

from __future__ import annotations

import numpy as np

from rules.compiling import kernel


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
