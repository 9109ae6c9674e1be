"""Other limits in a running system, on both stacks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.alarms import Change, State
from tests.journeys.system import System

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_reload_of_limits(system: System) -> None:
    """`hazwatch apply` puts other limits into force at once; a configuration with an error changes nothing."""
    name = "lpg.PT-RELOAD"
    point = system.park.point(name)
    await system.reading(name, 1.4)
    await system.apply(system.park.with_point(replace(point, high=1.3)))
    await system.reading(name, 1.4)
    alarm = await system.listed(name, level_name="high", limit=1.3)
    await system.delivered(name, Change.RAISE)

    wrong = system.park.with_point(replace(point, high=1.9))
    wrong.write(system.folder)
    refused = await system.command("apply")
    assert refused.code == 1
    assert name in refused.errors and "not below" in refused.errors
    system.park.write(system.folder)
    assert await system.listed(name) == alarm

    system.park.with_point(point).write(system.folder)
    unasked = await system.command("apply")
    assert unasked.code == 1
    assert f"tag {name} (Point PT-RELOAD): high limit 1.3 MPa -> 1.5 MPa" in unasked.output
    assert await system.listed(name) == alarm

    await system.apply(system.park.with_point(point))
    await system.reading(name, 1.4)
    await system.listed(name, state=State.RETURNED_UNACKNOWLEDGED)
    assert await system.changes_of(name) == [Change.RAISE, Change.RETURN]
    unchanged = await system.command("apply")
    assert (unchanged.code, "nothing has changed" in unchanged.output) == (0, True)
