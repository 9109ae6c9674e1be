"""The life of an alarm, on both stacks: raised, risen, fallen, acknowledged, returned."""

from __future__ import annotations

import pytest

from schemas.alarms import Change, State
from schemas.time import MS
from tests.journeys.park import HIGH_HIGH
from tests.journeys.system import System

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
