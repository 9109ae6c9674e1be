"""Cases beside a rule: run through a real fold, differences in the engineer's words."""

from __future__ import annotations

import msgspec

from rules.cases import run_cases
from schemas.registry import Rule, RuleCase
from tests.laws.traces import gas_tag, revision


def told(case: RuleCase, **params: float) -> list[str]:
    rule = Rule(id="limits", kind="limits", params=dict(params), case=(case,))
    found = list(run_cases(msgspec.structs.replace(revision(gas_tag()), rules=(rule,))))
    assert len(found) == 1 and found[0].rule == "limits"
    return [str(p) for p in found[0].problems]


def case(*readings: tuple[float | str | None, ...], expect: tuple[tuple[float, str, str], ...] = ()) -> RuleCase:
    return RuleCase(name="leak", tag="CO-1", readings=readings, expect=expect)


LEAK = ((0, 20.0), (1, 60.0), (2, 90.0), (3, 20.0))


def test_a_case_that_comes_out_has_no_problems() -> None:
    wanted = ((1, "raise", "high"), (2, "rise", "high_high"), (3, "return", "normal"))
    assert told(case(*LEAK, expect=wanted)) == []


def test_a_difference_is_told_with_what_came_in_all() -> None:
    wanted = ((1, "raise", "high"), (5, "rise", "high_high"))
    assert told(case(*LEAK, expect=wanted)) == [
        "rules[limits].case[leak]: expected rise (high_high) at second 5, but there came rise (high_high) at second 2; "
        "in all there came: raise (high) at second 1, then rise (high_high) at second 2, "
        "then return (normal) at second 3"
    ]


def test_what_is_missing_and_what_is_too_much_is_told() -> None:
    assert "but nothing came; in all there came: nothing" in told(case((0, 20.0), expect=((1, "raise", "high"),)))[0]
    assert "nothing more is expected, but there came raise (high) at second 1" in told(case((0, 20.0), (1, 60.0)))[0]


def test_parameters_of_the_rule_are_in_force() -> None:
    assert told(case((0, 20.0), (1, 60.0), expect=((6, "raise", "high"),)), on_delay_s=5.0) == []


def test_mistakes_of_writing_are_told_all_at_once() -> None:
    said = told(case((0, 20.0), (2, "high"), (2, 20.0, "GREAT"), (1, 20.0), expect=((1, "jump", "high"),)))
    assert [line.split(":")[0].removeprefix("rules[limits].case[leak].") for line in said] == [
        "readings[2]",
        "readings[3]",
        "readings[4]",
        "expect[1]",
    ]
    assert "there is no quality 'GREAT'" in said[1] and "second 1 comes before" in said[2]


def test_a_case_of_an_unknown_tag_is_told() -> None:
    assert told(RuleCase(name="x", tag="CO-9", readings=())) == [
        "rules[limits].case[x].tag: there is no tag 'CO-9'; name one of the tags"
    ]


def test_qualities_and_missing_values_can_be_written() -> None:
    readings = ((0, 20.0), (1, None), (2, 20.0, "over_range"))
    assert told(case(*readings, expect=((2, "raise", "high_high"),))) == []


def test_a_case_without_a_tag_that_the_rule_needs_is_told() -> None:
    """`deviation` cannot look at CO-1 alone when CO-2 is its partner; nothing is thrown."""
    tags = (gas_tag(1), gas_tag(2))
    alone = case((0, 20.0), (1, 60.0))
    rule = Rule(id="d", kind="deviation", params={"partner": tags[1].name, "high": 10.0}, case=(alone,))
    (found,) = run_cases(msgspec.structs.replace(revision(*tags), rules=(rule,)))
    assert "give every tag that the rule needs a reading in the case" in str(found.problems[0])
    assert found.problems[0].path == "rules[d].case[leak]"
