"""How much of a leak a detector sees: a Gaussian plume downwind and turbulent diffusion close by. Pure.

Plume: chi = Q / (pi u sigma_y sigma_z) exp(-y^2 / 2 sigma_y^2) for a source and a receptor near the ground (reflection
included), sigma by Briggs (1973), rural, class D: sigma_y = 0.08 x (1 + 0.0001 x)^-1/2 and
sigma_z = 0.06 x (1 + 0.0015 x)^-1/2.
Near field: chi = Q / (4 pi K r) with K = 1 m2/s, so that a detector beside the leak sees it whatever the wind does.
This moves a simulation; it is no consequence model.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
DIFFUSIVITY_M2S = 1.0
NEAR_M = 40.0


SMALLEST_SIGMA_M = 0.5
"""Close to the source the fit goes to 0 and the concentration with it to infinity."""


def sigma_y(x_m: Floats) -> Floats:
    """Horizontal spread in m at a distance downwind."""
    return np.asarray(0.08 * x_m / np.sqrt(1 + 0.0001 * x_m))


def sigma_z(x_m: Floats) -> Floats:
    """Vertical spread in m at a distance downwind."""
    return np.asarray(0.06 * x_m / np.sqrt(1 + 0.0015 * x_m))


def concentration(rate_gs: float, dx_m: Floats, dy_m: Floats, wind_ms: float, wind_from_deg: float) -> Floats:
    """g/m3 at offsets (east, north) in m from the source; shapes (n,) -> (n,)."""
    towards = np.radians(wind_from_deg + 180.0)
    along = dx_m * np.sin(towards) + dy_m * np.cos(towards)
    across = dx_m * np.cos(towards) - dy_m * np.sin(towards)
    x = np.maximum(along, 1.0)
    wide, high = np.maximum(sigma_y(x), SMALLEST_SIGMA_M), np.maximum(sigma_z(x), SMALLEST_SIGMA_M)
    plume = rate_gs / (np.pi * max(wind_ms, 0.5) * wide * high) * np.exp(-0.5 * (across / wide) ** 2)
    distance = np.maximum(np.hypot(dx_m, dy_m), 1.0)
    near = rate_gs / (4 * np.pi * DIFFUSIVITY_M2S * distance) * np.exp(-distance / NEAR_M)
    return np.where(along > 0, np.maximum(plume, near), near)
