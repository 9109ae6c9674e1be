"""The life of an alarm, on both stacks: raised, risen, fallen, acknowledged, returned."""

from __future__ import annotations

import pytest

from schemas.alarms import Change, State
from schemas.changes import Side
from schemas.time import MS
from tests.journeys.park import HIGH, HIGH_HIGH
from tests.journeys.system import System, new_command

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_raise(system: System) -> None:
    """A dangerous reading is on the list, at the webhook, in PostgreSQL and in the log: once each."""
    name = "metal.CO-RAISE"
    await system.reading(name, 3.0)
    at_ms = await system.reading(name, 40.0)
    alarm = await system.listed(name, state=State.UNACKNOWLEDGED, level_name="high_high")
    assert (alarm.value, alarm.limit, alarm.unit) == (40.0, HIGH_HIGH, "ppm")
    assert alarm.onset_ns == at_ms * MS
    assert alarm.text.zh and alarm.text.en
    (delivery,) = await system.delivered(name, Change.RAISE)
    assert delivery.alarm == alarm
    row = await system.row("SELECT alarm_id, state, tier, value FROM alarms WHERE episode = %s", alarm.episode)
    assert row == (alarm.id, "unacknowledged", alarm.tier, 40.0)
    assert await system.changes_of(name) == [Change.RAISE]


async def test_rise(system: System) -> None:
    """A rise makes an acknowledged alarm unacknowledged and pages again."""
    name = "lpg.PT-RISE"
    await system.reading(name, 1.0)
    await system.reading(name, 1.55)
    high = await system.listed(name, level_name="high")
    assert (await system.acknowledge(high))[0] == 200
    await system.reading(name, 1.75)
    risen = await system.listed(name, level_name="high_high", state=State.UNACKNOWLEDGED)
    assert risen.episode == high.episode
    assert risen.tier < high.tier
    assert risen.acknowledged_by == ""
    (delivery,) = await system.delivered(name, Change.RISE)
    assert delivery.alarm == risen


async def test_fall(system: System) -> None:
    """An alarm falls level by level, each only beyond the deadband, pages nobody by it, and returns."""
    name = "lpg.PT-FALL"
    await system.reading(name, 1.75)
    raised = await system.listed(name, level_name="high_high")
    await system.reading(name, 1.66)
    await system.reading(name, 1.64)
    fallen = await system.listed(name, level_name="high", state=State.UNACKNOWLEDGED)
    assert (fallen.value, fallen.peak_level_name, fallen.episode) == (1.64, "high_high", raised.episode)
    await system.reading(name, 1.46)
    await system.reading(name, 1.44)
    returned = await system.listed(name, state=State.RETURNED_UNACKNOWLEDGED)
    assert (returned.value, returned.level) == (1.44, 0)
    await system.delivered(name, Change.RETURN)
    assert [d.reason for d in system.deliveries(name)] == [Change.RAISE, Change.RETURN]
    assert (await system.acknowledge(returned))[0] == 200
    await system.unlisted(name)
    assert await system.changes_of(name) == [Change.RAISE, Change.FALL, Change.RETURN, Change.ACKNOWLEDGE]


async def test_low_side(system: System) -> None:
    """Low and low-low mirror the high side."""
    name = "lpg.PT-LOW"
    await system.reading(name, 1.0)
    await system.reading(name, 0.3)
    low = await system.listed(name, level_name="low", side=Side.LOW)
    await system.reading(name, 0.1)
    lowest = await system.listed(name, level_name="low_low")
    assert (lowest.id, lowest.limit) == (low.id, 0.2)
    await system.reading(name, 1.0)
    await system.listed(name, state=State.RETURNED_UNACKNOWLEDGED)
    assert await system.changes_of(name) == [Change.RAISE, Change.RISE, Change.RETURN]


async def test_acknowledge(system: System) -> None:
    """Who acknowledged, when and why shows at the API and in PostgreSQL; the alarm goes when its reading is normal."""
    name = "metal.CO-ACK"
    await system.reading(name, 20.0)
    alarm = await system.listed(name, level_name="high", limit=HIGH)
    command = new_command()
    person = await system.operator()
    status, answer = await person.acknowledge(alarm, command, "on my way")
    assert (status, answer["outcome"]) == (200, "applied")
    assert await person.acknowledge(alarm, command, "once more") == (200, answer)
    acknowledged = await system.listed(name, state=State.ACKNOWLEDGED, acknowledged_by="admin")
    assert acknowledged.comment == "on my way"
    assert acknowledged.acknowledged_ns > acknowledged.raised_ns
    query = "SELECT acknowledged_by, comment FROM alarms WHERE episode = %s AND state = 'acknowledged'"
    assert await system.row(query, alarm.episode) == ("admin", "on my way")
    await system.reading(name, 2.0)
    await system.unlisted(name)
    assert await system.row("SELECT state FROM alarms WHERE episode = %s AND state = 'normal'", alarm.episode)
    assert await system.changes_of(name) == [Change.RAISE, Change.ACKNOWLEDGE, Change.RETURN]


async def test_stale_acknowledgement(system: System) -> None:
    """What has risen since it was seen is not acknowledged: 409, and it stays open."""
    name = "metal.CO-STALE-ACK"
    await system.reading(name, 20.0)
    seen = await system.listed(name, level_name="high")
    await system.reading(name, 40.0)
    risen = await system.listed(name, level_name="high_high")
    status, answer = await system.acknowledge(seen)
    assert (status, answer["outcome"]) == (409, "stale")
    assert answer["zh"] and answer["en"]
    assert (await system.listed(name)).state is State.UNACKNOWLEDGED
    await system.reading(name, 2.0)
    returned = await system.listed(name, state=State.RETURNED_UNACKNOWLEDGED)
    await system.reading(name, 41.0)
    again = await system.listed(name, state=State.UNACKNOWLEDGED, level_name="high_high")
    assert again.episode == risen.episode
    assert (await system.acknowledge(returned))[0] == 409
    assert (await system.acknowledge(again))[0] == 200
    await system.delivered(name, Change.RERAISE)


async def test_strangers_see_nothing(system: System) -> None:
    """Without a log-in the API says nothing and does nothing."""
    async with system.stranger() as nobody:
        assert (await nobody.get("/api/alarms"))[0] == 401
        assert (await nobody.send("POST", "/api/alarms/a-0/acknowledge", {}))[0] == 401
