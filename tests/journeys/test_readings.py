"""What readings may be like, on both stacks: late, missing, bad, history, in other units, and unreadable."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ingest import deadletters
from ingest.deadletters import Kept
from schemas.alarms import Change, State
from schemas.quality import Quality
from schemas.records import DeadLetter
from schemas.time import HOUR, MS
from tests.journeys.park import QUIET_S, Point
from tests.journeys.system import SOON_S, System, now_ms
from tests.parts.net import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

READINGS = """
    SELECT r.value, r.quality, (extract(epoch FROM r.ts) * 1000)::int8 FROM readings r
    JOIN tags t ON t.number = r.sensor_id WHERE t.name = %s ORDER BY r.ts
"""


async def stored(system: System, name: str, count: int) -> list[tuple[float, int, int]]:
    """(value, quality, ms) of the readings of a tag in PostgreSQL, once there are so many."""

    async def enough() -> list[tuple[Any, ...]]:
        found = await system.rows(READINGS, name)
        assert len(found) >= count, found
        return found

    return [(v, q, ms) for v, q, ms in await eventually(enough, f"{count} readings of {name}", within_s=SOON_S)]


async def test_no_data(system: System) -> None:
    """A tag that falls silent raises a fault of its own and no process alarm; its next reading ends it."""
    name = "metal.CO-SILENT"
    await system.reading(name, 3.0)
    fault = await system.listed(name, "stale", state=State.UNACKNOWLEDGED)
    assert fault.alarm_class == "instrument"
    assert not await system.alarms(name)
    await system.delivered(name, Change.RAISE, rule="stale")
    await system.reading(name, 3.0)
    returned = await system.listed(name, "stale", state=State.RETURNED_UNACKNOWLEDGED)
    assert (await system.acknowledge(returned))[0] == 200
    await system.unlisted(name, "stale")
    await system.apply(system.park.with_point(replace(system.park.point(name), stale_s=QUIET_S)))


async def test_bad_data(system: System) -> None:
    """Bad data is stored as bad, ends no alarm, raises none of the process, and is a fault of its own."""
    name = "metal.CO-BAD"
    await system.reading(name, 40.0)
    raised = await system.listed(name, level_name="high_high")
    started_ms = await system.reading(name, None)
    fault = await system.listed(name, "quality", state=State.UNACKNOWLEDGED)
    assert fault.onset_ns == started_ms * MS
    assert await system.listed(name) == raised
    assert await system.changes_of(name) == [Change.RAISE]
    (first, second) = await stored(system, name, 2)
    assert first[:2] == (40.0, Quality.GOOD)
    assert second[0] != second[0] and second[1] == Quality.NO_VALUE
    await system.reading(name, 3.0)
    await system.listed(name, state=State.RETURNED_UNACKNOWLEDGED)
    await system.listed(name, "quality", state=State.UNACKNOWLEDGED)


async def test_null_alone(system: System) -> None:
    """A tag that never had a value and says null has no process alarm and is not normal either."""
    name = "metal.CO-NULL"
    await system.publish("park/metal/flat/up", json.dumps({"CO-NULL": None}))
    ((value, quality, _),) = await stored(system, name, 1)
    assert value != value and quality == Quality.NO_VALUE
    await system.listed(name, "quality")
    assert not await system.alarms(name)
    assert await system.changes_of(name) == []


async def test_backfill(system: System) -> None:
    """What a gateway kept, and what comes too late, is in the history and pages nobody; the present still does."""
    name = "metal.CO-HISTORY"
    hours_ago = now_ms() - 2 * HOUR // MS
    await system.reading(name, 3.0)
    kept = [(hours_ago + 1000 * i, 90.0 + i) for i in range(5)]
    for at_ms, value in kept:
        await system.reading(name, value, at_ms=at_ms, kept=True)
    await system.reading(name, 99.0, at_ms=hours_ago + 60_000)
    found = await stored(system, name, 7)
    assert [(ms, value) for value, _, ms in found[:6]] == [*kept, (hours_ago + 60_000, 99.0)]
    await system.reading(name, 20.0)
    alarm = await system.listed(name, level_name="high")
    assert (alarm.value, alarm.peak_value) == (20.0, 20.0)
    await system.delivered(name, Change.RAISE)
    assert [d.alarm.value for d in system.deliveries(name)] == [20.0]
    assert await system.changes_of(name) == [Change.RAISE]


async def test_times(system: System) -> None:
    """A late normal value ends no alarm, a copy says nothing new, a clock that runs ahead is doubted and believed."""
    name = "metal.CO-TIME"
    at_ms = await system.reading(name, 40.0)
    raised = await system.listed(name, level_name="high_high", doubtful=False)
    await system.reading(name, 3.0, at_ms=at_ms - 2000)
    await system.reading(name, 40.0, at_ms=at_ms)
    await stored(system, name, 2)
    assert await system.listed(name) == raised
    await system.reading(name, 3.0, at_ms=at_ms + 3_600_000)
    await system.listed(name, state=State.RETURNED_UNACKNOWLEDGED)
    assert await system.changes_of(name) == [Change.RAISE, Change.RETURN]
    ((early, _, _), (raising, _, _), (ahead, _, stored_ms)) = await stored(system, name, 3)
    assert (early, raising, ahead) == (3.0, 40.0, 3.0)
    assert stored_ms < at_ms + 3_000_000, "the time of a clock that runs ahead is replaced by that of arrival"


async def test_units(system: System) -> None:
    """ppm for a tag in mg/m3 is converted by the gas's molar mass, a pressure for it is refused."""
    name = "metal.CO-MG"
    await system.reading(name, 10.0, unit="ppm")
    await system.reading(name, 25.0, unit="ppm")
    alarm = await system.listed(name, level_name="high", unit="mg/m3")
    assert alarm.value is not None
    assert 28.6 < alarm.value < 29.3, "25 ppm of carbon monoxide is 28.6 mg/m3 at 25 degrees, 29.1 at 20"
    await system.reading(name, 1.0, unit="MPa")
    assert "MPa" in (await dead_letter(system, "wrong_unit", name)).letter.detail
    assert [d.alarm.value for d in system.deliveries(name)] == [alarm.value]


