"""Gaussian plumes: how far a release reaches, and where one that detectors see may come from.

    C = q / (2 pi u sy sz) exp(-y^2 / 2 sy^2) (exp(-(z - h)^2 / 2 sz^2) + exp(-(z + h)^2 / 2 sz^2))

with q in g/s, u in m/s, x along the wind, y across, z above ground, h the height of the release, all in m, and C in
g/m3. sy and sz are the Pasquill-Gifford curves, rural, in the fits of EPA's ISC3 model: sy = 465.11628 X
tan(0.017453293 (c - d ln X)) and sz = a X^b with X in km and a, b by parts. Classes are 0 (A) to 5 (F).

The formula holds for a steady release of a gas about as heavy as air over flat ground, from 100 m to 10 km and from
1 m/s on. Nearer `initial` (m), added to both sigmas as squares, keeps it from growing without bound.

**Source.** The place and rate that fit best, by a grid around the detectors. Over all that work, those that see nothing
included, s^2 ln(1 + (d / s)^2) is summed with d = log(c + e) - log(q g + e): the square while it is small, and robust
against what the model cannot explain. log q at each place comes by three reweighted Gauss-Newton steps from the mean
over those that see it. It knows one source, one wind and flat ground: for screening.
"""

from __future__ import annotations

import math

import numpy as np

from rules.compiling import kernel

CLASSES = "ABCDEF"
NEAREST_M, FARTHEST_M = 1.0, 10_000.0
STEPS = 40
"""Cells along each side of the grid."""
FINER = 4
"""Steps to each side, of a quarter of a cell, around the best one."""
SCATTER = 0.7
"""Standard deviation of ln(observed / modelled), of a good model in a steady wind: a project default."""

DOUBT = 1.4
"""Where ln(observed / modelled) begins to count less than its square: one detector that the model cannot explain (a
cross-sensitivity, a wake, gas that creeps against the wind) must not move the source. A project default."""

ACROSS = np.array(
    [[24.1670, 2.5334], [18.3330, 1.8096], [12.5, 1.0857], [8.3330, 0.72382], [6.25, 0.54287], [4.1667, 0.36191]]
)
_PARTS = (
    (
        (0.10, 122.8, 0.94470), (0.15, 158.08, 1.05420), (0.20, 170.22, 1.09320), (0.25, 179.52, 1.12620),
        (0.30, 217.41, 1.26440), (0.40, 258.89, 1.40940), (0.50, 346.75, 1.72830), (3.11, 453.85, 2.11660),
        (1e9, 5000.0, 0.0),
    ),
    ((0.20, 90.673, 0.93198), (0.40, 98.483, 0.98332), (1e9, 109.3, 1.09710)),
    ((1e9, 61.141, 0.91465),),
    (
        (0.30, 34.459, 0.86974), (1.0, 32.093, 0.81066), (3.0, 32.093, 0.64403), (10.0, 33.504, 0.60486),
        (30.0, 36.650, 0.56589), (1e9, 44.053, 0.51179),
    ),
    (
        (0.10, 24.26, 0.83660), (0.30, 23.331, 0.81956), (1.0, 21.628, 0.75660), (2.0, 21.628, 0.63077),
        (4.0, 22.534, 0.57154), (10.0, 24.703, 0.50527), (20.0, 26.97, 0.46713), (40.0, 35.42, 0.37615),
        (1e9, 47.618, 0.29592),
    ),
    (
        (0.20, 15.209, 0.81558), (0.70, 14.457, 0.78407), (1.0, 13.953, 0.68465), (2.0, 13.953, 0.63227),
        (3.0, 14.823, 0.54503), (7.0, 16.187, 0.46490), (15.0, 17.836, 0.41507), (30.0, 22.651, 0.32681),
        (60.0, 27.074, 0.27436), (1e9, 34.219, 0.21716),
    ),
)  # fmt: skip
"""For each class: up to how many km, a, b. A's sz is at most 5000 m."""
UP = np.full((6, 10, 3), 1e9)
for _number, _parts in enumerate(_PARTS):
    UP[_number, : len(_parts)] = _parts


@kernel
def sigma_y(stability, x_m):  # type: ignore[no-untyped-def]
    """Spread across the wind in m; x in m, above 0."""
    km = x_m / 1000.0
    angle = 0.017453293 * (ACROSS[stability, 0] - ACROSS[stability, 1] * math.log(km))
    return 465.11628 * km * math.tan(angle)


@kernel
def sigma_z(stability, x_m):  # type: ignore[no-untyped-def]
    """Spread upwards in m, at most 5000; x in m, above 0."""
    km = x_m / 1000.0
    part = 0
    while km > UP[stability, part, 0]:
        part += 1
    return min(5000.0, UP[stability, part, 1] * km ** UP[stability, part, 2])


@kernel
def dilution(wind, stability, x, y, z, height, initial):  # type: ignore[no-untyped-def]
    """C / q in s/m3; 0 upwind."""
    if not x > 0.0:
        return 0.0
    x = max(x, NEAREST_M)
    wide, high = sigma_y(stability, x), sigma_z(stability, x)
    across, up = wide * wide + initial * initial, high * high + initial * initial
    vertical = math.exp(-0.5 * (z - height) ** 2 / up) + math.exp(-0.5 * (z + height) ** 2 / up)
    return math.exp(-0.5 * y * y / across) * vertical / (2.0 * math.pi * wind * math.sqrt(across * up))


