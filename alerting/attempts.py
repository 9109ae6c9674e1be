"""When a notice is tried again, and when it is given up. Pure: chance comes in as a number."""

from __future__ import annotations

from alerting.outbox import HELD_NS
from alerting.sending import Verdict
from schemas.time import HOUR, SECOND

RANK_STEP_S = 5.0
"""Rank i waits i times this after a notice is due (LAWS D1)."""

TAKEOVER_S = HELD_NS / SECOND + 0.1
"""Nobody tries within this after another's `trying`: who began may still be at it. A little more than the book asks,
so that a log whose clock runs slow does not cost another round."""

GONE_PAUSE_S = 3600.0
"""A channel that is gone (HTTP 410) is tried once in this time, in case it comes back."""

_LADDER_S = (0.0, 2.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0)
_CAP_S = {1: 30.0, 2: 60.0}
_CAP_OTHERS_S = 300.0
_GIVEN_UP_NS = {1: 24 * HOUR, 2: 24 * HOUR}
_GIVEN_UP_OTHERS_NS = 8 * HOUR


def cap_s(tier: int) -> float:
    """The longest wait between two attempts of a notice of this tier."""
    return _CAP_S.get(tier, _CAP_OTHERS_S)


def wait_s(attempt: int, tier: int, verdict: Verdict, chance: float) -> float:
    """How long to wait after the `attempt`-th attempt (from 1) failed; `chance` in [0, 1).

    Full jitter over 0, 2, 5, 15, 30 ... s up to the tier's cap. What was refused waits at the slow end at once, between
    half the cap and the cap: somebody must change something first, and it must not be forgotten either.
    """
    cap = cap_s(tier)
    if verdict is not Verdict.RETRY:
        return cap * (0.5 + chance / 2)
    return chance * min(cap, _LADDER_S[min(attempt, len(_LADDER_S)) - 1])


def given_up_ns(tier: int) -> int:
    """How long after it was due a notice is still worth sending."""
    return _GIVEN_UP_NS.get(tier, _GIVEN_UP_OTHERS_NS)
