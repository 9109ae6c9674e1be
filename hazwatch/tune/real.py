"""Which excursions of a recording were real, where nobody has labelled them, and how noisy a tag is.

Without labels an excursion counts as real where the value is beyond its first limit for more than half of a window
around the moment. A lone excursion so counts when it lasts for more than half of the window, and noise around the
limit does not as long as it is beyond less often than not. That is a convention of this project; labelled events are
better.
"""

from __future__ import annotations

import numpy as np

from hazwatch.backtest.intervals import Interval
from hazwatch.tune.gate import Samples

SIGMA = 1.4826
"""From the median absolute deviation to a standard deviation, for normal noise."""


def noise(samples: Samples) -> float:
    """The standard deviation of the noise of one reading, in the tag's unit: from the median size of the steps between
    readings, of which a trend or a few jumps change little. 0 with fewer than three readings."""
    value = samples.value[samples.raises & np.isfinite(samples.value)]
    if len(value) < 3:
        return 0.0
    return float(SIGMA * np.median(np.abs(np.diff(value))) / np.sqrt(2.0))


def excursions(samples: Samples, limit: float, sign: float, window_ns: int) -> list[Interval]:
    """From the first to the last reading of each real excursion beyond `limit`, ns, in the order of time.

    Two that are less than a window apart are one.
    """
    at = samples.at[samples.raises]
    beyond = sign * samples.value[samples.raises] >= sign * limit
    if not beyond.any():
        return []
    hits = np.concatenate([[0], np.cumsum(beyond)])
    first = np.searchsorted(at, at - window_ns // 2, side="left")
    behind = np.searchsorted(at, at + window_ns // 2, side="right")
    real = 2 * (hits[behind] - hits[first]) > behind - first
    times = at[real & beyond]
    out: list[Interval] = []
    for time in times.tolist():
        if out and time - out[-1][1] <= window_ns:
            out[-1] = (out[-1][0], time)
        else:
            out.append((time, time))
    return out
