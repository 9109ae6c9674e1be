"""A straight line through noisy samples that a few wild ones cannot bend: Theil and Sen's, with its confidence band.

The slope is the median of the slopes of all pairs; the line goes through the medians of times and values. The band
takes the sorted slopes at the places that Kendall's S leaves room for, by its normal approximation
(variance n(n-1)(2n+5)/18). Ties in the values are not subtracted from that variance: the band gets no narrower for a
coarse resolution. Nearly a third of the samples may be wild before the slope follows them.

Source: Theil 1950, Sen 1968.
"""

from __future__ import annotations

import math

import numpy as np

from rules.compiling import kernel


@kernel
def middle(ordered, n):  # type: ignore[no-untyped-def]
    """The median of the first n of sorted numbers."""
    return (ordered[(n - 1) // 2] + ordered[n // 2]) / 2.0


@kernel
def line(t, y, n, z):  # type: ignore[no-untyped-def]
    """(slope, its low edge, its high edge, t and y of a point on the line) of the first n samples, n >= 2.

    The times must differ. `z` is the normal quantile of the band: 1.96 for 95 %.
    """
    pairs = n * (n - 1) // 2
    slopes = np.empty(pairs)
    m = 0
    for i in range(n):
        for k in range(i + 1, n):
            slopes[m] = (y[k] - y[i]) / (t[k] - t[i])
            m += 1
    slopes.sort()
    reach = z * math.sqrt(pairs * (2.0 * n + 5.0) / 9.0)
    low = max(0, round((pairs - reach) / 2.0) - 1)
    high = min(pairs - 1, round((pairs + reach) / 2.0))
    return middle(slopes, pairs), slopes[low], slopes[high], middle(np.sort(t[:n]), n), middle(np.sort(y[:n]), n)
