"""kill -9 at every named fail point: people are told what they would have been told, and see each alarm once.

The undisturbed run comes first and is what every other is compared with: the distinct notices by (rule, subject, side,
level, onset, channel, recipient). One reading comes after another, each when the notice of the one before has arrived,
so that a kill catches one notice on its way at most and may double no more than that one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from playwright.async_api import expect

from hazwatch.failpoints import NAMES
from schemas import records
from schemas.alarms import Alarm, Receipt, ReceiptKind, State
from schemas.records import Kind
from schemas.time import MS
from tests.console.screen import Screen, open_screen
from tests.journeys.system import READY_S, Delivery, System
from tests.parts.chromium import chromium
from tests.parts.net import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

GAS, PRESSURE = "metal.CO-FAILPOINT", "lpg.PT-FAILPOINT"
NORMAL = ((GAS, 3.0), (PRESSURE, 1.0))
SCRIPT = ((GAS, 20.0), (PRESSURE, 1.75), (GAS, 40.0), (PRESSURE, 1.0))
"""Raised and risen in one cell, raised and returned in another: a notice each."""

ROLE_AT: Mapping[str, str] = {
    "after-append": "ingest",
    "after-mqtt-ack": "ingest",
    "mid-fold": "evaluate",
    "after-events": "evaluate",
    "after-alarms": "alarm",
    "before-send": "alarm",
    "after-send": "alarm",
}
"""Fail point -> who passes it."""

ON_FULL = ("after-append", "after-events", "after-alarms", "after-send")
"""One per hop on the full stack; the embedded default has them all."""

Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of the script came to. Onsets are the positions of the readings that began them."""

    notices: frozenset[Key]
    deliveries: int
    distinct: int
    alarms: tuple[Alarm, ...]


async def run(system: System, failpoint: str = "") -> Run:
    """Publish the script, die at a fail point on the way, and wait for all that must come of it."""
    before = len(system.deliveries())
    for name, value in NORMAL:
        await system.reading(name, value)
    pid = system.pid(ROLE_AT[failpoint]) if failpoint else 0
    if failpoint:
        system.arm(failpoint)
    times: dict[tuple[str, int], int] = {}
    deliveries: list[Delivery] = []
    for position, (name, value) in enumerate(SCRIPT):
        times[name, await system.reading(name, value) * MS] = position
        deliveries = await told(system, before, position + 1)
    if failpoint:
        assert system.fired(failpoint), f"nobody died {failpoint}"
        await system.back(ROLE_AT[failpoint], pid)
    await receipted(system, {d.notice for d in deliveries})
    deliveries = await told(system, before, len(SCRIPT))
    gas = await system.listed(GAS, level_name="high_high", state=State.UNACKNOWLEDGED)
    pressure = await system.listed(PRESSURE, state=State.RETURNED_UNACKNOWLEDGED)
    keys = frozenset((*d.key[:4], times[d.alarm.subject, d.alarm.onset_ns], *d.key[5:]) for d in deliveries)
    return Run(keys, len(deliveries), len({d.notice for d in deliveries}), (gas, pressure))


async def told(system: System, before: int, count: int) -> list[Delivery]:
    """What arrived after the first `before` deliveries, once it is `count` distinct notices."""

    def enough() -> list[Delivery]:
        found = [d for d in system.deliveries()[before:] if d.alarm.subject in (GAS, PRESSURE)]
        assert len({d.notice for d in found}) >= count, [d.key for d in found]
        return found

    return await eventually(enough, f"{count} notices arrived", within_s=READY_S)


async def receipted(system: System, notices: set[str]) -> None:
    """Wait until the log says that all are accepted: nothing of them is sent after that."""
    left = set(notices)
    async with asyncio.timeout(READY_S), system.log() as log:
        at = (await log.bounds("events", 0)).start
        while left:
            for record in await log.read("events", 0, at, wait_s=1.0):
                at = record.offset + 1
                receipt = records.decode(record.kind, record.value) if record.kind == Kind.RECEIPT else None
                if isinstance(receipt, Receipt) and receipt.kind is ReceiptKind.ACCEPTED:
                    left.discard(receipt.notice)


async def settle(system: System, alarms: tuple[Alarm, ...]) -> None:
    """Make both tags normal again, with nothing open."""
    await system.reading(GAS, 3.0)
    await system.listed(GAS, state=State.RETURNED_UNACKNOWLEDGED)
    for alarm in alarms:
        (open_one,) = await system.alarms(alarm.subject)
        assert (await system.acknowledge(open_one))[0] == 200
        await system.unlisted(alarm.subject)


async def once_in_postgresql(system: System, alarms: tuple[Alarm, ...]) -> None:
    """Each alarm is one row, with the transitions that the log has."""
    for alarm in alarms:
        query = "SELECT count(*), max(alarm_id) FROM alarms WHERE episode = %s HAVING count(*) > 0"
        assert await system.row(query, alarm.episode) == (1, alarm.id)
        query = "SELECT count(*) FROM alarm_transitions WHERE episode = %s HAVING count(*) >= %s"
        assert await system.row(query, alarm.episode, alarm.revision) == (alarm.revision,)
        began = "SELECT count(*) FROM alarms WHERE alarm_id = %s AND raised_at >= to_timestamp(%s)"
        assert await system.row(began, alarm.id, alarm.raised_ns / 1e9 - 0.001) == (1,)


@pytest.mark.timeout(600)
@pytest.mark.part("chromium")
@pytest.mark.usefixtures("pages")
async def test_killed_at_every_fail_point(system: System) -> None:
    points = NAMES if system.name == "embedded" else ON_FULL
    async with chromium() as browser, open_screen(browser, system.base, "admin", system.first_password) as screen:
        await screen.page.fill("#alarm-filter", "FAILPOINT")
        undisturbed = await run(system)
        assert undisturbed.deliveries == undisturbed.distinct == len(SCRIPT)
        await once_everywhere(system, screen, undisturbed.alarms)
        await settle(system, undisturbed.alarms)
        for failpoint in points:
            killed = await run(system, failpoint)
            assert killed.notices == undisturbed.notices, failpoint
            assert killed.distinct == undisturbed.distinct, failpoint
            copies = killed.deliveries - killed.distinct
            print(f"{system}: killed {failpoint}: {killed.distinct} notices, {copies} copies")
            assert copies <= 1, failpoint
            await once_everywhere(system, screen, killed.alarms)
            await settle(system, killed.alarms)


async def once_everywhere(system: System, screen: Screen, alarms: tuple[Alarm, ...]) -> None:
    """The API, the page and PostgreSQL show each alarm, and each once."""
    assert sorted(a.subject for a in await system.alarms() if a.subject in (GAS, PRESSURE)) == [PRESSURE, GAS]
    await expect(screen.rows).to_have_count(len(alarms))
    assert sorted(await screen.order()) == sorted(alarm.id for alarm in alarms)
    await once_in_postgresql(system, alarms)
