"""Compiling rules: who watches what, and every problem at once in an engineer's words."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from rules.kinds import Kind, kinds
from rules.rulebook import RuleProblems, check_rules, compile_rules, rules_of, subjects_of
from schemas.partitioning import partition_of
from schemas.registry import Enterprise, HazardSource, Limits, Measure, Park, Revision, Rule
from schemas.text import Text
from tests.laws.traces import gas_tag, level_tag, revision
from tests.rules.helpers import Story


def ruled(*rules: Rule, **more: object) -> Revision:
    return msgspec.structs.replace(revision(gas_tag(), level_tag()), rules=rules, **more)


def test_every_problem_of_every_rule_is_told_at_once() -> None:
    bad = ruled(
        Rule(id="a", kind="limitz"),
        Rule(id="b", kind="limits", params={"on_delay": 3.0}),
        Rule(id="c", kind="stale", tags=("X-*",)),
        Rule(id="d", kind="limits", params={"deadband": 60.0}),
        Rule(id="link", kind="stale"),
        Rule(id="e", kind="quality", params={"on_delay_s": 500.0}),
    )
    with pytest.raises(RuleProblems) as refused:
        compile_rules(bad, 0, 1)
    said = "\n".join(map(str, refused.value.problems))
    for words in (
        "rules[a].kind: there is no rule kind 'limitz'; one of: " + ", ".join(kinds()),
        "rules[b].params: Object contains unknown field `on_delay`; parameters of kind limits: on_delay_s",
        "rules[c].tags: no tag matches; it asks for X-*",
        "rules[d].params.deadband: CO-1: high 50 less the deadband 60 leaves the range; it would never end",
        "rules[link].id: 'link' is how the program names its own faults",
        "rules[e].params.on_delay_s: 500 s; a fault must be told within 100 s; 0 to 100",
    ):
        assert words in said, said
    assert said.count("rules[e]") == 1, "a parameter that is wrong for every tag is told once"


@pytest.mark.parametrize("given", [2e9, 1e300, float("inf"), float("nan"), 10**25])
def test_numbers_that_nobody_can_reckon_with_are_problems(given: float) -> None:
    """Of whatever kind: a check must not end in a traceback."""
    for name, kind in kinds().items():
        example = kind.examples[0]
        for field in (f.name for f in msgspec.structs.fields(kind.params) if f.name.endswith("_s")):
            rule = Rule(id="one", kind=name, params={**example.params, field: given})
            found = check_rules(Revision(number=1, parks=(), tags=example.tags, rules=(rule,)))
            assert any(p.path == f"rules[one].params.{field}" for p in found), (name, field, found)


def test_a_tag_with_limits_that_no_rule_looks_at_is_a_problem() -> None:
    said = [str(p) for p in check_rules(ruled(Rule(id="limits", kind="limits", tags=("CO-*",))))]
    assert said == [
        "tags[L-2]: it has limits, but no rule of kind limits is asked of it; widen the tags of a rule of kind limits"
    ]


def test_defaults_stand_unless_a_rule_takes_their_id() -> None:
    own = Rule(id="stale", kind="stale", params={"stale_s": 60.0})
    assert [r.id for r in rules_of(ruled(own))] == ["stale", "limits", "quality"]
    assert not check_rules(ruled(own))


def test_rules_choose_tags_by_pattern_and_measure() -> None:
    book = compile_rules(ruled(Rule(id="gas", kind="stale", tags=("*",), measures=(Measure.GAS,))), 0, 1)
    gas = next(r for r in book.rules if r.rule.id == "gas")
    assert [w.subject for w in gas.watched] == ["CO-1"]


def test_a_partition_watches_the_cells_that_lie_in_it() -> None:
    tags = [gas_tag(n, cell=f"cell-{n}") for n in range(1, 20)]
    books = [compile_rules(revision(*tags), p, 4) for p in range(4)]
    for tag in tags:
        mine = [b.partition for b in books if tag in b.tags]
        assert mine == [partition_of(tag.cell, 4)]


def test_a_name_taken_over_from_a_retired_tag_is_another_subject() -> None:
    """Causes of two cells cannot be compared, so two numbers never share a condition (LAWS C3)."""
    old, new = gas_tag(1, name="CO", retired=True), gas_tag(2, name="CO", cell="elsewhere")
    assert subjects_of(revision(old, new)) == {1: "CO", 2: "CO#2"}


def test_a_change_says_where_it_is_and_how_urgent() -> None:
    tag = gas_tag(hazard_source="foundry", limits=Limits(high=50.0))
    full = Revision(
        number=1,
        parks=(Park(id="park", name=Text(zh="园区", en="Park")),),
        enterprises=(Enterprise(id="works", park="park", name=Text(zh="工厂", en="Works")),),
        hazard_sources=(HazardSource(id="foundry", enterprise="works", grade=1),),
        tags=(tag,),
    )
    change = Story(of=full).read(0, 60.0)[0]
    assert (change.place.park, change.place.enterprise, change.place.hazard_source) == ("park", "works", "foundry")
    assert (change.place.park_name.zh, change.place.enterprise_name.en, change.place.grade) == ("园区", "Works", 1)
    assert change.tier == 1, "toxic level 1 is tier 2; grade 1 moves it up"


def test_a_rule_may_set_tier_route_and_words() -> None:
    words = Text(zh="{tag}过高：{value}{unit}", en="{tag} too high, {text}")
    rule = Rule(id="limits", kind="limits", tier=4, route="silent", text=words)
    change = Story(of=ruled(rule)).read(0, 60.0)[0]
    assert (change.tier, change.route) == (4, "silent")
    assert change.text.zh == "CO-1 一氧化碳过高：60ppm"
    assert change.text.en.startswith("CO-1 carbon monoxide too high, CO-1 carbon monoxide 60 ppm")


def test_words_never_cost_an_alarm() -> None:
    story = Story()
    compiled = story.fold.standing.evaluators[0].compiled
    object.__setattr__(compiled, "kind", _speechless(compiled.kind))
    change = story.read(0, 90.0)[0]
    assert change.level == 2 and change.text.zh == "CO-1 一氧化碳 二级报警值"


def _speechless(kind: Kind) -> Kind:
    def say(said: object) -> Text:
        raise RuntimeError("no words")

    return replace(kind, say=say)
