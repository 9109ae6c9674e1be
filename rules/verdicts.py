"""A kind of one level that judges now and then, and holds its verdict until it judges again."""

from __future__ import annotations

import numpy as np

from rules.compiling import kernel
from rules.machine import READING, step

HOLDS, BEYOND, CLEAR = 0, 1, 2


@kernel
def conclude(  # type: ignore[no-untyped-def]
    verdict, told, c, conditions, gates, setup, good, flags, at, now, append, row, quality, out, due, m
):
    """`rules.machine.step` with the verdict that stands at a live reading, which counts where it is `good`; left out
    where it could change nothing."""
    beyond = good and verdict == BEYOND
    if not beyond and conditions[c]["quiet"] != 0:
        return m
    clear = good and verdict == CLEAR
    basis = np.int64(READING)
    return step(
        c, conditions, gates, setup, 1 if beyond else 0, 1 if clear else 0, good, flags, basis, at, now, append, row,
        told, quality, out, due, m,
    )  # fmt: skip
