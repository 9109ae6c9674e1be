"""How many traces a law tries, from one place.

A law that holds over at least 500 traces in `make test` says `@traces(500)`. `HAZWATCH_LAWS` scales the number:
10 for `make laws`, 0.1 for `make check`.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

SCALE = float(os.environ.get("HAZWATCH_LAWS", "1"))
PATIENCE_S = 300 * max(1.0, SCALE)
"""The timeout of one law on a loaded machine: `pytestmark = pytest.mark.timeout(PATIENCE_S)`."""


def traces(count: int = 500, *, steps: int = 50) -> settings:
    """The hypothesis settings of a law: `count` traces times `HAZWATCH_LAWS`, each of up to `steps` steps if stateful.

    There is no deadline per trace (the machine is shared); the outer bound is pytest's timeout.
    """
    return settings(
        max_examples=max(10, round(count * SCALE)),
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        print_blob=True,
        derandomize=SCALE < 1 or "CI" in os.environ,
    )
