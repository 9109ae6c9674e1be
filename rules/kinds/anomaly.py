"""Anomaly: a whole unit no longer behaves as in its healthy period, though every tag may still be within its limits.

`hazwatch train` learns a model of the unit (`schemas.models`) from a recording of its healthy period; the model travels
in the revision and the rule names it. There is one condition per unit; its tags are the model's inputs.

Good readings are averaged on the model's time grid, in event time. When a step is over, or every input has been heard
in it, the unit's state is judged: the scaled inputs of this step, those of the steps before it as far as the model
looks back, and the time of day if the model knows it (`rules.stepping`). Five charts are looked at
(`rules.projection`): T2, SPE and the weighted distance D of the state itself, for what is sudden, and SPE and D of the
smoothed inputs, for what is small and stays. The value told is the greatest of them as a multiple of its limit (unit
"1"); above 1 is an alarm, below 0.85 ends it. Limits follow from the false alarms per month that were asked for when it
was trained.

The words name the inputs that have most to do with it and their direction: too high or too low for what the others say.
As figures travel their places among the rule's tags, counted from 1 and negative when too low, and their shares.

**Bad data.** An input that is bad is as old as its last good reading, and one that is older than its `hold_s` is
missing: it is set to what the model makes of the others. With more than a quarter missing nothing is judged, and what
stands stays. Values count as at most six scales outside of what was trained; how many inputs were outside is told.
Bad, uncertain and late readings neither raise nor clear.

**Wrong clocks.** A reading from ahead of its own receipt counts as of its receipt. One that is further from the unit's
newest step than the longest hold, on either side, does not move the unit while it can be judged without it: its input
is missing. When nothing could be judged for as long as that hold (of `now` or append time), the unit goes on at the
step of the next reading, also backwards. So one gateway with a wrong clock costs its own inputs, and when all are set
back the unit is unwatched for one such hold. (Design choice.)

A start-up, another grade or a repair is not in the model: it will be told as an anomaly until the model is trained
again with such times.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from rules.admission import LATE, LIVE
from rules.compiling import kernel
from rules.figures import tell
from rules.kinds import Example, Kind, Level, Planned, Said
from rules.machine import READING, step
from rules.projection import padded
from rules.stepping import SAMPLE, hear
from rules.unitcharts import FIGURES, MARGIN, MEMORY, MOST_MISSING, PARAMS, judge, turn
from rules.verdicts import BEYOND, CLEAR, HOLDS
from rules.windows import remember
from schemas.changes import AlarmClass, Side
from schemas.models import MOST_INPUTS, Model, ModelInput, faults, stamp
from schemas.problems import Problem
from schemas.quality import FIRST_UNCERTAIN
from schemas.registry import Measure, Revision, RuleCase, Struct, Tag
from schemas.text import Text
from schemas.time import seconds

LEVEL = Level("anomaly", Text(zh="装置状态异常", en="abnormal state of the unit"), early=True)


class Params(Struct, frozen=True, kw_only=True):
    """`model` is the name of a model of the configuration, or a whole model as JSON. `on_delay_s` and `off_delay_s` (s)
    delay the result; None for the latter is one step of the model."""

    model: str = ""
    on_delay_s: float = 0.0
    off_delay_s: float | None = None


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters with what the revision knows of them."""

    params: Params
    model: Model | None
    fault: str = ""
    known: tuple[str, ...] = ()
    tags: dict[str, Tag] = {}


