"""Contradictions between rules and tags, and between rules: each is told with its place, in words, with a cure."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rules.contradictions import judge
from rules.doubts import doubts
from rules.rulebook import DEFAULT_RULES
from schemas.registry import Enterprise, HazardSource, Limits, Measure, Park, Revision, Rule, RuleCase, Tag

replace = msgspec.structs.replace


def gas(number: int, name: str, cell: str = "", **fields: Any) -> Tag:
    known: dict[str, Any] = {
        "measure": Measure.GAS,
        "cas": "630-08-0",
        "unit": "ppm",
        "range_low": 0.0,
        "range_high": 500.0,
        "limits": Limits(high=17.18, high_high=34.35),
        "profile": "gb50493",
    }
    return Tag(number=number, name=name, enterprise="works", cell=cell, **(known | fields))


def pressure(number: int, name: str, cell: str = "", **fields: Any) -> Tag:
    known: dict[str, Any] = {
        "measure": Measure.PRESSURE,
        "unit": "kPa",
        "range_low": 0.0,
        "range_high": 100.0,
        "limits": Limits(high=60.0, high_high=70.0),
    }
    return Tag(number=number, name=name, enterprise="works", cell=cell, **(known | fields))


CO_1, CO_2, CO_3 = gas(1, "CO-1"), gas(2, "CO-2"), gas(3, "CO-3", cell="hall")
PT_1, PT_2 = pressure(4, "PT-1"), pressure(5, "PT-2", cell="hall", limits=Limits())
TAGS = (CO_1, CO_2, CO_3, PT_1, PT_2)


def revision(*rules: Rule, tags: tuple[Tag, ...] = TAGS, grade: int = 0) -> Revision:
    return Revision(
        number=1,
        parks=(Park(id="park"),),
        enterprises=(Enterprise(id="works", park="park"),),
        hazard_sources=(HazardSource(id="source", enterprise="works", grade=grade),),
        tags=tags,
        rules=rules,
    )


def rule(kind: str, *tags: str, id: str = "r", tier: int = 0, **params: Any) -> Rule:
    return Rule(id=id, kind=kind, tags=tags or ("*",), params=params, tier=tier)


def problems(*rules: Rule, **fields: Any) -> list[str]:
    return [str(p) for p in judge(revision(*rules, **fields))[1]]


def advice(*rules: Rule, **fields: Any) -> list[str]:
    of = revision(*rules, **fields)
    book, found = judge(of)
    assert book is not None and not found, found
    return [str(p) for p in doubts(of, book)]


def test_sound_rules_have_neither_problems_nor_doubts() -> None:
    sound = (rule("vote", "CO-1", "CO-2", id="v"), rule("forecast", "PT-1", id="f"), rule("stuck", id="s"))
    assert problems(*sound) == [] and advice(*sound) == []
    assert problems() == [] and advice() == []


# Problems


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            rule("vote", "CO-1", "CO-2", "CO-22"),
            "rules[r].tags: there is no tag 'CO-22'; did you mean 'CO-2'?",
        ),
        (rule("stuck", "CO-1", "X"), "rules[r].tags: there is no tag 'X'; correct the name or take it out"),
        (
            rule("stuck", "CO-*", "H2S-*"),
            "rules[r].tags: no tag is called 'H2S-*'; correct the pattern or take it out",
        ),
        (rule("stuck", "H2S-*"), "rules[r].tags: no tag matches; it asks for H2S-*"),
        (
            rule("vote", "CO-1", "CO-3"),
            "rules[r].tags: kind vote looks at one cell at a time, but these lie in 2: CO-1 in 'works'; CO-3 in "
            "'hall'; "
            "put them into one cell (column cell of the tag list), or name the tags of one cell only",
        ),
        (
            rule("sequence", "CO-3", "PT-1", order=["PT-1", "CO-3"]),
            "rules[r].tags: kind sequence looks at one cell at a time, but these lie in 2: CO-3 in 'hall'; PT-1 in "
            "'works'; put them into one cell (column cell of the tag list), or name the tags of one cell only",
        ),
        (
            rule("forecast", "PT-2"),
            "rules[r]: it watches nothing: PT-2 has nothing for kind forecast; give them the limits or companions that "
            "the kind needs (see its page), or take the rule out",
        ),
        (
            rule("limits", id="limits", deadband=12.0),
            "rules[limits].params.deadband: PT-1: the deadband 12 is not smaller than the gap between high and "
            "high_high; below 10 kPa",
        ),
        (
            rule("rate", "PT-1", rise_per_min=400.0, window_s=60),
            "rules[r].params.rise_per_min: PT-1 cannot change by 400 kPa/min: its whole range within the window "
            "is 150; "
            "a smaller rate or a shorter window",
        ),
        (
            rule("stel", "CO-1", limit=100.0),
            "rules[r].params.limit: 100 ppm for CO-1 is looser than the short-term limit (PC-STEL) of CO "
            "(25.76); lower "
            "it, or give the reason in limit_reason of the tag",
        ),
        (
            rule("twa", "CO-1", limit=30.0, limit_unit="mg/m3"),
            "rules[r].params.limit: 25.76 ppm for CO-1 is looser than the 8-hour limit (PC-TWA) of CO (17.18); "
            "lower it, "
            "or give the reason in limit_reason of the tag",
        ),
    ],
    ids=lambda v: f"{v.kind}-{'-'.join(v.tags)}" if isinstance(v, Rule) else None,
)
def test_a_contradiction_is_told_in_words_with_place_and_cure(asked: Rule, told: str) -> None:
    assert told in problems(asked)


def test_delays_longer_than_the_time_that_people_have() -> None:
    hurried = replace(PT_1, response_s=30.0)
    told = "rules[limits].params.on_delay_s: the alarm waits 60 s, but for PT-1 people have only 30 s; 30 s or less"
    assert problems(rule("limits", id="limits", on_delay_s=60.0), tags=(hurried,)) == [told]
    assert problems(rule("limits", id="limits", on_delay_s=20.0), tags=(hurried,)) == []
    assert problems(rule("range", on_delay_s=60.0), tags=(hurried,)) == [], "a fault of an instrument may take its time"


def test_a_deviation_that_the_range_has_no_room_for() -> None:
    twin = pressure(6, "PT-1B")
    asked = rule("deviation", "PT-1", "PT-1B", partner="{tag}B", high=150.0)
    assert problems(asked, tags=(PT_1, twin)) == [
        "rules[r].params.high: PT-1 spans 100 kPa, so a deviation of 150 is never reached; a smaller deviation"
    ]


def test_a_mixture_with_a_limit_of_its_own() -> None:
    benzene = gas(6, "B-1", cas="71-43-2", limits=Limits(), profile="none")
    toluene = gas(7, "T-1", cas="108-88-3", limits=Limits(), profile="none")
    asked = rule("mixture", "B-1", "T-1", limits=["71-43-2 = 30 mg/m3"])
    (told,) = problems(asked, tags=(benzene, toluene))
    assert told.startswith(
        "rules[r].params.limits: 9.238 ppm for B-1 is looser than the occupational limit of C6H6 (0.9238)"
    )
    reasoned = replace(benzene, limit_reason="why")
    assert problems(asked, tags=(reasoned, toluene)) == []


def test_an_exposure_limit_may_be_looser_for_a_reason_and_stricter_without() -> None:
    assert problems(rule("stel", "CO-1", limit=20.0)) == []
    assert problems(rule("stel", "CO-1", limit=100.0), tags=(replace(CO_1, limit_reason="plateau"),)) == []


def test_a_case_of_a_tag_that_the_rule_is_not_asked_of() -> None:
    case = RuleCase(name="c", tag="PT-1", readings=((0, 1.0),))
    assert problems(replace(rule("forecast", "CO-1"), case=(case,))) == [
        "rules[r].case[1].tag: the rule is not asked of 'PT-1', so the case proves nothing; widen the rule's "
        "tags, or take "
        "another"
    ]


@pytest.mark.parametrize(
    ("kind", "told"), [("stale", "it falls silent"), ("quality", "its data is bad")], ids=["stale", "quality"]
)
def test_silence_and_bad_data_that_nobody_notices(kind: str, told: str) -> None:
    assert problems(rule(kind, "PT-1", "CO-2", "CO-3", id=kind)) == [
        f"tags[CO-1]: no rule notices when {told}; let a rule of kind {kind} cover it"
    ]


def test_tags_of_several_cells_are_fine_where_each_cell_has_enough() -> None:
    more = gas(6, "CO-4", cell="hall")
    assert problems(rule("vote", "CO-1", "CO-2", "CO-3", "CO-4"), tags=(*TAGS, more)) == []
    assert problems(rule("vote", "CO-*")) == [], "a pattern may meet a cell with a single detector"


def test_all_of_them_at_once_and_those_of_sound_rules_beside_faulty_ones() -> None:
    found = problems(
        rule("vote", "CO-1", "CO-2", id="faulty", m=0),
        rule("stuck", "CO-1", "CO-9", id="named"),
        rule("rate", "PT-1", id="fast", rise_per_min=900.0),
        rule("stale", "CO-*", id="stale"),
    )
    assert [text.split(":")[0] for text in found] == [
        "rules[faulty].params.m",
        "rules[named].tags",
        "tags[PT-1]",
        "rules[fast].params.rise_per_min",
    ]


# Doubts


def test_two_rules_that_tell_the_same_twice() -> None:
    fast = rule("limits", "CO-*", id="gas-limits", on_delay_s=1.0)
    assert advice(fast) == [
        "rules[gas-limits].tags: rule 'limits' of the same kind watches CO-1, CO-2, CO-3 (high) for the same, "
        "with other "
        "parameters; every alarm would come twice: narrow the tags of one of them, or give this one the id 'limits' to "
        "replace the default"
    ]
    one, two = rule("stuck", "CO-1", id="one"), rule("stuck", "CO-*", id="two")
    assert advice(one, two) == [
        "rules[two].tags: rule 'one' of the same kind watches CO-1 (fault) for the same; every alarm would come twice: "
        "narrow the tags of one of them"
    ]


def test_two_rules_of_a_kind_for_different_levels_are_stages() -> None:
    assert advice(rule("forecast", "PT-1", id="a"), rule("forecast", "PT-1", id="b", level=2)) == []
    slow, fast = rule("rate", "PT-1", id="a", rise_per_min=5.0), rule("rate", "PT-1", id="b", rise_per_min=20.0)
    assert advice(slow, fast) == []
    assert advice(rule("rate", "PT-1", id="a", rise_per_min=5.0), rule("rate", "PT-1", id="b", fall_per_min=5.0)) == []
    small, large = rule("cusum", "PT-1", id="a", shift=0.5), rule("cusum", "PT-1", id="b", shift=2.0)
    assert advice(small, large) == []


def test_a_tag_that_a_rule_names_and_does_nothing_for() -> None:
    assert advice(rule("forecast", "PT-1", "PT-2")) == [
        "rules[r].tags: it names PT-2, but has nothing to watch there; give them what the kind needs, or take them out"
    ]
    assert advice(rule("forecast", "PT-*")) == [], "a pattern may mean more than can be watched"


def test_a_detector_that_is_alone_in_its_cell() -> None:
    assert advice(rule("vote", "CO-*")) == [
        "rules[r].tags: kind vote needs companions in the same cell, which CO-3 does not have; one cell for "
        "what belongs "
        "together, or narrow the rule"
    ]


def test_gas_alarms_that_wait_for_a_warm_up() -> None:
    def told(**params: Any) -> list[str]:
        found = revision(rule("limits_by_state", "*-1", id="limits", **params), tags=(CO_1, PT_1))
        book, problems = judge(found)
        assert book is not None and not problems
        return [str(p) for p in doubts(found, book) if "warm" in p.path]

    assert told() == []
    assert told(warm_up_s=120.0) == [
        "rules[limits].params.warm_up_s: after 30 s of silence first-level gas alarms of CO-1 wait up to 120 s; "
        "the shortest time that the detector's manual asks for, and a longer stale_s"
    ]


def test_gas_alarms_that_a_rule_makes_wait() -> None:
    assert advice(rule("limits", id="limits", on_delay_s=10.0)) == [
        "rules[limits].params.on_delay_s: gas alarms of CO-1, CO-2, CO-3 wait 10 s; 3 s or less"
    ]


def test_a_tier_milder_than_the_table_has_it() -> None:
    assert advice(rule("vote", "CO-1", "CO-2", tier=3)) == [
        "rules[r].tier: level 1 of CO-1 would be tier 2 (orange); the rule makes it tier 3 (yellow); leave tier out, "
        "unless it is meant so"
    ]
    assert advice(rule("vote", "CO-1", "CO-2", tier=1)) == []


def test_silence_that_is_told_late() -> None:
    slow = replace(CO_1, response_s=20.0)
    assert advice(tags=(slow,)) == [
        "tags[CO-1].stale_s: its silence is told after 30 s, but people have only 20 s to respond; read it more "
        "often, or "
        "shorten the time"
    ]
    assert advice(rule("stale", id="stale", stale_s=600.0), tags=(CO_1,)) == [
        "tags[CO-1].stale_s: the silence of a gas point is told only after 600 s; 100 s or less"
    ]
    assert advice(rule("stale", "CO-*", id="stale"), tags=(CO_1, PT_2)) == [
        "tags[PT-2]: no rule notices when it falls silent; let a rule of kind stale cover it"
    ]


def test_the_default_rules_are_never_at_fault() -> None:
    assert problems(tags=(PT_2,)) == [] and advice(*DEFAULT_RULES, tags=(PT_2,)) == []
