"""How a shadow is told: a line while it runs, and the report of a backtest at its end."""

from __future__ import annotations

from collections.abc import Sequence

from hazwatch.backtest.compare import Comparison, compare
from hazwatch.backtest.report import Names, Report, report
from hazwatch.backtest.rows import duration
from hazwatch.backtest.story import Story
from schemas.time import SECOND, to_iso


def line(told: tuple[Story, Story], readings: int, behind_s: float) -> str:
    """Where it stands: alarms of both, and which of them differ."""
    live, new = told
    found = compare(live.spells, new.spells)
    shifts = [match.shift_s for match in found.matched]
    earlier, later = sum(s < 0 for s in shifts), sum(s > 0 for s in shifts)
    moved = f" ({earlier} earlier, {later} later)" if earlier or later else ""
    return (
        f"{to_iso(live.span.end_ns)}  {duration(live.span.length_ns / SECOND)}, {readings} readings, "
        f"{behind_s:.1f} s behind: alarms LIVE {len(live.calls)}, NEW {len(new.calls)}; "
        f"both {len(found.matched)}{moved}, missed {len(found.missed)}, new {len(found.new)}"
    )


def whole(
    told: tuple[Story, Story], *, live: str, new: str, place: str, position: str, notes: Sequence[str]
) -> tuple[Report, Comparison]:
    """The report: OLD is what the live set wrote, NEW the candidate."""
    return report(Names(old=live, new=new, files=(place,)), *told, position=position, notes=notes)
