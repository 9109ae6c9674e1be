"""The alarms that each scenario must raise, as text: `python -m tests.sensors_sim.timelines` writes the files anew.

A line is second, tag, rule, change, level and tier. At the end stands how long an early warning came before the first
limit of the same tag and side was crossed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from hazwatch.replay.line import Line
from rules.kinds import kinds
from sensors_sim.scenario import load, names
from tests.sensors_sim.plants import START_S, revision, story

FOLDER = Path(__file__).parent / "timelines"
SECONDS = 172_800
"""No more of a scenario is played: the rest of a healthy week is for training."""
EARLY = {"forecast", "cusum", "ewma"}


def timeline(name: str) -> str:
    what = load(name)
    lines = story(name, round(min(SECONDS, what.lasts_s)))
    return "\n".join([*_changes(lines), *_leads(lines, what.site)]) + "\n"


def second(line: Line) -> int:
    assert line.received_at is not None
    return round(datetime.fromisoformat(line.received_at).timestamp()) - START_S


def _changes(lines: Sequence[Line]) -> Iterator[str]:
    for line in lines:
        yield f"{second(line):5d}  {line.tag}  {line.rule}  {line.change}  {line.level}  tier {line.tier}"


def _leads(lines: Sequence[Line], site: str) -> Iterator[str]:
    kind_of = {rule.id: rule.kind for rule in revision(site).rules}
    assert set(kind_of.values()) <= set(kinds())
    for warning in lines:
        if kind_of.get(warning.rule) not in EARLY or warning.change != "raise":
            continue
        at = second(warning)
        same = [
            line
            for line in lines
            if (line.tag, line.side) == (warning.tag, warning.side) and kind_of.get(line.rule, "limits") == "limits"
        ]
        before = [line for line in same if second(line) < at]
        raised = [second(line) for line in same if line.change == "raise" and second(line) >= at]
        if before and before[-1].tier > 0:
            yield f"{warning.tag}: {warning.rule} {at - second(before[-1])} s after the limit"
        elif raised:
            yield f"{warning.tag}: {warning.rule} {raised[0] - at} s before the limit"
        else:
            yield f"{warning.tag}: {warning.rule} without a limit being crossed"


def write() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in names():
        (FOLDER / f"{name}.txt").write_text(timeline(name), encoding="utf-8")


if __name__ == "__main__":
    write()