@kernel
def rows(  # type: ignore[no-untyped-def]
    n, index, flags, at, value, quality, first, members, conditions, gates, setup, params, memory, now, append, out, due
):
    m = np.int64(0)
    basis = np.int64(READING)
    for i in range(n):
        j = index[i]
        if j < 0 or (flags[i] & LIVE) == 0 or (flags[i] & LATE) != 0:
            continue
        v = value[i]
        for k in range(first[j], first[j + 1]):
            c = members[k]
            p = params[c]
            own = memory.own[c]
            s = memory.slot[k]
            usable = quality[i] < FIRST_UNCERTAIN and v - v == 0.0
            verdict = HOLDS
            if usable:
                cell = min(at[i], append) // p["step"]
                near = turn(p, memory, c, cell, now, append)
                z = (v - p["mean"][s]) / p["scale"][s]
                z = min(max(z, p["low"][s] - MARGIN), p["high"][s] + MARGIN)
                place = memory.first[c] + s
                remember(memory, place)
                if hear(p, memory.samples[place], s, cell, z) and cell == own["clock"]:
                    own["heard"] += 1
                    if p["at_once"] != 0 and own["heard"] == p["inputs"]:
                        judge(p, memory, c, cell, now, append)
                if not near:
                    continue
                verdict = own["verdict"]
            if verdict != BEYOND and conditions[c]["quiet"] != 0:
                continue
            lowers = usable and v >= p["range_low"][s] and v <= p["range_high"][s]
            told = own["value"] if own["done"] >= 0 else np.nan
            was = m
            m = step(
                c, conditions, gates, setup, 1 if verdict == BEYOND else 0, 1 if verdict == CLEAR else 0, lowers,
                flags[i], basis, at[i], now, append, i, told, quality[i], out, due, m,
            )  # fmt: skip
            m = tell(out, was, m, own["figures"])
    return m


# Plans, checks and words


def bind(params: Params, revision: Revision) -> Bound:
    """With its model and the tags that the revision knows; a model in the parameters is read."""
    tags = {tag.name: tag for tag in revision.tags if not tag.retired}
    known = tuple(model.name for model in revision.models)
    if params.model.lstrip().startswith("{"):
        try:
            return Bound(params=params, model=msgspec.json.decode(params.model, type=Model), known=known, tags=tags)
        except msgspec.DecodeError as error:
            return Bound(params=params, model=None, fault=str(error), known=known, tags=tags)
    found = next((model for model in revision.models if model.name == params.model), None)
    return Bound(params=params, model=found, known=known, tags=tags)


def _bound(params: Params | Bound) -> Bound:
    return params if isinstance(params, Bound) else bind(params, Revision(number=0, parks=()))


def plan(tags: Sequence[Tag], params: Params | Bound) -> Iterator[Planned]:
    """One condition for the unit, where the cell has all inputs of the model."""
    bound = _bound(params)
    model, here = bound.model, {tag.name: tag for tag in tags}
    if model is None or any(True for _ in faults(model)) or any(one.tag not in here for one in model.inputs):
        return
    inputs = tuple(here[one.tag] for one in model.inputs)
    off_s = bound.params.off_delay_s
    yield Planned(
        tags=inputs,
        side=Side.HIGH,
        levels=(LEVEL,),
        on_delay_s=bound.params.on_delay_s,
        off_delay_s=model.step_s if off_s is None else off_s,
        values=_values(model, inputs),
        samples=len(inputs),
    )


def _values(model: Model, inputs: Sequence[Tag]) -> dict[str, Any]:
    def each(numbers: Iterable[float]) -> list[float]:
        found = list(numbers)
        return [*found, *[0] * (MOST_INPUTS - len(found))]

    of = model.inputs
    holds = [max(1, math.ceil(one.hold_s / model.step_s)) for one in of]
    return {
        "stamp": stamp(model),
        "step": seconds(model.step_s),
        "inputs": len(of),
        "lags": model.lags,
        "harmonics": model.harmonics,
        "columns": model.columns,
        "main": model.main,
        "kept": len(model.loadings),
        "most_missing": int(MOST_MISSING * len(of)),
        "at_once": all(tag.period_s >= 0.5 * model.step_s for tag in inputs),
        "weight": model.weight,
        "rest": model.rest,
        "ridge": model.ridge,
        "limits": list(model.limits),
        "longest": max(holds),
        "number": each(tag.number for tag in inputs),
        "hold": each(holds),
        "mean": each(one.mean for one in of),
        "scale": each(one.scale for one in of),
        "low": each((one.low - one.mean) / one.scale for one in of),
        "high": each((one.high - one.mean) / one.scale for one in of),
        "range_low": each(-math.inf if tag.range_low is None else tag.range_low for tag in inputs),
        "range_high": each(math.inf if tag.range_high is None else tag.range_high for tag in inputs),
        **padded(model),
    }


