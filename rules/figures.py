"""Numbers that a kind tells beside its value: from a condition's memory into the change that `step` has made."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rules.compiling import kernel
from rules.machine import step


@kernel
def tell(out, before, m, figures):  # type: ignore[no-untyped-def]
    """Write `figures` to the changes from number `before` up to m; returns m. For right after `step`."""
    for k in range(before, m):
        for i in range(len(figures)):
            out[k]["figures"][i] = figures[i]
    return m


@kernel
def step_telling(  # type: ignore[no-untyped-def]
    figures, c, conditions, gates, setup, beyond, clear, lowers, flags, basis, at, now, append, row, value, quality,
    out, due, m,
):  # fmt: skip
    """`rules.machine.step` for a change that carries figures."""
    after = step(
        c, conditions, gates, setup, beyond, clear, lowers, flags, basis, at, now, append, row, value, quality, out,
        due, m,
    )  # fmt: skip
    return tell(out, m, after, figures)


def mask_after(mask: float, places: Sequence[int]) -> float:
    """A mask of tags (bit k is the k-th) after a revision: the k-th was at `places[k]` before, -1 is a new one."""
    if not math.isfinite(mask):
        return mask
    return float(sum(1 << k for k, place in enumerate(places) if place >= 0 and int(mask) >> place & 1))


def place_after(place: float, places: Sequence[int]) -> float:
    """The place of one tag after such a revision; NaN when it has left."""
    return float(places.index(int(place))) if math.isfinite(place) and int(place) in places else math.nan