@kernel
def reach(rate, wind, stability, threshold, z, height, initial):  # type: ignore[no-untyped-def]
    """The farthest distance downwind (m) at which C is at least the threshold (g/m3): 0 to 10 000."""
    if not rate * dilution(wind, stability, FARTHEST_M, 0.0, z, height, initial) < threshold:
        return FARTHEST_M
    ratio = FARTHEST_M ** (1.0 / 200.0)
    far = FARTHEST_M
    near = far / ratio
    while near >= NEAREST_M and rate * dilution(wind, stability, near, 0.0, z, height, initial) < threshold:
        far, near = near, near / ratio
    if near < NEAREST_M:
        return 0.0
    for _ in range(40):
        middle = 0.5 * (near + far)
        if rate * dilution(wind, stability, middle, 0.0, z, height, initial) < threshold:
            far = middle
        else:
            near = middle
    return near


@kernel
def misfit(  # type: ignore[no-untyped-def]
    east, north, n, seen, east_of, north_of, z_of, c, floor, wind, to_east, to_north, stability, height, initial
):
    """(misfit, ln q) of a source at this place. `seen` (n,): 0 does not work, 1 sees nothing, 2 sees it."""
    least = 1e-30
    start, count = 0.0, 0
    for s in range(n):
        if seen[s] == 2:
            de, dn = east_of[s] - east, north_of[s] - north
            x, y = de * to_east + dn * to_north, dn * to_east - de * to_north
            g = max(least, dilution(wind, stability, x, y, z_of[s], height, initial))
            start += math.log(c[s] / g)
            count += 1
    ln_q = start / count
    cost = 0.0
    for turn in range(4):
        up, down, cost = 0.0, 0.0, 0.0
        q = math.exp(min(ln_q, 60.0))
        for s in range(n):
            if seen[s] == 0:
                continue
            de, dn = east_of[s] - east, north_of[s] - north
            x, y = de * to_east + dn * to_north, dn * to_east - de * to_north
            made = q * max(least, dilution(wind, stability, x, y, z_of[s], height, initial))
            off = math.log((c[s] + floor[s]) / (made + floor[s]))
            part = made / (made + floor[s])
            trust = 1.0 / (1.0 + (off / DOUBT) ** 2)
            up += trust * part * off
            down += trust * part * part
            cost += DOUBT**2 * math.log1p((off / DOUBT) ** 2)
        if turn < 3 and down > 0.0:
            ln_q += min(2.0, max(-2.0, up / down))
    return cost, ln_q


@kernel
def locate(n, seen, east_of, north_of, z_of, c, floor, wind, to_east, to_north, stability, height, initial, margin):  # type: ignore[no-untyped-def]
    """(east, north, q in g/s, spread in m) of the source that fits best, by a grid `margin` m beyond the detectors."""
    west, east, south, north = np.inf, -np.inf, np.inf, -np.inf
    for s in range(n):
        if seen[s] != 0:
            west, east = min(west, east_of[s]), max(east, east_of[s])
            south, north = min(south, north_of[s]), max(north, north_of[s])
    west, east, south, north = west - margin, east + margin, south - margin, north + margin
    wide, high = (east - west) / STEPS, (north - south) / STEPS
    best, at_east, at_north, ln_q = np.inf, west, south, 0.0
    weight, mean_e, mean_n, square = 0.0, 0.0, 0.0, 0.0
    for i in range(STEPS):
        for j in range(STEPS):
            e, o = west + (i + 0.5) * wide, south + (j + 0.5) * high
            cost, found = misfit(
                e, o, n, seen, east_of, north_of, z_of, c, floor, wind, to_east, to_north, stability, height, initial
            )
            if cost < best:
                shrink = math.exp(-0.5 * min(1e6, best - cost) / SCATTER**2)
                weight, mean_e, mean_n, square = weight * shrink, mean_e * shrink, mean_n * shrink, square * shrink
                best, at_east, at_north, ln_q = cost, e, o, found
            share = math.exp(-0.5 * (cost - best) / SCATTER**2)
            weight, mean_e, mean_n = weight + share, mean_e + share * e, mean_n + share * o
            square += share * (e * e + o * o)
    about = square / weight - (mean_e / weight) ** 2 - (mean_n / weight) ** 2
    middle_e, middle_n = at_east, at_north
    for i in range(-FINER, FINER + 1):
        for j in range(-FINER, FINER + 1):
            e, o = middle_e + 0.25 * i * wide, middle_n + 0.25 * j * high
            cost, found = misfit(
                e, o, n, seen, east_of, north_of, z_of, c, floor, wind, to_east, to_north, stability, height, initial
            )
            if cost < best:
                best, at_east, at_north, ln_q = cost, e, o, found
    return at_east, at_north, math.exp(min(ln_q, 60.0)), math.sqrt(max(0.0, about))
