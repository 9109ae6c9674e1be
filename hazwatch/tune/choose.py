"""Which of the settings that were tried is proposed, and what stands beside it to choose from.

The rule, in the order of its parts: (1) no real excursion that is found now may be missed, nor the second level in one
where it is told now; (2) of those the settings that end the chattering and leave at most a tenth of the alarms in
bursts and fleeting alarms, or if there is none those that leave fewest; (3) of those the settings under which no false
alarm stands longer than now, if there are such: a deadband alone would turn an alarm that chatters near its limit into
one that stands for hours; (4) of those the shortest on-delay, because only that makes alarms later; (5) then the fewest
false alarms and the least time in alarm without a real excursion; (6) then the shortest off-delay and the smallest
deadband. It is a choice of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from hazwatch.tune.gate import Setting
from hazwatch.tune.measure import Told

LEFT = 0.1
"""The share of annoying alarms that may be left."""

UNNOTICED = 1e-3
"""A share of time with an alarm in vain up to this is no matter."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A setting and what it does on each side; `keeps` says that it misses no real excursion that is found now."""

    deadband: float
    on_delay_s: float
    off_delay_s: float
    sides: tuple[Told, ...]
    keeps: bool = True

    @property
    def setting(self) -> Setting:
        return Setting(self.deadband, self.on_delay_s, self.off_delay_s)

    @property
    def bursts(self) -> int:
        return sum(side.bursts for side in self.sides)

    @property
    def annoying(self) -> int:
        """Alarms in bursts, and fleeting ones; one that is both counts twice."""
        return sum(side.chattering + side.fleeting for side in self.sides)

    @property
    def false(self) -> int:
        return sum(side.false for side in self.sides)

    @property
    def in_vain(self) -> float:
        """The larger share of time with an alarm before a real excursion, or without one."""
        return max((side.in_vain for side in self.sides), default=0.0)

    @property
    def far(self) -> float:
        """The larger false-alarm rate of both sides."""
        return max((side.far or 0.0 for side in self.sides), default=0.0)


def keeping(now: Outcome, tried: Iterable[Outcome]) -> list[Outcome]:
    """The outcomes, marked by whether they keep every real excursion that is found now, and every level told in one."""

    def kept(one: Outcome) -> bool:
        both = zip(one.sides, now.sides, strict=True)
        return all(a.found >= b.found and a.reached >= b.reached for a, b in both)

    return [msgspec.structs.replace(one, keeps=kept(one)) for one in tried]


def best(now: Outcome, tried: Sequence[Outcome]) -> Outcome:
    """The one to propose; `now` itself when none is better."""
    allowed = [one for one in tried if one.keeps]
    quiet = [one for one in allowed if one.bursts == 0 and one.annoying <= LEFT * now.annoying]
    if not quiet:
        least = min((one.bursts, one.annoying) for one in allowed)
        quiet = [one for one in allowed if (one.bursts, one.annoying) == least]
    if short := [one for one in quiet if one.in_vain <= max(now.in_vain, UNNOTICED)]:
        quiet = short
    found = min(quiet, key=lambda one: (one.on_delay_s, *_price(one)))
    return found if (found.bursts, found.annoying) < (now.bursts, now.annoying) else now


def trade(now: Outcome, tried: Sequence[Outcome]) -> list[Outcome]:
    """For each on-delay the best that it can do, with the shortest first: what each second more buys and costs."""
    by_delay: dict[float, Outcome] = {}
    for one in tried:
        held = by_delay.get(one.on_delay_s)
        if held is None or _rank(one) < _rank(held):
            by_delay[one.on_delay_s] = one
    return [by_delay[delay] for delay in sorted(by_delay)]


def _rank(one: Outcome) -> tuple[bool, int, int, int, float, float, float]:
    return not one.keeps, one.bursts, one.annoying, *_price(one)


def _price(one: Outcome) -> tuple[int, float, float, float]:
    return one.false, one.far, one.off_delay_s, one.deadband
