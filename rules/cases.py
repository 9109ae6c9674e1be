"""Cases: examples beside a rule, run through a real fold (`hazwatch check`, and the examples of every kind).

A case gives readings by second, of its tag or of others that it names, and the changes that must come of them. A
reading carries the time at which it comes, unless the case says what its clock says. Around
the readings the link is up, a heartbeat comes every 5 s and a tick every second, as in life. Only the rule of the case
is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from rules.engine import Fold
from rules.kinds import Example
from rules.rulebook import RuleProblems, compile_rules, rules_of
from schemas.alarms import Change
from schemas.batch import batch
from schemas.changes import ConditionChange
from schemas.problems import Problem
from schemas.quality import Quality
from schemas.records import Kind, Link, Tick, encode
from schemas.registry import Enterprise, Park, Revision, Rule, RuleCase, Tag
from schemas.time import SECOND, seconds

START = 1_767_225_600 * SECOND
"""Second 0 of every case: 2026-01-01."""
BEAT_EVERY_S = 5
_EPISODE = (Change.RAISE, Change.RISE, Change.FALL, Change.RETURN)
_TICK = encode(Tick(by="case"))

Seen = tuple[float, str, str]
Row = tuple[int, Tag, float, int, int]
"""(ns of receipt since the start, tag, value, quality, ns of its own time since the start)."""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What came of a case; `problems` is empty when that is what it expects."""

    rule: str
    case: RuleCase
    seen: tuple[Seen, ...]
    problems: tuple[Problem, ...]


def run_cases(revision: Revision) -> Iterator[CaseResult]:
    """Every case of every rule of a revision that has passed its checks. Raises `RuleProblems`."""
    for rule in rules_of(revision):
        for case in rule.case:
            yield run_case(revision, rule, case)


def run_example(kind: str, example: Example) -> CaseResult:
    """A worked example of a kind."""
    rule = Rule(id="example", kind=kind, params=dict(example.params))
    enterprise = Enterprise(id=example.tag.enterprise, park="park")
    revision = Revision(number=1, parks=(Park(id="park"),), enterprises=(enterprise,), tags=example.tags)
    return run_case(revision, rule, example.case)


def run_case(revision: Revision, rule: Rule, case: RuleCase) -> CaseResult:
    """Run one case of `rule` over the tag that it names."""
    path = f"rules[{rule.id}].case[{case.name}]"
    known = {t.name: t for t in revision.tags if not t.retired}
    tag = known.get(case.tag)
    if tag is None:
        return _refused(rule, case, Problem.of(f"{path}.tag", f"there is no tag {case.tag!r}", "name one of the tags"))
    rows, problems = _readings(case, known, path)
    problems += _unknown_words(case, path)
    if problems:
        return CaseResult(rule.id, case, (), tuple(problems))
    try:
        seen = tuple(_seen(_changes(revision, rule, tag, rows, _last_second(case)), tag, rule.id))
    except RuleProblems as error:
        told = "; ".join(f"{p.path.rpartition('.')[2]}: {p.message}" for p in error.problems)
        message = f"with the tags of the case alone the rule cannot be followed ({told})"
        return _refused(
            rule, case, Problem.of(path, message, "give every tag that the rule needs a reading in the case")
        )
    return CaseResult(rule.id, case, seen, tuple(_differences(case, seen, path)))


def _refused(rule: Rule, case: RuleCase, problem: Problem) -> CaseResult:
    return CaseResult(rule.id, case, (), (problem,))


def _readings(case: RuleCase, known: Mapping[str, Tag], path: str) -> tuple[list[Row], list[Problem]]:
    """The readings, and what is wrong with them."""
    rows: list[Row] = []
    problems: list[Problem] = []
    latest = 0
    for number, reading in enumerate(case.readings, 1):
        where = f"{path}.readings[{number}]"
        tag = case.tag
        match reading:
            case (at, str() as tag, *rest):
                reading = (at, *rest)
        match reading:
            case (int() | float() as at, int() | float() | None as value):
                name, clock = "GOOD" if value is not None else "NO_VALUE", at
            case (int() | float() as at, int() | float() | None as value, str() as name):
                clock = at
            case (int() | float() as at, int() | float() | None as value, str() as name, int() | float() as clock):
                pass
            case _:
                cure = 'write [second, value] or [second, value, "QUALITY"], of another tag [second, "tag", value]'
                problems.append(Problem.of(where, "not a reading", cure))
                continue
        if tag not in known:
            problems.append(Problem.of(where, f"there is no tag {tag!r}", "name one of the tags"))
            continue
        if seconds(at) < latest:
            problems.append(Problem.of(where, f"second {at:g} comes before the one above it", "order them by time"))
        latest = max(latest, seconds(at))
        if name.upper() not in Quality.__members__:
            listed = ", ".join(Quality.__members__)
            problems.append(Problem.of(where, f"there is no quality {name!r}", f"one of: {listed}"))
            continue
        number_read = float("nan") if value is None else float(value)
        rows.append((seconds(at), known[tag], number_read, Quality[name.upper()], seconds(clock)))
    return rows, problems


