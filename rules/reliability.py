"""How likely a voting group is to miss a demand: what a choice of MooN costs and buys."""

from __future__ import annotations

from math import comb


def failure_on_demand(m: int, n: int, rate_per_h: float, interval_h: float, beta: float = 0.0) -> float:
    """PFDavg (1) of an MooN group whose failures nothing but a test every `interval_h` hours finds.

    `rate_per_h` is the rate of dangerous undetected failures of one member, `beta` the share of them (0 to 1) that
    takes all members at once. The group fails when r = `n - m + 1` members have failed: `C(n, r) (rate T)^r / (r + 1)`,
    which for 1oo2 is `(rate T)^2 / 3` and for 2oo3 `(rate T)^2`; the common cause adds `beta rate T / 2`. It holds
    while `rate T` is well below 1, with tests that find everything, no time of repair and one `beta` for every vote.
    These are the simplified formulas in use with IEC 61511 (VDI/VDE 2180, ISA-TR84.00.02).
    """
    if not 1 <= m <= n:
        raise ValueError(f"{m} of {n} is no vote")
    needed = n - m + 1
    expected = rate_per_h * interval_h
    own = comb(n, needed) * ((1 - beta) * expected) ** needed / (needed + 1)
    return own + beta * expected / 2
