"""Kind `expression`: the rule against a slow one, and stories; the language has a file of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import assume, given

from rules.kinds.expression import KIND, SAMPLE, Params
from rules.rulebook import check_rules
from schemas.changes import ConditionChange
from schemas.quality import Quality
from schemas.registry import Measure, Revision, Tag
from schemas.time import SECOND, seconds
from tests.laws.settings import traces as laws
from tests.laws.traces import RANGE_HIGH, START, Trace, gas_tag, level_tag
from tests.rules.helpers import Story
from tests.rules.kinds import groups
from tests.rules.kinds.formulas import Close, Look, Part, both, called, compared, inverse, joined, literal, tag
from tests.rules.kinds.groups import Heard, Ladder, bad, group, heard, placed, traces, under

# The rule against a slow one


@dataclass
class SlowExpression:
    """CO detectors that read in ppm; trees by level: (raise, clear or None)."""

    trees: Sequence[tuple[Part, Part | None]]
    age_s: float
    held: dict[str, tuple[float, int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ladder = Ladder(on=[False] * len(self.trees))

    def row(self, row: Heard) -> int | None:
        name = f"CO-{row.member + 1}"
        value, trust = self.worth(row)
        seen = dict(self.held)
        if row.live:
            self.held[name] = value, trust, row.now
        elif not trust:
            return None
        seen[name] = value, trust, row.now

        def looking(least: int) -> Look:
            def look(asked: str) -> float | None:
                read, worth, when = seen.get(asked, (math.nan, 0, 0))
                return read if worth >= least and row.now - when <= seconds(self.age_s) else None

            return look

        beyond, clear, known = [], [], True
        for raises, clears in self.trees:
            sure = raises.out(looking(2))
            known = known and sure is not None
            beyond.append(raises.out(looking(1)) is True)
            clear.append(sure is False and (clears is None or clears.out(looking(2)) is True))
        return self.ladder.judged(beyond, clear, row.live and trust == 2 and known)

    @staticmethod
    def worth(row: Heard) -> tuple[float, int]:
        is_number = math.isfinite(row.value)
        if row.quality == Quality.OVER_RANGE or (row.quality < 128 and row.value > RANGE_HIGH):
            return (max(row.value, RANGE_HIGH) if is_number else RANGE_HIGH), 1
        if row.quality >= 128 or not is_number:
            return math.nan, 0
        return row.value, 2 if row.quality < 64 and row.value >= -0.0125 * RANGE_HIGH else 1


A, B, C = tag("CO-1"), tag("CO-2"), tag("CO-3")


def ppm(number_written: str) -> Part:
    return literal(number_written, "ppm")


APART = joined("-", called("max", A, B), called("min", A, B))
RULES: dict[str, tuple[list[tuple[Part, Part | None]], float]] = {
    "and": ([(both("and", compared(">=", A, ppm("50")), compared("<", B, ppm("50"))), None)], 15.0),
    "or": ([(both("or", compared(">=", A, ppm("80")), inverse(compared("<", C, ppm("50")))), None)], 5.0),
    "clear": (
        [(compared(">=", A, ppm("50")), both("and", compared("<", A, ppm("48")), compared("<", B, ppm("80"))))],
        15.0,
    ),
    "two": (
        [
            (compared(">", called("max", A, B, C), ppm("47")), compared("<", called("max", A, B), ppm("30"))),
            (compared(">", called("max", A, B, C), ppm("79.5")), None),
        ],
        8.0,
    ),
    "if": (
        [(called("if", compared(">", A, ppm("30")), compared(">=", B, ppm("50")), compared(">=", C, ppm("50"))), None)],
        15.0,
    ),
    "apart": ([(compared(">", APART, ppm("25.5")), None), (compared(">", APART, ppm("41.5")), None)], 4.0),
}  # fmt: skip


def written(trees: Sequence[tuple[Part, Part | None]], age_s: float) -> dict[str, object]:
    texts: dict[str, object] = {"max_age_s": age_s}
    for (raises, clears), (up, down) in zip(trees, (("expr", "clear"), ("high_high", "clear_high_high")), strict=False):
        texts[up] = raises.text
        texts[down] = "" if clears is None else clears.text
    return texts


@pytest.mark.parametrize("name", RULES)
def test_it_says_what_the_slow_one_says(name: str) -> None:
    trees, age_s = RULES[name]
    of = under("expression", group(3), written(trees, age_s))

    @laws(150)
    @given(traces(of))
    def law(trace: Trace) -> None:
        rows, said = heard(trace, "expression")
        slow = SlowExpression(trees, age_s)
        asked = {f"CO-{n}" for n in (1, 2, 3) if f"{{CO-{n}}}" in str(written(trees, age_s))}
        mine = [row for row in rows if f"CO-{row.member + 1}" in asked]
        wanted = []
        for row in mine:
            try:
                level = slow.row(row)
            except Close:
                assume(False)
            if level is not None:
                wanted.append((row.place, level))
        assert list(placed(said)) == wanted

    law()


# Stories


def story(expr: str, tags: Sequence[Tag] = (), **params: object) -> Story:
    return groups.story("expression", list(tags) or group(3), expr=expr, **params)


def last(told: Story) -> ConditionChange:
    return groups.last(told, "expression")


def levels(told: Story) -> list[int]:
    return [c.level for c in told.said if c.rule == "expression" and c.basis not in ("first", "restatement")]


def test_what_stands_is_told_with_value_limit_and_unit() -> None:
    told = story("{CO-1} - {CO-2} >= 20 ppm and {CO-3} < 50 ppm")
    told.read(1, 45.0, tag=1)
    change = last(told)
    assert (change.level, change.level_name, change.value, change.limit, change.unit) == (
        1,
        "level_1",
        25.0,
        20.0,
        "ppm",
    )
    assert (change.subject, change.side) == ("CO-1", "high")
    assert change.text.zh == "CO-1 - CO-2 >= 20 ppm and CO-3 < 50 ppm：成立，25 ppm"
    told.read(2, 39.0, tag=1)
    assert last(told).level == 0 and last(told).text.en.endswith("no longer so, back to normal")
    restated = story("{CO-1} - {CO-2} >= 20 ppm")
    restated.read(1, 45.0, tag=1)
    restated.read(2, 10.0, tag=2)
    restated.pass_time(3, 40)
    assert last(restated).basis == "restatement" and last(restated).value == 35.0


def test_the_number_that_is_told_may_be_chosen() -> None:
    told = story("{CO-1} > 50 ppm and {CO-2} > 50 ppm", value="mean({CO-1}, {CO-2})")
    told.read(1, 60.0, tag=1)
    told.read(1, 70.0, tag=2)
    assert (last(told).value, last(told).limit, last(told).unit) == (65.0, None, "ppm")


def test_a_low_limit_is_of_the_low_side() -> None:
    told = story("30 ppm > {CO-1}")
    told.read(1, 40.0, tag=1)
    told.read(2, 20.0, tag=1)
    assert (last(told).side, last(told).level, last(told).limit) == ("low", 1, 30.0)


def test_on_delay_and_off_delay() -> None:
    told = story("{CO-1} > 50 ppm", on_delay_s=3.0, off_delay_s=4.0)
    for second, value in enumerate([60.0, 60.0, 20.0, 60.0, 60.0, 60.0, 60.0, 20.0, 20.0, 20.0, 20.0, 20.0], 1):
        told.read(second, value, tag=1)
    seen = [c for c in told.said if c.rule == "expression" and c.basis != "first"]
    assert [(c.level, (c.at_ns - START) / SECOND) for c in seen] == [(1, 7.0), (0, 12.0)]


def test_a_tag_that_is_not_heard_makes_it_unknown() -> None:
    told = story("{CO-1} > 50 ppm and {CO-2} < 50 ppm", max_age_s=5.0)
    told.read(6, 60.0, tag=1)
    assert levels(told) == []  # CO-2 read 20 six seconds ago
    told.read(7, 20.0, tag=2)
    assert levels(told) == [1]
    told.read(13, 60.0, tag=1)
    told.read(14, 60.0, tag=1)
    assert levels(told) == [1]  # unknown ends nothing
    told.read(15, 60.0, tag=2)
    assert levels(told) == [1, 0]


def test_bad_data_of_the_other_tag_neither_raises_nor_ends() -> None:
    told = story("{CO-1} > 50 ppm or {CO-2} > 50 ppm")
    bad(told, 1, 2)
    told.read(2, 20.0, tag=1)
    assert levels(told) == []
    told.read(3, 60.0, tag=1)
    assert levels(told) == [1]  # true or unknown is true
    told.read(4, 20.0, tag=1)
    assert levels(told) == [1]  # false or unknown is unknown
    told.read(5, 20.0, tag=2)
    assert levels(told) == [1, 0]


def test_a_dead_tag_does_not_hide_what_the_largest_is_at_least() -> None:
    told = story("max({CO-1}, {CO-2}, {CO-3}) > 50 ppm", high_high="max({CO-1}, {CO-2}, {CO-3}) > 80 ppm")
    bad(told, 1, 3)
    told.read(2, 60.0, tag=1)
    assert levels(told) == [1] and last(told).value is None
    assert last(told).text.en.endswith("it is so, no valid value at present")
    told.read(3, 90.0, tag=2)
    assert levels(told) == [1, 2]
    told.read(4, 20.0, tag=1)
    told.read(5, 20.0, tag=2)
    assert levels(told) == [1, 2]  # CO-3 may be beyond
    told.read(6, 20.0, tag=3)
    assert levels(told) == [1, 2, 0] and last(told).value == 20.0


def test_a_tag_that_was_never_heard_does_not_either() -> None:
    told = Story(of=under("expression", group(3), {"expr": "max({CO-1}, {CO-2}, {CO-3}) > 50 ppm"}))
    told.beat(0)
    told.read(1, 60.0, tag=1)
    assert last(told).level == 1


def test_uncertain_data_raises_and_does_not_end() -> None:
    told = story("{CO-1} > 50 ppm")
    told.read(1, 60.0, tag=1, quality=Quality.UNCERTAIN)
    told.read(2, 20.0, tag=1, quality=Quality.UNCERTAIN)
    assert levels(told) == [1]
    told.read(3, 20.0, tag=1)
    assert levels(told) == [1, 0]


def test_gas_over_its_range_counts_as_the_top_of_it() -> None:
    told = story("{CO-1} - {CO-2} > 70 ppm")
    told.read(1, None, tag=1, quality=Quality.OVER_RANGE)
    assert levels(told) == [1] and last(told).value == 80.0
    level = story("{L-1} > 90 %", tags=[level_tag(1, link="ingest")])
    level.read(1, None, tag=1, quality=Quality.OVER_RANGE)
    assert levels(level) == []


def test_a_late_reading_may_raise_and_changes_nothing_else() -> None:
    told = story("{CO-1} > 50 ppm and {CO-2} < 50 ppm")
    told.read(10, 20.0, tag=1)
    told.read(11, 60.0, tag=1, event=8)
    assert levels(told) == [1] and last(told).basis == "late"
    told.read(12, 20.0, tag=2)
    assert levels(told) == [1, 0]  # CO-1 reads 20 still


def test_a_division_by_zero_is_unknown() -> None:
    told = story("{CO-1} / {CO-2} > 3", tags=group(2))
    told.read(1, 0.0, tag=2)
    told.read(2, 80.0, tag=1)
    assert levels(told) == []
    told.read(3, 20.0, tag=2)
    assert levels(told) == [1]


def test_level_two_falls_to_one_and_then_ends() -> None:
    told = story(
        "{CO-1} > 50 ppm", high_high="{CO-1} > 80 ppm", clear="{CO-1} < 40 ppm", clear_high_high="{CO-1} < 70 ppm"
    )
    for second, value in enumerate((60.0, 90.0, 75.0, 65.0, 45.0, 39.0), 1):
        told.read(second, value, tag=1)
    assert levels(told) == [1, 2, 1, 0]


def test_a_revision_with_other_tags_begins_anew_and_one_with_the_same_goes_on() -> None:
    told = story("{CO-1} > 50 ppm and {CO-2} > 50 ppm")
    told.read(1, 60.0, tag=1)
    told.read(1, 90.0, tag=2)
    told.read(2, 20.0, tag=2)
    assert levels(told) == [1, 0]
    other = under("expression", group(3), {"expr": "{CO-1} > 50 ppm and {CO-3} > 10 ppm"})
    told.activate(3, msgspec.structs.replace(other, number=2))
    told.read(4, 60.0, tag=1)
    assert levels(told) == [1, 0]  # in the place of CO-2 stands a tag that was not heard yet
    told.read(5, 20.0, tag=3)
    assert levels(told) == [1, 0, 1]
    same = under("expression", group(3), {"expr": "{CO-1} > 70 ppm and {CO-3} > 10 ppm"})
    told.activate(6, msgspec.structs.replace(same, number=3))
    told.read(7, 20.0, tag=3)
    assert levels(told) == [1, 0, 1, 0]  # CO-1 is known to read 60


def test_the_state_is_as_small_as_promised() -> None:
    assert SAMPLE.itemsize == 16 and KIND.memory_dtype.itemsize <= 400


# Checks


def problems(tags: Sequence[Tag], **params: object) -> list[str]:
    return [str(p).removeprefix("rules[expression].") for p in check_rules(under("expression", list(tags), params))]


def test_every_problem_is_told_at_once() -> None:
    assert problems(group(3), expr="{CO-1} > 50 ppm") == []
    assert problems(group(3)) == ["params.expr: there is no condition; write one, such as {TI-101} > 80 degC"]
    said = problems(
        group(3), expr="{CO-1} > 50 degC and {CO-9} > 3 ppm", high_high="{CO-1} >", clear_high_high="{CO-1} < 3",
        value="{CO-1} > 3 ppm", max_age_s=2.0, on_delay_s=-1.0,
    )  # fmt: skip
    text = "\n".join(said)
    assert "column 9: it ends too early" in text and "column 22: there is no tag 'CO-9'; write one of: CO-" in text
    assert "params.expr: column 8: a share of volume meets a temperature" in text
    assert "params.value: column 8: this is a condition, not a number" in text
    assert "params.clear_high_high: column 8: a share of volume meets a number without a unit" in text
    assert "three periods or more: 3" in text and "-1 is no length of time" in text


def test_a_mistyped_name_is_found_although_no_other_tag_is_named() -> None:
    assert problems(group(3), expr="{CO-l} > 50 ppm") == [
        "params.expr: column 1: there is no tag 'CO-l'; write one of: CO-1, CO-2, CO-3"
    ]
    assert "name a tag of the registry" in problems(group(3), expr="{__class__} > 50 ppm")[0]


def test_tags_of_two_cells_and_tags_that_the_rule_is_not_asked_of() -> None:
    tags = [*group(2), gas_tag(3, cell="elsewhere")]
    said = problems(tags, expr="{CO-1} > 50 ppm and {CO-3} > 50 ppm")
    assert any("CO-3 lies in cell 'elsewhere', not in 'works'" in line for line in said)
    of: Revision = under("expression", group(3), {"expr": "{CO-1} > 50 ppm and {CO-3} > 50 ppm"})
    narrow = msgspec.structs.replace(of, rules=(msgspec.structs.replace(of.rules[0], tags=("CO-1", "CO-2")),))
    assert "CO-3 is no tag of this rule in cell 'works'" in str(check_rules(narrow)[0])


@pytest.mark.parametrize(
    ("expr", "clear", "said"),
    [
        ("{CO-1} > 50 ppm", "{CO-1} < 45 ppm", ""),
        ("{CO-1} > 50 ppm", "{CO-1} < 55 ppm", "the end at 55 lies beyond the beginning at 50"),
        ("{CO-1} > 50 ppm", "{CO-1} > 45 ppm", "the alarm would end where it begins"),
        ("{CO-1} < 50 ppm", "{CO-1} > 45 ppm", "the end at 45 lies beyond the beginning at 50"),
        ("{CO-1} > 50 ppm", "{CO-1} < 0.055 ppm * 1000", "the end at 55 lies beyond"),
    ],
)
def test_an_end_on_the_wrong_side_of_the_beginning_is_found(expr: str, clear: str, said: str) -> None:
    found = problems(group(1), expr=expr, clear=clear)
    assert (said in found[0]) if said else found == []


def test_too_many_tags_and_too_long_programs_are_told() -> None:
    many = " + ".join(f"{{CO-{n}}}" for n in range(1, 18)) + " > 50 ppm"
    assert any("17 tags are more than 16" in line for line in problems(group(17), expr=many))
    long = " + ".join(["{CO-1}"] * 50) + " > 50 ppm"
    assert any("more than the 192" in line for line in problems(group(1), expr=long, high_high=long))


def test_a_hostile_text_is_a_problem_of_the_rule_and_of_nothing_else() -> None:
    for text in ("__import__('os').system('true') or {CO-1} > 5 ppm", "(" * 900, "{CO-1" + "}" * 300, "\0", "{}" * 400):
        assert all(line.startswith("params.expr: column ") for line in problems(group(2), expr=text))
        assert problems(group(2), expr=text)


def test_units_of_every_level_are_those_of_the_number_told() -> None:
    temperatures = [
        Tag(number=n, name=f"T-{n}", enterprise="works", measure=Measure.TEMPERATURE, unit=unit)
        for n, unit in ((1, "°C"), (2, "K"))
    ]
    params = {"expr": "{T-1} - {T-2} > 5 K", "high_high": "{T-1} - {T-2} > 10 K"}
    (planned,) = KIND.plan(temperatures, msgspec.convert(params, Params))
    assert [level and level.limit for level in planned.levels] == [5.0, 10.0] and KIND.unit(planned) == "K"
    told = Story(of=under("expression", temperatures, params))
    told.read(1, 30.0, tag=1)
    told.read(1, 293.15, tag=2)
    assert last(told).level == 1 and last(told).value == pytest.approx(10.0)
