"""Killed, stopped and started again, on both stacks: nothing is lost, nothing is said twice, nothing is left behind."""

from __future__ import annotations

import asyncio
import os

import pytest

from hazwatch import runfiles
from schemas.alarms import Change
from schemas.time import MS, SECOND
from tests.journeys.processes import living
from tests.journeys.system import System, now_ms
from tests.parts.net import listening_inodes

pytestmark = pytest.mark.asyncio(loop_scope="session")

STOP_S = 10.0
OUTAGE_S = 11.0
"""More than the step of append times that is one in any case, an outage or a wrong clock."""

KILLED = {role: f"metal.CO-KILL-{role.upper()}" for role in ("ingest", "evaluate", "alarm", "historian", "console")}
"""Role -> the tag that speaks while it is away."""


async def test_restart_after_kills(system: System) -> None:
    """What stood still stands, what came meanwhile is found afterwards, each once; whoever was logged in still is."""
    name = "metal.CO-KILL"
    await system.reading(name, 40.0)
    standing = await system.listed(name, level_name="high_high")
    await system.delivered(name, Change.RAISE)
    for role in {system.process_of(role): role for role in reversed(KILLED)}.values():
        await speaks_while_away(system, role)
        assert await system.listed(name) == standing
    assert len({d.notice for d in system.deliveries(name)}) == 1


async def speaks_while_away(system: System, role: str) -> None:
    """Kill a role; a reading that comes while it is away raises an alarm, once."""
    name = KILLED[role]
    pid = system.kill(role)
    at_ms = await system.reading(name, 20.0)
    await system.back(role, pid)
    alarm = await system.listed(name, level_name="high")
    assert alarm.onset_ns == at_ms * MS
    copies = await system.delivered(name, Change.RAISE)
    assert len(copies) <= 2 and len({d.notice for d in copies}) == 1
    query = "SELECT count(*), max(alarm_id) FROM alarms WHERE subject = %s HAVING count(*) > 0"
    assert await system.row(query, name) == (1, alarm.id)


async def test_kill_in_an_on_delay(system: System) -> None:
    """A kill 5 s into an on-delay of 10 s: raised at 10 s, with the onset that it had."""
    name = "metal.CO-DELAY"
    await system.reading(name, 3.0)
    at_ms = await system.reading(name, 20.0)
    await asyncio.sleep(max(0.0, 5.0 - (now_ms() - at_ms) / 1000))
    pid = system.kill("evaluate")
    await system.back("evaluate", pid)
    away_s = (now_ms() - at_ms) / 1000
    alarm = await system.listed(name, level_name="high")
    assert alarm.onset_ns == at_ms * MS
    took_s = (alarm.raised_ns - alarm.onset_ns) / SECOND
    print(f"{system}: killed at 5 s of a 10 s on-delay, back within {away_s:.1f} s, raised at {took_s:.2f} s")
    assert 10.0 <= took_s < max(10.0, away_s) + 5.0
    (delivery,) = await system.delivered(name, Change.RAISE)
    assert delivery.alarm == alarm


async def test_clean_stop_and_second_run(system: System) -> None:
    """Stopped within 10 s, nothing of it is left; started again after an outage, all is as it was and goes on."""
    name = "metal.CO-STOP"
    await system.reading(name, 40.0)
    alarm = await system.listed(name, level_name="high_high")
    await system.row("SELECT episode FROM alarms WHERE episode = %s", alarm.episode)
    before = {one.id: one for one in await system.alarms()}
    pids = system.everything()
    assert len(pids) >= 3
    took_s = await system.stop()
    print(f"{system}: stopped in {took_s:.1f} s")
    assert took_s < STOP_S
    assert living(pids) == []
    assert [port for port in system.ports if listening_inodes(port)] == []
    assert [p for p in system.processes if runfiles.find(system.data.root, p)] == []
    os.close(system.data.lock())

    await asyncio.sleep(OUTAGE_S)
    await system.start()
    after = {one.id: one for one in await system.alarms()}
    assert {id: after[id] for id in before} == before
    assert "clock" not in {one.rule for one in after.values()}, "the outage is no step of a clock"
    assert await system.row("SELECT state FROM alarms WHERE episode = %s", alarm.episode) == ("unacknowledged",)
    assert (await system.acknowledge(alarm))[0] == 200
    await system.reading(name, 3.0)
    await system.unlisted(name)
    assert await system.changes_of(name) == [Change.RAISE, Change.ACKNOWLEDGE, Change.RETURN]
    assert len({d.notice for d in system.deliveries(name) if d.reason is Change.RAISE}) == 1
