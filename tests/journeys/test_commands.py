"""What an administrator asks a running system, on both stacks: doctor, metrics, check, replay."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.journeys.system import System

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROLES = ("ingest", "evaluate", "alarm", "historian", "console")
EXPECTED = {
    "ingest": ("hazwatch_messages_total", "hazwatch_readings_total", "hazwatch_ingest_in_flight"),
    "evaluate": ("hazwatch_folded_readings_total", "hazwatch_oldest_unprocessed_seconds"),
    "alarm": ("hazwatch_transitions_total", "hazwatch_notice_outcomes_total", "hazwatch_event_to_dispatch_seconds"),
    "historian": ("hazwatch_historian_rows_total", "hazwatch_historian_connected"),
    "console": ("hazwatch_console_clients",),
}
"""Role -> metrics that its process must have, whoever else lives in it."""


async def test_doctor(system: System) -> None:
    """Nothing of a running system is down, and every part is named with its version."""
    ran = await system.command("doctor", "--json")
    assert ran.code == 0, ran
    found = {one["part"]: one for one in json.loads(ran.output)}
    assert {"program", "settings", "broker", "log", "database", "page"} <= found.keys()
    assert {one["state"] for one in found.values()} <= {"ok", "degraded"}
    assert "PostgreSQL" in found["database"]["detail"]
    assert ("Kafka" if system.name == "full" else "incarnation") in found["log"]["detail"]
    shown = await system.command("doctor")
    assert shown.code == 0 and all(part in shown.output for part in found)


async def test_doctor_says_what_is_down(system: System) -> None:
    """With PostgreSQL stopped the doctor ends in time, with code 1, and says that alarms do not need it."""
    system.stop_database()
    try:
        ran = await system.command("doctor", "--json")
    finally:
        system.continue_database()
    assert ran.code == 1, ran
    (down,) = [one for one in json.loads(ran.output) if one["state"] == "down"]
    assert down["part"] == "database" and "alarms are not affected" in down["detail"]
    await system.ready()


async def test_check(system: System) -> None:
    """The configuration of a running system is sound."""
    ran = await system.checked()
    assert ran.code == 0 and "is sound" in ran.output


@pytest.mark.parametrize("role", ROLES)
async def test_metrics(system: System, role: str) -> None:
    """`/metrics` has what the role promises, and `promtool check metrics` finds nothing to say."""
    name = "metal.CO-METRICS"
    if not await system.alarms(name):
        await system.reading(name, 20.0)
        await system.listed(name)
    text = await system.metrics(role)
    assert [metric for metric in EXPECTED[role] if f"# TYPE {metric.removesuffix('_total')}" not in text] == []
    process = await asyncio.create_subprocess_exec(
        *("promtool", "check", "metrics"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate(text.encode())
    assert (process.returncode, said) == (0, b"")
