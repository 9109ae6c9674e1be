"""A straight line through noisy samples that a few wild ones cannot bend: Theil and Sen's, with its confidence band.

The slope is the median of the slopes of all pairs; the line goes through the medians of times and values. The band
takes the sorted slopes at the places that Kendall's S leaves room for, by its normal approximation: variance
n(n-1)(2n+5)/18, times (1 + r)/(1 - r) where the residuals of the line hang together, r being their correlation with the
next one (clipped at 3 MAD-sigmas, its bias in short series taken off), from 0 to 0.95. Without that, slow noise would
pass for a trend. Where the room is wider than all slopes, the band is from the least to the greatest, so what rises
with every sample counts as rising. Ties in the values are not subtracted from the variance: the band gets no narrower
for a coarse resolution. Nearly a third of the samples may be wild before the slope follows them.

Sources: Theil 1950, Sen 1968; for r: Yue and Wang 2004.
"""

from __future__ import annotations

import math

import numpy as np

from rules.compiling import scratch_kernel
from rules.robust import SIGMA_OF_MAD, middle


@scratch_kernel
def clinging(t, y, n, slope, t_mid, y_mid):  # type: ignore[no-untyped-def]
    """r of the residuals of a line, 0 to 0.95."""
    e = y[:n] - y_mid - slope * (t[:n] - t_mid)
    bound = 3.0 * SIGMA_OF_MAD * middle(np.sort(np.abs(e)), n)
    if n < 8 or bound <= 1e-9 * np.max(np.abs(y[:n])):
        return 0.0  # rounding, not noise
    e = np.minimum(np.maximum(e, -bound), bound)
    e = e - e.mean()
    r = np.sum(e[1:] * e[:-1]) / np.sum(e * e)
    return min(max((n * r + 2.0) / (n - 4.0), 0.0), 0.95)


@scratch_kernel
def line(t, y, n, z):  # type: ignore[no-untyped-def]
    """(slope, its low edge, its high edge, t and y of a point on the line) of the first n samples, n >= 2.

    The times must differ and rise. `z` is the normal quantile of the band: 1.96 for 95 %.
    """
    pairs = n * (n - 1) // 2
    slopes = np.empty(pairs)
    m = 0
    for i in range(n):
        for k in range(i + 1, n):
            slopes[m] = (y[k] - y[i]) / (t[k] - t[i])
            m += 1
    slopes.sort()
    slope, t_mid, y_mid = middle(slopes, pairs), middle(t, n), middle(np.sort(y[:n]), n)
    r = clinging(t, y, n, slope, t_mid, y_mid)
    reach = z * math.sqrt(pairs * (2.0 * n + 5.0) / 9.0 * (1.0 + r) / (1.0 - r))
    low = max(0, round((pairs - reach) / 2.0) - 1)
    high = min(pairs - 1, round((pairs + reach) / 2.0))
    return slope, slopes[low], slopes[high], t_mid, y_mid