def _unknown_words(case: RuleCase, path: str) -> list[Problem]:
    return [
        Problem.of(f"{path}.expect[{n}]", f"there is no change {change!r}", f"one of: {', '.join(_EPISODE)}")
        for n, (_, change, _) in enumerate(case.expect, 1)
        if change not in _EPISODE
    ]


def _last_second(case: RuleCase) -> int:
    """The case ends two seconds after whatever it speaks of last."""
    times = [r[0] for r in case.readings if isinstance(r[0], int | float)] + [e[0] for e in case.expect]
    return int(max(times, default=0)) + 2


def _changes(revision: Revision, rule: Rule, tag: Tag, rows: Sequence[Row], last_s: int) -> list[ConditionChange]:
    """What a fold of the case's tags alone says."""
    tags = {tag.number: tag, **{other.number: other for _, other, *_ in rows}}
    alone = msgspec.structs.replace(rule, tags=tuple(t.name for t in tags.values()), measures=(), case=())
    limits = () if rule.kind == "limits" else (Rule(id="limits", kind="limits"),)
    small = msgspec.structs.replace(
        revision, number=max(1, revision.number), tags=tuple(tags.values()), rules=(alone, *limits)
    )
    fold = Fold(compile_rules(small, 0, 1), 0, 1)
    records: list[tuple[int, int, Kind, bytes | tuple[int, float, int, int]]] = []
    up = [encode(Link(name=link, up=True)) for link in sorted({t.link for t in tags.values()})]
    for second in range(last_s + 1):
        if second % BEAT_EVERY_S == 0:
            records += ((second * SECOND, 0, Kind.LINK, beat) for beat in up)
        records.append((second * SECOND, 1, Kind.TICK, _TICK))
    records += ((at, 2, Kind.READINGS, (of.number, value, quality, clock)) for at, of, value, quality, clock in rows)
    records.sort(key=lambda r: r[:2])
    found: list[ConditionChange] = []
    for offset, (at, _, kind, value) in enumerate(records):
        now = START + at
        if isinstance(value, bytes):
            found += fold.apply(offset, now, kind, value)
        else:
            number, read, quality, clock = value
            found += fold.apply_readings(offset, now, batch([number], [START + clock], [read], [quality]))
    return found


def _seen(changes: Iterable[ConditionChange], tag: Tag, rule: str) -> Iterator[Seen]:
    """The changes of level, in the words of an alarm."""
    levels: dict[str, int] = {}
    for change in changes:
        before = levels.get(change.side, 0)
        if change.tag != tag.number or change.rule != rule or change.level == before:
            continue
        levels[change.side] = change.level
        if change.level > before:
            what = Change.RISE if before else Change.RAISE
        else:
            what = Change.FALL if change.level else Change.RETURN
        yield (change.at_ns - START) / SECOND, what, change.level_name


def _differences(case: RuleCase, seen: tuple[Seen, ...], path: str) -> Iterator[Problem]:
    """Pair off what was expected and what came, in order, and name the first that does not fit."""
    expected = [(float(at), str(change), level) for at, change, level in case.expect]
    for number in range(max(len(expected), len(seen))):
        want = expected[number] if number < len(expected) else None
        got = seen[number] if number < len(seen) else None
        if want == got:
            continue
        if want is None and got is not None:
            message = f"nothing more is expected, but there came {_words(got)}"
        elif got is None and want is not None:
            message = f"expected {_words(want)}, but nothing came"
        elif want is not None and got is not None:
            message = f"expected {_words(want)}, but there came {_words(got)}"
        story = ", then ".join(map(_words, seen)) or "nothing"
        yield Problem.of(path, message, f"in all there came: {story}")
        return


def _words(change: Seen) -> str:
    return f"{change[1]} ({change[2]}) at second {change[0]:g}"
