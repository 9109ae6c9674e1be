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


MASKS = ("members", "bad", "second")
"""Figures that are masks of a condition's tags, bit k the k-th."""


def moved(names: Sequence[str], figures: Sequence[float], places: Sequence[int]) -> list[float]:
    """The figures of a condition whose k-th tag was at `places[k]` before, -1 one that is new. Masks (`MASKS`) and
    places (a figure `x` beside `x_share`) name the same tags as before; a place that is no more is NaN."""
    return [_moved(name, f"{name}_share" in names, x, places) for name, x in zip(names, figures, strict=True)]


def _moved(name: str, is_place: bool, x: float, places: Sequence[int]) -> float:
    if not math.isfinite(x):
        return x
    if is_place:
        return float(places.index(int(x))) if int(x) in places and x >= 0 else math.nan
    if name in MASKS:
        return float(sum(1 << k for k, place in enumerate(places) if place >= 0 and int(x) >> place & 1))
    return x
