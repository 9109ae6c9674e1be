"""Kind `dispersion`: when it warns against a slow reference, and what it tells of source, wind and zones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given

from rules.kinds.dispersion import KIND, Params
from rules.rulebook import check_rules
from schemas.changes import ConditionChange
from schemas.gases import gas
from schemas.quality import Quality
from schemas.registry import Limits, Measure, Revision, Tag
from schemas.time import SECOND
from tests.laws.settings import traces as laws
from tests.laws.traces import Trace, gas_tag
from tests.rules.helpers import Story
from tests.rules.kinds.groups import Heard, Ladder, heard, placed, traces, under
from tests.rules.test_plume import slow

HOUR = 3600
H2S, CO, CHLORINE, METHANE = "7783-06-4", "630-08-0", "7782-50-5", "74-82-8"
FIELD = tuple((e, n) for e in (0.0, 40.0, 80.0) for n in (-30.0, 0.0, 30.0))
SPEED, DIRECTION = 21, 22


def wind() -> tuple[Tag, Tag]:
    return (
        Tag(number=SPEED, name="WS", enterprise="works", measure=Measure.WIND_SPEED, unit="m/s", stale_s=15.0),
        Tag(number=DIRECTION, name="WD", enterprise="works", measure=Measure.WIND_DIRECTION, unit="deg", stale_s=15.0),
    )


def detectors(cas: str = H2S, field: Sequence[tuple[float, float]] = FIELD, **more: object) -> list[Tag]:
    plain: dict[str, object] = {
        "cas": cas,
        "limits": Limits(high=7.0, high_high=14.0),
        "deadband": 1.0,
        "range_high": 1000.0,
        "height_m": 0.0,
    }
    return [
        gas_tag(number, name=f"GD-{number}", x_m=e + 1000.0, y_m=n + 500.0, **{**plain, **more})
        for number, (e, n) in enumerate(field, 1)
    ]


# When it warns

PAIR = [gas_tag(n, deadband=2.0, x_m=10.0 * n, y_m=0.0) for n in (1, 2)]
OF = under("dispersion", [*PAIR, *wind()], {})


class SlowScreening:
    """A detector is up from its limit of 50 until it is good and below 48; one that is up is enough."""

    def __init__(self) -> None:
        self.up: set[int] = set()
        self.ladder = Ladder(on=[False])

    def row(self, row: Heard) -> int | None:
        v, q = row.value, row.quality
        over = q == Quality.OVER_RANGE or (q < 128 and v > 100)
        if row.member >= 2 or not (over or (q < 128 and v == v)):
            return None
        lowers = row.live and not over and q < 64 and -1.25 <= v <= 100
        if over or v >= 50:
            self.up.add(row.member)
        elif lowers and v < 48:
            self.up.discard(row.member)
        return self.ladder.judged([bool(self.up)], [not self.up], lowers)


@laws(1100)
@given(traces(OF))
def test_it_warns_where_a_slow_reference_does(trace: Trace) -> None:
    rows, said = heard(trace, "dispersion")
    reference = SlowScreening()
    wanted = [(row.place, level) for row in rows if (level := reference.row(row)) is not None]
    assert wanted == list(placed(said))
    for change in said:
        assert change.tier == (3 if change.level else 0)
        assert change.level or not change.figures


# What it tells


def story(tags: Sequence[Tag], **params: object) -> Story:
    return Story(of=under("dispersion", [*tags, *wind()], params))


def last(told: Story) -> ConditionChange:
    return [c for c in told.said if c.rule == "dispersion"][-1]


def blow(told: Story, second: float, speed: float | None, direction: float | None) -> None:
    for tag, value in ((SPEED, speed), (DIRECTION, direction)):
        if value is not None:
            told.read(second, value, tag=tag)


def ppm(g_m3: float, cas: str = H2S) -> float:
    facts = gas(cas)
    assert facts is not None
    return g_m3 * 24.055e3 / facts.molar_mass_g_mol


def release(
    source: tuple[float, float], rate: float, speed: float = 3.0, towards: float = 90.0, cas: str = H2S
) -> dict[int, float]:
    """What each detector of the field reads (ppm), by the independent formula; class D."""
    along, across = math.sin(math.radians(towards)), math.cos(math.radians(towards))
    found = {}
    for number, (e, n) in enumerate(FIELD, 1):
        de, dn = e - source[0], n - source[1]
        x, y = de * along + dn * across, de * across - dn * along
        found[number] = ppm(rate * slow(speed, 3, x, y, 0.0, 0.0, 1.0), cas) if x > 0 else 0.0
    return found


def see(told: Story, second: float, values: Mapping[int, float]) -> None:
    for tag, value in values.items():
        told.read(second, value, tag=tag)


def restated(told: Story, second: float) -> ConditionChange:
    """What is said again within the next 31 s."""
    found: list[ConditionChange] = []
    for more in range(31):
        found += [c for c in told.tick(second + more) if c.rule == "dispersion"]
    return found[-1]


def test_a_release_is_located_and_its_zones_are_told() -> None:
    """30 g/s of hydrogen sulfide 60 m west of the field, seen by nine detectors, at 8 in the morning."""
    told = story(detectors())
    blow(told, 0, 3.0, 270.0)
    see(told, 0, dict.fromkeys(range(1, 10), 0.0))
    leak = release((-60.0, 5.0), 30.0)
    see(told, 1, leak)
    blow(told, 12, 3.0, 270.0)  # ten seconds later it is judged anew, now with all detectors
    said = restated(told, 13)
    figures = said.figures
    assert said.level_name == "screening" and said.tier == 3 and said.unit == "g/s"
    assert math.dist((figures["east_m"], figures["north_m"] - 30.0), (-60.0, 5.0)) < 15  # from GD-1 at (0, -30)
    assert said.value == pytest.approx(30.0, rel=0.35)
    assert figures["towards_deg"] == pytest.approx(90.0) and figures["class"] == 3
    facts = gas(H2S)
    assert facts is not None and said.value is not None
    for zone, limit in ((1, facts.aegl1_60min_ppm), (2, facts.aegl2_60min_ppm), (3, facts.aegl3_60min_ppm)):
        at_edge = ppm(said.value * slow(3.0, 3, figures[f"zone_{zone}_m"], 0.0, 0.0, 0.0, 1.0))
        assert at_edge == pytest.approx(limit, rel=0.02)
    assert said.text.en.startswith("plume screening: hydrogen sulfide downwind to the E, class D: AEGL-3 zone about 1")
    assert (
        "probable source near" in said.text.en and "W and" in said.text.en and said.text.en.endswith("(screening only)")
    )
    assert "向东扩散（D 类）" in said.text.zh and "GD-1 以西" in said.text.zh and said.text.zh.endswith("（仅供筛查）")


@pytest.mark.parametrize(("from_deg", "way"), [(0.0, "S"), (45.0, "SW"), (180.0, "N"), (225.0, "NE"), (359.0, "S")])
def test_the_wind_blows_where_it_does_not_come_from(from_deg: float, way: str) -> None:
    told = story(detectors())
    blow(told, 0, 3.0, from_deg)
    told.read(1, 20.0)
    assert f"downwind to the {way}," in last(told).text.en
    assert last(told).figures["towards_deg"] == pytest.approx((from_deg + 180) % 360)


def test_a_wandering_vane_is_averaged_around_north() -> None:
    told = story(detectors())
    for second in range(60):
        blow(told, second, 3.0, 350.0 if second % 2 else 10.0)
    told.read(60, 20.0)
    assert abs(last(told).figures["towards_deg"] - 180.0) < 5.0


def test_two_detectors_are_too_few_for_a_source() -> None:
    told = story(detectors())
    blow(told, 0, 3.0, 270.0)
    see(told, 0, dict.fromkeys(range(1, 10), 0.0))
    told.read(1, 5.0, tag=5)
    told.read(1, 20.0, tag=2)
    said = last(told)
    assert "east_m" not in said.figures and "source not located" in said.text.en and "源点未定位" in said.text.zh
    rate = 20.0 / ppm(slow(3.0, 3, 20.0, 0.0, 0.0, 0.0, 1.0))  # as if 20 m upwind of the strongest
    assert said.value == pytest.approx(rate)


def test_calm_and_missing_wind_make_circles() -> None:
    for speed, direction in ((0.6, 270.0), (None, 270.0), (3.0, None), (None, None)):
        told = story(detectors())
        blow(told, 0, speed, direction)
        see(told, 0, dict.fromkeys(range(1, 10), 20.0))
        said = last(told)
        assert "towards_deg" not in said.figures and "east_m" not in said.figures
        assert "all directions" in said.text.en and "各方向" in said.text.zh


def test_a_wind_that_falls_silent_or_bad_has_no_direction() -> None:
    told = story(detectors())
    blow(told, 0, 3.0, 270.0)
    told.read(1, 20.0)
    assert "towards_deg" in last(told).figures
    for second in range(2, 30):
        told.read(second, 20.0)
        told.read(second, 3.0, tag=SPEED)
        told.read(second, 270.0, tag=DIRECTION, quality=Quality.BAD)
    assert "all directions" in restated(told, 30).text.en


@pytest.mark.parametrize(
    ("hour", "speed", "letter"),
    [(4.0, 2.0, "D"), (4.0, 8.0, "D"), (16.0, 2.0, "F"), (16.0, 4.0, "E"), (16.0, 6.0, "D"), (9.9, 2.0, "D"),
     (10.1, 2.0, "F"), (21.9, 2.0, "F"), (22.1, 2.0, "D")],
)  # fmt: skip
def test_the_class_follows_wind_and_sun(hour: float, speed: float, letter: str) -> None:
    """Without a longitude solar noon is at 4 h UTC: day is from 22 to 10 h."""
    told = story(detectors())
    blow(told, hour * HOUR, speed, 270.0)
    told.read(hour * HOUR + 1, 20.0)
    assert f"class {letter}" in last(told).text.en


def test_the_class_may_be_given() -> None:
    told = story(detectors(), stability="B")
    blow(told, 0, 3.0, 270.0)
    told.read(1, 20.0)
    assert last(told).figures["class"] == 1


def test_it_is_judged_at_most_every_ten_seconds() -> None:
    told = story(detectors())
    blow(told, 0, 3.0, 270.0)
    judged = []
    for second in range(1, 40):
        told.read(second, 20.0)
        blow(told, second, 3.0, 270.0)
        (evaluator,) = (e for e in told.fold.standing.evaluators if e.id == "dispersion")
        judged.append(int(evaluator.memory[0]["judged"]))
    times = sorted(set(judged))
    assert [b - a for a, b in pairwise(times)] == [10 * SECOND] * 3


def test_a_figure_that_the_table_lacks_has_no_zone() -> None:
    told = story(detectors(CO, limits=Limits(high=17.2, high_high=34.3)))
    blow(told, 0, 3.0, 270.0)
    told.read(1, 200.0)
    said = last(told)
    assert "zone_1_m" not in said.figures and said.figures["zone_2_m"] > 0 and "AEGL-1" not in said.text.en


def test_flammable_gas_has_zones_of_its_explosive_limit_and_dense_gas_is_marked() -> None:
    told = story(detectors(METHANE, unit="%LEL", range_high=100.0, limits=Limits(high=25.0, high_high=50.0)))
    blow(told, 0, 3.0, 270.0)
    told.read(1, 60.0)
    said = last(told)
    assert "10 % LEL zone" in said.text.en and "AEGL" not in said.text.en and "denser" not in said.text.en
    at_edge = 2 * ppm(said.value or 0.0, METHANE) * slow(3.0, 3, said.figures["zone_1_m"], 0.0, 0.0, 0.0, 1.0)
    lel = gas(METHANE)
    assert lel is not None and lel.lel_vol_pct is not None
    assert at_edge == pytest.approx(0.1 * lel.lel_vol_pct * 1e4, rel=0.02)
    told = story(detectors(CHLORINE))
    blow(told, 0, 3.0, 270.0)
    told.read(1, 8.0)
    assert "denser than air" in last(told).text.en and "重气" in last(told).text.zh


def test_each_gas_of_a_cell_has_a_screening_of_its_own() -> None:
    second = [msgspec.structs.replace(t, number=t.number + 10, name=f"CL-{t.number}") for t in detectors(CHLORINE)]
    tags = [*detectors(), *second, *wind()]
    plans = list(KIND.plan(tags, Params()))
    assert [(p.tags[0].name, len(p.tags)) for p in plans] == [("GD-1", 11), ("CL-1", 11)]


def test_a_detector_that_dies_in_the_cloud_still_counts() -> None:
    told = story(detectors())
    blow(told, 0, 3.0, 270.0)
    told.read(1, 500.0)
    told.read(2, None, quality=Quality.SENSOR_FAILURE)
    for second in range(3, 40):
        told.read(second, 0.0, tag=2)
        blow(told, second, 3.0, 270.0)
    said = last(told)
    assert said.level == 1 and said.value == pytest.approx(500.0 / ppm(slow(3.0, 3, 20.0, 0.0, 0.0, 0.0, 1.0)))


def test_degrees_and_metres_and_units_give_the_same_answer() -> None:
    def outcome(tags: list[Tag], scale: float) -> ConditionChange:
        told = story(tags)
        blow(told, 0, 3.0, 270.0)
        see(told, 0, {n: v * scale for n, v in release((-60.0, 0.0), 30.0).items()})
        blow(told, 11, 3.0, 270.0)
        return restated(told, 12)

    mg = 34.076 / 24.055
    flat = outcome(detectors(), 1.0)
    in_mg = outcome(detectors(unit="mg/m3", limits=Limits(high=7.0 * mg, high_high=14.0 * mg), deadband=mg), mg)
    round_ = [
        msgspec.structs.replace(
            t, x_m=None, y_m=None, longitude=120.0 + e / (111_320.0 * math.cos(math.radians(31.0))),
            latitude=31.0 + n / 111_320.0,
        )
        for t, (e, n) in zip(detectors(), FIELD, strict=True)
    ]  # fmt: skip
    for other in (in_mg, outcome(round_, 1.0)):
        assert other.value == pytest.approx(flat.value, rel=0.02)
        for name, value in flat.figures.items():
            assert other.figures[name] == pytest.approx(value, rel=0.02, abs=1.0)


# What is refused


def wrong(tags: Sequence[Tag], **params: object) -> str:
    of: Revision = under("dispersion", list(tags), params)
    return "\n".join(map(str, check_rules(of)))


def test_what_cannot_be_screened_is_refused_with_a_cure() -> None:
    assert not wrong([*detectors(), *wind()])
    assert "no wind_speed and no wind_direction; name the wind too" in wrong(detectors())
    assert "no wind_direction;" in wrong([*detectors(), wind()[0]])
    assert "lack coordinates of one kind" in wrong([*detectors(), gas_tag(15, cas=H2S), *wind()])
    assert "is not in the table of gases" in wrong([*detectors("7440-59-7"), *wind()])
    assert "has no limit at which" in wrong([*detectors(limits=Limits()), *wind()])
    assert "has 33 detectors of one gas" in wrong(
        [*detectors(field=[(float(n), 0.0) for n in range(20)]), *wind()]
        + [msgspec.structs.replace(detectors()[0], number=30 + n, name=f"X-{n}") for n in range(13)]
    )
    assert "params.every_s: 0 is out of bounds; 1 to 600" in wrong([*detectors(), *wind()], every_s=0.0)
    assert "Invalid enum value 'G'" in wrong([*detectors(), *wind()], stability="G")


def test_a_gas_that_burns_and_has_no_aegl_has_zones_of_its_explosive_limit() -> None:
    acetic_acid = detectors("64-19-7")
    assert not wrong([*acetic_acid, *wind()])
    told = story(acetic_acid)
    blow(told, 0, 3.0, 270.0)
    told.read(1, 500.0)
    assert {"zone_1_m", "zone_2_m", "zone_3_m"} <= set(last(told).figures) and "AEGL" not in last(told).text.en


def test_oxygen_and_cells_without_gas_are_passed_over() -> None:
    oxygen = gas_tag(1, cas="7782-44-7", unit="%VOL", limits=Limits(low=19.5, high=23.5), range_high=30.0)
    assert not wrong([oxygen]) and not list(KIND.plan([oxygen, *wind()], Params()))
