"""PostgreSQL stands still, on both stacks: alarms come, people acknowledge, and afterwards the history is complete."""

from __future__ import annotations

import time

import psycopg
import pytest

from historian.verify import Ledger, ledger, log_ledger
from schemas.alarms import Change, State
from tests.journeys.system import System
from tests.parts.net import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

COMPLETE_S = 120.0


async def history_is_the_log(system: System) -> Ledger:
    """Wait until PostgreSQL holds the log's distinct (sensor, time, value, quality), by count and hash."""

    async def equal() -> Ledger:
        async with system.log() as log:
            expected = await log_ledger(log)
        async with await psycopg.AsyncConnection.connect(system.database, connect_timeout=10) as connection:
            found = await ledger(connection)
        assert found == expected, f"PostgreSQL has {found}, the log {expected}"
        return found

    return await eventually(
        equal, "the history is complete", within_s=COMPLETE_S, retry=(AssertionError, psycopg.Error)
    )


async def test_postgresql_stands_still(system: System) -> None:
    """With every process of PostgreSQL stopped an alarm arrives, can be acknowledged, and people can log in."""
    name = "metal.CO-DATABASE"
    await system.reading(name, 3.0)
    stopped = system.stop_database()
    try:
        assert len(stopped) > 1
        started = time.monotonic()
        await system.reading(name, 40.0)
        (delivery,) = await system.delivered(name, Change.RAISE)
        print(f"{system}: {delivery.received.arrived_s - started:.3f} s to the webhook with PostgreSQL stopped")
        alarm = await system.listed(name, state=State.UNACKNOWLEDGED)
        person = await system.person()
        assert (await person.acknowledge(alarm))[0] == 200
        await system.listed(name, state=State.ACKNOWLEDGED)
        status, journal = await person.get(f"/api/journal?alarm={alarm.id}")
        assert (status, journal["source"]) == (200, "memory")
        assert {t["change"] for t in journal["transitions"]} == {"raise", "acknowledge"}
        await system.reading(name, 3.0)
        await system.unlisted(name)
    finally:
        system.continue_database()
    started = time.monotonic()
    total = await history_is_the_log(system)
    print(f"{system}: history complete {time.monotonic() - started:.1f} s later, {total}")
    query = "SELECT array_agg(change ORDER BY revision) FROM alarm_transitions WHERE episode = %s HAVING count(*) = 3"
    assert await system.row(query, alarm.episode) == (["raise", "acknowledge", "return"],)
    assert await system.row("SELECT state FROM alarms WHERE episode = %s", alarm.episode) == ("normal",)
