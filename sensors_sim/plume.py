"""How much of a leak a detector sees: a Gaussian plume downwind and turbulent diffusion close by. Pure.

Plume: chi = Q / (pi u sigma_y sigma_z) exp(-y^2 / 2 sigma_y^2) for a source and a receptor near the ground (reflection
included), sigma by Briggs (1973), rural, class D: sigma_y = 0.08 x (1 + 0.0001 x)^-1/2 and
sigma_z = 0.06 x (1 + 0.0015 x)^-1/2.
The gas is where the wind has carried it: what arrives at a distance left the source as long ago as the wind needed for
that way, and came by the mean wind of that time. So detectors see a leak one after the other, and a plume that swings
does so near its source first.
Near field: chi = Q / (4 pi K r) with K = 1 m2/s, so that a detector beside the leak sees it whatever the wind does.
This moves a simulation; it is no consequence model. Gases heavier than air (chlorine, LPG) would hug the ground at
first: close to a large leak they spread wider and lower than this says.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
DIFFUSIVITY_M2S = 1.0
NEAR_M = 40.0
SLOWEST_MS = 0.5
"""In less wind the formula has no meaning; the plume then moves as in this much."""

SMALLEST_SIGMA_M = 0.5
"""Close to the source the fit goes to 0 and the concentration with it to infinity."""


def sigma_y(x_m: Floats) -> Floats:
    """Horizontal spread in m at a distance downwind."""
    return np.asarray(0.08 * x_m / np.sqrt(1 + 0.0001 * x_m))


def sigma_z(x_m: Floats) -> Floats:
    """Vertical spread in m at a distance downwind."""
    return np.asarray(0.06 * x_m / np.sqrt(1 + 0.0015 * x_m))


class Carrier:
    """The way of the wind up to now: how long a parcel needed for a distance, and with which mean wind it came."""

    def __init__(self, keep: int = 1200) -> None:
        self._time_s = np.zeros(1)
        self._run_m = np.zeros(1)
        self._east_m = np.zeros(1)
        self._north_m = np.zeros(1)
        self._keep = keep

    def step(self, speed_ms: float, from_deg: float, dt_s: float) -> None:
        """`dt_s` seconds with this wind."""
        way = max(speed_ms, SLOWEST_MS) * dt_s
        towards = np.radians(from_deg + 180.0)
        self._time_s = self._further(self._time_s, dt_s)
        self._run_m = self._further(self._run_m, way)
        self._east_m = self._further(self._east_m, way * float(np.sin(towards)))
        self._north_m = self._further(self._north_m, way * float(np.cos(towards)))

    def _further(self, sums: Floats, more: float) -> Floats:
        return np.append(sums, sums[-1] + more)[-self._keep :]

    def over(self, distance_m: Floats) -> tuple[Floats, Floats, Floats]:
        """For parcels that have come so far: their age in s (infinite where the way is longer than what is known),
        speed in m/s and the direction in degrees that they came from; shapes (n,)."""
        left = self._run_m[-1] - np.maximum(distance_m, 1.0)
        age = self._time_s[-1] - np.interp(left, self._run_m, self._time_s)
        known = np.maximum(age, 1e-9)
        east = (self._east_m[-1] - np.interp(left, self._run_m, self._east_m)) / known
        north = (self._north_m[-1] - np.interp(left, self._run_m, self._north_m)) / known
        speed = np.maximum(np.hypot(east, north), SLOWEST_MS)
        from_deg = np.asarray((np.degrees(np.arctan2(east, north)) + 180.0) % 360.0)
        return np.where(left < self._run_m[0], np.inf, age), speed, from_deg


def concentration(
    rate_gs: float | Floats, dx_m: Floats, dy_m: Floats, wind_ms: float | Floats, wind_from_deg: float | Floats
) -> Floats:
    """g/m3 at offsets (east, north) in m from the source, shape (n,); rate and wind may be one for all, or one each."""
    towards = np.radians(np.asarray(wind_from_deg) + 180.0)
    along = dx_m * np.sin(towards) + dy_m * np.cos(towards)
    across = dx_m * np.cos(towards) - dy_m * np.sin(towards)
    x = np.maximum(along, 1.0)
    wide, high = np.maximum(sigma_y(x), SMALLEST_SIGMA_M), np.maximum(sigma_z(x), SMALLEST_SIGMA_M)
    plume = rate_gs / (np.pi * np.maximum(wind_ms, SLOWEST_MS) * wide * high) * np.exp(-0.5 * (across / wide) ** 2)
    distance = np.maximum(np.hypot(dx_m, dy_m), 1.0)
    near = rate_gs / (4 * np.pi * DIFFUSIVITY_M2S * distance) * np.exp(-distance / NEAR_M)
    return np.where(along > 0, np.maximum(plume, near), near)
