"""Numbers that a kind tells beside its value: from a condition's memory into the change that `step` has made."""

from __future__ import annotations

from rules.compiling import kernel


@kernel
def tell(out, before, m, figures):  # type: ignore[no-untyped-def]
    """Write `figures` to the changes from number `before` up to m; returns m. A kind calls it right after `step`."""
    for k in range(before, m):
        for i in range(len(figures)):
            out[k]["figures"][i] = figures[i]
    return m