def check(tag: Tag, params: Params | Bound) -> Iterable[Problem]:
    """What is wrong with the model and the revision together; it is the same for every tag."""
    bound = _bound(params)
    for field, given in (("on_delay_s", bound.params.on_delay_s), ("off_delay_s", bound.params.off_delay_s)):
        if given is not None and not (math.isfinite(given) and given >= 0):
            yield Problem.of(f"params.{field}", f"{given:g} is no length of time", "0 or more")
    model = bound.model
    if model is None:
        yield _no_model(bound)
        return
    wrong = [Problem.of("params.model", f"model {model.name!r}: {told}", cure) for _, told, cure in faults(model)]
    if wrong:
        yield from wrong
        return
    cells: dict[str, str] = {}
    for one in model.inputs:
        found = bound.tags.get(one.tag)
        if found is None:
            message = f"model {model.name!r} needs tag {one.tag!r}, which is not in the tag list"
            yield Problem.of("params.model", message, "put it back, or train again without it")
            continue
        cells.setdefault(found.cell_key, found.name)
        if found.unit != one.unit:
            message = f"model {model.name!r} was trained with {one.tag} in {one.unit}, but the tag is in {found.unit}"
            yield Problem.of("params.model", message, "give the tag its old unit, or train again")
        if not (one.low <= one.high):
            message = f"model {model.name!r}: the validity range of {one.tag} is {one.low:g} to {one.high:g}"
            yield Problem.of("params.model", message, "train it again with `hazwatch train`")
    if len(cells) > 1:
        listed = ", ".join(f"{name} in {cell!r}" for cell, name in cells.items())
        message = f"the inputs of model {model.name!r} are in {len(cells)} cells ({listed})"
        yield Problem.of("params.model", message, "a rule sees one cell: train a model for each")


def _no_model(bound: Bound) -> Problem:
    if bound.fault:
        return Problem.of("params.model", f"this is not a model: {bound.fault}", "train it with `hazwatch train`")
    name = bound.params.model
    message = f"there is no model {name!r}" if name else "it names no model"
    listed = f"models here: {', '.join(bound.known)}" if bound.known else "train one with `hazwatch train`"
    return Problem.of("params.model", message, f"{listed}; a [[model]] names its file")


def check_cell(tags: Sequence[Tag], params: Params | Bound) -> Iterable[Problem]:
    """The rule must be asked of all inputs of its model."""
    bound = _bound(params)
    asked = {tag.name for tag in tags}
    if bound.model is None:
        return
    inputs = [one.tag for one in bound.model.inputs]
    cell = tags[0].cell_key
    left = [name for name in inputs if name in bound.tags and name not in asked]
    left = [name for name in left if bound.tags[name].cell_key == cell]
    if left and any(name in asked for name in inputs):
        more = f" and {len(left) - 5} more" if len(left) > 5 else ""
        message = f"model {bound.model.name!r} also needs {', '.join(left[:5])}{more}, which this rule is not asked of"
        yield Problem.of("tags", message, "name all inputs of the model")


def say(said: Said) -> Text:
    """Such as "1#反应器 与健康期不符（1.8 倍限值）：P-1 压力 偏高 62 %，F-1 流量 偏低 21 %"."""
    tags, figures = said.condition.tags, said.figures
    if said.level is None:
        return Text(
            zh=f"{tags[0].name} 等 {len(tags)} 点：装置状态已恢复到与健康期一致",
            en=f"{tags[0].name} and {len(tags) - 1} more: the unit agrees with its healthy period again",
        )
    zh: list[str] = []
    en: list[str] = []
    for which in ("first", "second", "third"):
        place, share = figures.get(which), figures.get(f"{which}_share", 0.0)
        if place is None or not 1 <= abs(place) <= len(tags) or (zh and share < 0.1):
            break
        tag = tags[int(abs(place)) - 1]
        title = tag.title
        zh.append(f"{title.zh or tag.name} 偏{'高' if place > 0 else '低'} {100 * share:.0f}%")
        en.append(f"{title.en or tag.name} {'high' if place > 0 else 'low'} {100 * share:.0f} %")
    times = f"{said.value:.3g}" if math.isfinite(said.value) else "?"
    more_zh, more_en = _besides(int(figures.get("missing", 0)), int(figures.get("outside", 0)), len(tags))
    return Text(
        zh=f"装置状态与健康期不符（{times} 倍限值）：{'，'.join(zh) or '原因不明'}{more_zh}",
        en=f"the unit is not as in its healthy period ({times} times the limit): "
        f"{', '.join(en) or 'no input stands out'}{more_en}",
    )


