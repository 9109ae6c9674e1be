"""Compile every kernel before it is needed, so that no alarm waits for a compiler."""

from __future__ import annotations

from rules.cases import run_example
from rules.engine import Fold
from rules.kinds import kinds
from rules.rulebook import compile_rules
from schemas.registry import Revision


def warm_up() -> None:
    """Run every kernel once over the worked examples; call it before a process says that it is ready.

    The first time after an upgrade this takes some 20 s (the machine code is kept: `rules.compiling`), later well
    below a second.
    """
    fold = Fold(compile_rules(Revision(number=1, parks=()), 0, 1), 0, 1)
    Fold.restore(fold.snapshot(), fold.rulebook)
    for kind in kinds().values():
        for example in kind.examples:
            run_example(kind.name, example)
