"""What a choice of MooN costs and buys, in figures."""

from __future__ import annotations

from collections.abc import Iterator

from hazwatch.reference.markdown import table
from rules.reliability import failure_on_demand

RATE_PER_H, BETA = 2e-6, 0.05
YEAR_H = 8760.0
INTERVALS = (("3 months", YEAR_H / 4), ("1 year", YEAR_H), ("2 years", 2 * YEAR_H))
VOTES = ((1, 1), (1, 2), (2, 2), (1, 3), (2, 3), (3, 3), (2, 4), (3, 4))


def parts() -> Iterator[str]:
    yield (
        "Rule kind `vote` asks M of N instruments. More votes needed means fewer false trips and more missed demands: "
        "the group misses a demand when more members have failed unnoticed than the vote can spare."
    )
    yield table(
        ("vote", "may fail", "false trip takes", *(f"PFDavg, tested every {name}" for name, _ in INTERVALS)),
        [
            (
                f"{m}oo{n}",
                f"{n - m} of {n}",
                f"{m} false reading{'s' if m > 1 else ''}",
                *(f"{failure_on_demand(m, n, RATE_PER_H, hours, BETA):.1e}" for _, hours in INTERVALS),
            )
            for m, n in VOTES
        ],
    )
    yield (
        f"Here a member fails dangerously and unnoticed {RATE_PER_H:g} times an hour (once in "
        f"{1 / RATE_PER_H / YEAR_H:.0f} years), and {BETA:.0%} of such failures take all members at once (a wrong "
        "calibration gas, one blocked sampling line): with tests every three months that share outweighs all else "
        "wherever a member may fail; with rarer tests 2oo3 and 3oo4 lose that. PFDavg is the mean probability that the "
        "group does not act when it must. A member that is known to be bad is counted out by `vote` itself: 2oo3 with "
        "one bad is 1oo2."
    )
    yield (
        "The formulas are the simplified ones in use with IEC 61511 (VDI/VDE 2180, ISA-TR84.00.02). They hold while "
        "failures between two tests are rare, and leave out tests that overlook something, the time of a repair, and "
        "that large groups share fewer causes. They are of detectors alone: logic and valves come on top. Take figures "
        "of your own devices, from their manuals or your own records. These are no claim about any device, nor about "
        "Hazwatch, which is no safety instrumented system."
    )