def _besides(missing: int, outside: int, inputs: int) -> tuple[str, str]:
    zh, en = "", ""
    if missing:
        zh, en = f"；{inputs} 个输入中缺 {missing} 个", f"; {missing} of {inputs} inputs are missing"
    if outside:
        zh += f"；{outside} 个输入超出训练范围"
        en += f"; {outside} outside of what was trained"
    return zh, en


def _tag(number: int, name: str, measure: Measure, unit: str, high: float) -> Tag:
    return Tag(
        number=number, name=name, enterprise="e", measure=measure, unit=unit, range_low=0.0, range_high=high,
        period_s=10.0, stale_s=60.0,
    )  # fmt: skip


_PUMP = (
    _tag(1, "FT-1", Measure.FLOW, "m3/h", 200.0),
    _tag(2, "PT-1", Measure.PRESSURE, "MPa", 2.0),
)
_HALF = math.sqrt(0.5)
_MODEL = Model(
    name="pump",
    step_s=10.0,
    weight=0.2,
    main=1,
    rest=0.0,
    ridge=0.02,
    limits=(16.0, 0.5, 12.0, 0.1, 3.0),
    alarms_per_month=1.0,
    trained_from="2026-01-01T00:00:00Z",
    trained_to="2026-01-31T00:00:00Z",
    samples=259_200,
    held_out_share=0.0,
    inputs=(
        ModelInput(tag="FT-1", unit="m3/h", mean=100.0, scale=10.0, low=70.0, high=130.0, hold_s=30.0),
        ModelInput(tag="PT-1", unit="MPa", mean=1.0, scale=0.1, low=0.7, high=1.3, hold_s=30.0),
    ),
    variances=(1.98, 0.02),
    loadings=((_HALF, _HALF), (_HALF, -_HALF)),
)
"""Flow and pressure of a pump that rise and fall together."""
_GIVEN = {"model": msgspec.json.encode(_MODEL).decode()}


def _both(*pairs: tuple[float | None, float]) -> tuple[tuple[float | str | None, ...], ...]:
    """Both readings every ten seconds; None for a flow that is bad."""
    found: list[tuple[float | str | None, ...]] = []
    for n, (flow, pressure) in enumerate(pairs):
        found.append((10.0 * n, 50.0, "BAD") if flow is None else (10.0 * n, flow))
        found.append((10.0 * n, "PT-1", pressure))
    return tuple(found)


KIND = Kind(
    name="anomaly",
    title=Text(zh="装置多变量预警", en="Anomaly of a unit"),
    alarm_class=AlarmClass.PROCESS,
    params=Params,
    levels=1,
    plan=plan,
    check=check,
    check_cell=check_cell,
    rows=rows,
    say=say,
    param_dtype=PARAMS,
    memory_dtype=MEMORY,
    window_dtype=SAMPLE,
    unit=lambda planned: "1",
    figures=FIGURES,
    bind=bind,
    source="Jackson and Mudholkar 1979; Ku, Storer and Georgakis 1995 (time-lagged inputs); MacGregor and Kourti 1995; "
    "Hawkins 1974; Alcala and Qin 2009 (contributions).",
    examples=(
        Example(
            _PUMP[0],
            RuleCase(
                name="flow down while pressure goes up: both within their ranges, but never so in the healthy period",
                tag="FT-1",
                readings=_both((100.0, 1.0), (110.0, 1.1), (120.0, 1.2), (90.0, 0.9), (85.0, 1.15),
                                *((100.0, 1.0),) * 5),
                expect=((40, "raise", "anomaly"), (70, "return", "normal")),
            ),
            _GIVEN,
            others=_PUMP[1:],
        ),
        Example(
            _PUMP[0],
            RuleCase(
                name="a small lasting loss of pressure is seen by the smoothed chart",
                tag="FT-1",
                readings=_both((100.0, 1.0), (100.0, 1.0), *((100.0, 0.93),) * 7),
                expect=((60, "raise", "anomaly"),),
            ),
            _GIVEN,
            others=_PUMP[1:],
        ),
        Example(
            _PUMP[0],
            RuleCase(
                name="with one of two inputs missing nothing is judged, and a bad reading is no flow",
                tag="FT-1",
                readings=_both((100.0, 1.0), *((None, 1.0),) * 3, *((None, 1.2),) * 6),
                expect=(),
            ),
            _GIVEN,
            others=_PUMP[1:],
        ),
    ),
)  # fmt: skip
