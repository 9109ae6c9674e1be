"""What a plume screening tells: the zones of a gas, and the words for them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from rules.kinds import Said
from rules.plume import CLASSES, FARTHEST_M
from rules.words import name
from schemas.gases import Gas, gas
from schemas.text import Text
from schemas.tiers import GasClass

HEAVY = 1.2
"""Density of a gas, air being 1, from which a passive plume is doubtful."""
PEAK = 2.0
"""A peak over the mean that the formula gives, for what may burn."""


def zones_of(facts: Gas) -> tuple[tuple[str, float | None], ...]:
    """The zones 1 to 3 of a gas, each with its name and its concentration in ppm; None where it is not shown."""
    aegl = (facts.aegl1_60min_ppm, facts.aegl2_60min_ppm, facts.aegl3_60min_ppm)
    burns = facts.gas_class is GasClass.FLAMMABLE or aegl == (None, None, None)
    if burns and facts.lel_vol_pct is not None:
        lel_ppm = facts.lel_vol_pct * 10_000
        return tuple((f"{share:.0%} LEL".replace("%", " %"), share * lel_ppm / PEAK) for share in (0.10, 0.25, 0.50))
    return tuple((f"AEGL-{number}", ppm) for number, ppm in enumerate(aegl, 1))


_COMPASS = (
    Text("北", "N"), Text("东北", "NE"), Text("东", "E"), Text("东南", "SE"), Text("南", "S"), Text("西南", "SW"),
    Text("西", "W"), Text("西北", "NW"),
)  # fmt: skip


def say(said: Said) -> Text:
    """Such as "扩散筛查：氯 向东北扩散（F 类），AEGL-2 区约 350 m；可能源点在 CL2-1 以东 12 m、以北 5 m 附近"."""
    tag, figures = said.tag, said.figures
    facts = gas(tag.cas)
    what = name(tag) if facts is None else facts.name
    if said.level is None or facts is None:
        return Text(zh=f"扩散筛查：{what.zh} 已结束", en=f"plume screening: {what.en} has ended")
    stability = figures.get("class")
    letter = "?" if stability is None else CLASSES[int(stability)]
    towards = figures.get("towards_deg")
    if towards is None:
        zh, en = (
            f"静风或无风向数据，按各方向圆形区域（{letter} 类）",
            f"calm or no wind data, all directions, class {letter}",
        )
    else:
        way = _COMPASS[round(towards / 45.0) % 8]
        zh, en = f"向{way.zh}扩散（{letter} 类）", f"downwind to the {way.en}, class {letter}"
    zones = list(_zones(facts, figures))
    far_zh = "、".join(z.zh for z in zones) or "未达到任何分区浓度"
    far_en = ", ".join(z.en for z in zones) or "no zone is reached"
    source = _source(said)
    heavy = facts.vapour_density_air is not None and facts.vapour_density_air > HEAVY
    mark_zh, mark_en = ("；重气，模型仅供参考", "; denser than air, the model is doubtful") if heavy else ("", "")
    return Text(
        zh=f"扩散筛查：{what.zh} {zh}，{far_zh}；{source.zh}{mark_zh}（仅供筛查）",
        en=f"plume screening: {what.en} {en}: {far_en}; {source.en}{mark_en} (screening only)",
    )


def _zones(facts: Gas, figures: Mapping[str, float]) -> Iterator[Text]:
    """The zones that are reached, the worst first."""
    for number, (title, _) in reversed(list(enumerate(zones_of(facts), 1))):
        metres = figures.get(f"zone_{number}_m", 0.0)
        if metres >= FARTHEST_M:
            yield Text(f"{title} 区超过 10 km", f"{title} zone beyond 10 km")
        elif metres >= 100.0:
            yield Text(f"{title} 区约 {_round(metres)} m", f"{title} zone about {_round(metres)} m")
        elif metres > 0.0:
            yield Text(f"{title} 区 100 m 以内", f"{title} zone within 100 m")


def _source(said: Said) -> Text:
    figures, tag = said.figures, said.tag
    rate = _round(said.value)
    east, north = figures.get("east_m"), figures.get("north_m")
    if east is None or north is None:
        return Text(f"源点未定位，源强估计约 {rate} g/s", f"source not located, about {rate} g/s assumed")
    e, o = f"{abs(east):.0f} m", f"{abs(north):.0f} m"
    zh = f"{tag.name} 以{'东' if east >= 0 else '西'} {e}、以{'北' if north >= 0 else '南'} {o}"
    en = f"{e} {'E' if east >= 0 else 'W'} and {o} {'N' if north >= 0 else 'S'} of {tag.name}"
    about = _round(figures.get("spread_m", 0.0))
    return Text(
        f"可能源点在 {zh} 附近（±{about} m），约 {rate} g/s",
        f"probable source near {en} (±{about} m), about {rate} g/s",
    )


def _round(value: float) -> str:
    """Two significant digits: more would be pretence."""
    if not math.isfinite(value) or value <= 0:
        return "0"
    digits = 1 - math.floor(math.log10(value))
    return f"{round(value, digits):.{max(0, digits)}f}"