LARGE = json.dumps({"v": 1, "tags": ["CO-INPUT"], "values": [90.0], "more": "x" * 66_000})
BAD_INPUT = {
    "cut off": ("park/metal/gateway/up", '{"v":1,"tags":["CO-INPUT"],"val', "malformed"),
    "no JSON": ("park/metal/flat/up", "hello", "malformed"),
    "NaN in JSON": ("park/metal/flat/up", '{"CO-INPUT": NaN}', "malformed"),
    "infinite": ("park/metal/flat/up", '{"CO-INPUT": 1e400}', "malformed"),
    "a boolean": ("park/metal/vtq/CO-INPUT", '{"value": true}', "malformed"),
    "no number": ("park/metal/number/CO-INPUT", "NaN", "malformed"),
    "deep": ("park/metal/flat/up", "[" * 20_000, "malformed"),
    "more than 64 KiB": ("park/metal/gateway/up", LARGE, "too_large"),
    "a key twice": ("park/metal/flat/up", '{"CO-INPUT": 1, "CO-INPUT": 90}', "duplicate_key"),
    "an unknown name": ("park/metal/number/CO-NOBODY", "90", "unknown_name"),
    "of another enterprise": ("park/lpg/gateway/up", '{"v":1,"tags":["CO-INPUT"],"values":[90]}', "unknown_name"),
    "a unit that does not fit": (
        "park/metal/gateway/up",
        '{"v":1,"tags":["CO-INPUT"],"values":[90],"units":["degC"]}',
        "wrong_unit",
    ),
}
"""What is wrong with it -> topic, payload, reason."""


async def letters(system: System, reason: str = "") -> list[Kept]:
    async with system.log() as log:
        return await deadletters.kept(log, reason=reason, newest=1000)


async def dead_letter(system: System, reason: str, name: str) -> Kept:
    """The dead letter in which a name was refused for a reason."""

    async def there() -> Kept:
        (found,) = [one for one in await letters(system, reason) if one.letter.names == (name,)]
        return found

    return await eventually(there, f"a letter of {name} for {reason}", within_s=SOON_S, retry=(ValueError,))


async def test_bad_input(system: System) -> None:
    """What cannot be read is kept with its reason and raises nothing; what follows it is read as ever."""
    name = "metal.CO-INPUT"
    before = len(await letters(system))
    for topic, payload, _ in BAD_INPUT.values():
        await system.publish(topic, payload)
    await system.reading(name, 20.0)
    alarm = await system.listed(name, level_name="high")
    assert (alarm.value, await system.changes_of(name)) == (20.0, [Change.RAISE])

    async def all_kept() -> list[DeadLetter]:
        found = (await letters(system))[before:]
        assert len(found) >= len(BAD_INPUT), [(one.letter.reason, one.letter.detail) for one in found]
        return [one.letter for one in found]

    kept = await eventually(all_kept, "every bad message is a dead letter", within_s=SOON_S)
    told = {what: (one.topic, one.reason) for what, one in zip(BAD_INPUT, kept, strict=True)}
    assert told == {what: (topic, reason) for what, (topic, _, reason) in BAD_INPUT.items()}
    assert all(one.detail for one in kept)
    assert kept[list(BAD_INPUT).index("more than 64 KiB")].payload_bytes == len(LARGE)

    async def counted() -> bool:
        try:
            return await system.metric("ingest", "hazwatch_rejected_total") >= len(BAD_INPUT)
        except LookupError:  # ingest tells its counts every few seconds; before the first time there is no such series
            return False

    await eventually(counted, "every bad message is counted", within_s=SOON_S)


async def test_dead_letters_are_driven_again(system: System) -> None:
    """A letter for an unknown name is history once the tag is registered: stored, never paged, and only once."""
    name = "metal.CO-LATER"
    await system.publish("park/metal/number/CO-LATER", "91.5")
    kept = await dead_letter(system, "unknown_name", name)
    offset = str(kept.offset)
    listed = await system.command("deadletters", "list", "--json", "--reason", "unknown_name")
    assert json.loads(listed.output)[-1]["names"] == [name]
    shown = await system.command("deadletters", "show", offset)
    assert shown.code == 0 and "91.5" in shown.output
    vain = await system.command("deadletters", "redrive", offset)
    assert vain.code == 1 and "no tag has this name" in vain.output
    await system.apply(system.park.with_point(Point(name)))
    again = await system.command("deadletters", "redrive", "--json", offset)
    assert (again.code, json.loads(again.output)[0]["readings"]) == (0, 1)
    ((value, quality, _),) = await stored(system, name, 1)
    assert (value, quality) == (91.5, Quality.GOOD)
    twice = await system.command("deadletters", "redrive", "--json", offset)
    assert (twice.code, json.loads(twice.output)[0]["readings"]) == (1, 0)
    assert not await system.alarms(name) and not system.deliveries(name)
    await system.reading(name, 20.0)
    await system.listed(name, level_name="high")
