"""A gateway's clock is set back by an hour while its sequence goes on: no kind may be deaf until the hour is over.

Every worked example of every kind is played twice into one fold: as it is, then again some minutes later, once
with right clocks and once with clocks that lag from then on. What the second playing raises with right clocks, and what
a fresh fold raises, must be raised with the lagging ones too. Later by as much as an old reading is held (LAWS L5); an
alarm that is over before such a hold ends may be missed, and a shift that begins anew counts anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import pytest

from rules.cases import Row, _readings
from rules.engine import Fold
from rules.kinds import Example, Kind, kinds
from rules.machine import HOLD
from rules.rulebook import compile_rules
from schemas.batch import batch
from schemas.records import Kind as RecordKind
from schemas.records import Link, Tick, encode
from schemas.registry import Rule
from schemas.time import HOUR, SECOND, seconds
from tests.laws.traces import START, revision

OTHERS = ("clock_skew", "calibration_due", "stale")
"""What concerns clocks, the calendar or silence itself."""
KINDS = [kind for kind in kinds().values() if kind.name not in OTHERS]
BEGIN = START + 4 * HOUR
"""Noon in China: no shift begins within an hour on either side."""
CALM_S = 300
"""Between the two playings every tag reads what it read first, or, where that is an alarm, what it read last."""
TICK = encode(Tick(by="process"))
Where = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Story:
    """`levels`: for each condition (seconds since the playing that counts, level), the first one being that at 0."""

    levels: dict[Where, list[tuple[float, int]]]

    def raised(self) -> Iterator[tuple[Where, float, int, float]]:
        """(condition, second, level, for how long at least this level)."""
        for where, levels in self.levels.items():
            for n, (at, level) in enumerate(levels[1:], 1):
                if level > levels[n - 1][1]:
                    yield where, at, level, next((t for t, less in levels[n:] if less < level), 1e9) - at

    def reaches(self, where: Where, level: int, since: float, until: float) -> bool:
        """Whether the condition is at this level or a higher one at any time from `since` to `until`."""
        levels = self.levels.get(where, [(0.0, 0)])
        ends = [at for at, _ in levels[1:]] + [1e9]
        return any(
            is_at >= level and at <= until and end > since for (at, is_at), end in zip(levels, ends, strict=True)
        )


def played(kind: Kind, example: Example, back: int, twice: bool = True, last: bool = False) -> Story:
    """Play an example, calm, and the example again; from the calm on every clock is `back` ns behind."""
    tags = [msgspec.structs.replace(tag, hazard_source="", equipment="", enterprise="works") for tag in example.tags]
    own = Rule(id="own", kind=kind.name, params=dict(example.params), tags=tuple(tag.name for tag in tags))
    rules = (own, *(() if kind.name == "limits" else (Rule(id="limits", kind="limits"),)))
    fold = Fold(compile_rules(msgspec.structs.replace(revision(*tags), rules=rules), 0, 1), 0, 1)
    rows, problems = _readings(example.case, {tag.name: tag for tag in tags}, "")
    assert not problems
    lasts = max(at for at, *_ in rows)
    counts = lasts + (5 + CALM_S) * SECOND if twice else 0
    readings = [(at, row, clock) for row in rows for at, clock in [(row[0], row[4])]] if twice else []
    calm = {row[1].number: row for row in (rows if last else reversed(rows))}
    for row in calm.values() if twice else ():
        step = seconds(row[1].period_s)
        readings += [(at, row, at - back) for at in range(lasts + 5 * SECOND, counts - SECOND, step)]
    readings += [(counts + row[0], row, counts + row[4] - back) for row in rows]
    return Story(heard(fold, readings, counts, counts + lasts + 2 * HOLD))


def heard(
    fold: Fold, readings: list[tuple[int, Row, int]], counts: int, end: int
) -> dict[Where, list[tuple[float, int]]]:
    """Readings with a rising sequence, a tick every second and a heartbeat every five."""
    links = [encode(Link(name=link, up=True)) for link in sorted({tag.link for tag in fold.rulebook.tags})]
    log: list[tuple[int, int, RecordKind, bytes | int]] = []
    for at in range(0, end + SECOND, SECOND):
        log.append((at, 1, RecordKind.TICK, TICK))
        log += [(at, 0, RecordKind.LINK, link) for link in links if at % (5 * SECOND) == 0]
    log += [(at, 2, RecordKind.READINGS, n) for n, (at, *_) in enumerate(readings)]
    levels: dict[Where, list[tuple[float, int]]] = {}
    for sequence, (at, _, record, value) in enumerate(sorted(log, key=lambda r: r[:2]), 1 << 32):
        now = BEGIN + at
        if isinstance(value, bytes):
            changes = fold.apply(fold.next_offset, now, record, value)
        else:
            _, (_, tag, read, quality, _), clock = readings[value]
            row = batch([tag.number], [BEGIN + clock], [read], [quality], [sequence])
            changes = fold.apply_readings(fold.next_offset, now, row)
        for change in changes:
            if change.rule != "own":
                continue
            known = levels.setdefault((change.subject, change.side), [(0.0, 0)])
            if at < counts:
                known[0] = (0.0, change.level)
            elif change.level != known[-1][1]:
                known.append(((at - counts) / SECOND, change.level))
    return levels


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_what_happens_after_a_clock_is_set_back_is_told(kind: Kind) -> None:
    compared = 0
    for example in kind.examples:
        compared += compare(kind, example, last=False) or compare(kind, example, last=True)
    assert compared, "no example shows anything"


def compare(kind: Kind, example: Example, last: bool) -> int:
    """How many raises were compared."""
    held = HOLD / SECOND + 1
    right, fresh = played(kind, example, 0, last=last), played(kind, example, 0, twice=False)
    wanted = []
    for where, at, level, for_s in fresh.raised():
        again = [t for w, t, up, _ in right.raised() if w == where and up >= level]
        if for_s > held and again:
            wanted.append((where, at, level, max(at, min(again))))
    lagging = played(kind, example, HOUR, last=last) if wanted else None
    for where, at, level, later in wanted:
        assert lagging is not None
        assert lagging.reaches(where, level, at, later + held), (example.case.name, at, level, lagging.levels)
    return len(wanted)
