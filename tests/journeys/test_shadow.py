"""A candidate beside the live rules, on both stacks: it says what differs in alarms, and leaves no trace."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from schemas.alarms import Change
from schemas.records import Kind
from tests.journeys.park import Park
from tests.journeys.processes import command, environment
from tests.journeys.system import SOON_S, System
from tests.parts.net import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

EARLIER, MISSED, FRESH = "lpg.PT-SHADOW", "metal.CO-SHADOW-MISSED", "metal.CO-SHADOW-NEW"


@dataclass
class Running:
    """`hazwatch shadow` while it runs; its lines come on standard error."""

    process: asyncio.subprocess.Process

    async def line(self, pattern: str) -> str:
        """The next line that matches."""
        assert self.process.stderr is not None
        async with asyncio.timeout(SOON_S):
            while text := (await self.process.stderr.readline()).decode():
                if re.search(pattern, text):
                    return text
        raise AssertionError(f"it ended before it said {pattern}")

    async def interrupted(self) -> Any:
        """What it reports after Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(SOON_S):
            output, errors = await self.process.communicate()
        assert self.process.returncode == 0, errors.decode()
        return json.loads(output)


@asynccontextmanager
async def shadow(system: System, file: Path, *words: str) -> AsyncIterator[Running]:
    process = await asyncio.create_subprocess_exec(
        *command("shadow", str(file), "--data", str(system.data.root), "--every", "1s", "--json", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
    )
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def calmer(park: Park) -> Park:
    """One limit lower, one alarm slower, and one limit where the live alarm does not come."""
    for point in (
        replace(park.point(EARLIER), high=1.3),
        replace(park.point(MISSED), on_delay_s=3600.0),
        replace(park.point(FRESH), high=10.0),
    ):
        park = park.with_point(point)
    return park


async def test_shadow_of_a_running_system(system: System, tmp_path: Path) -> None:
    candidate = calmer(system.park).write(tmp_path)
    before = {topic: len(await system.recorded(topic)) for topic in ("registry", "deadletter")}
    page = tmp_path / "shadow.html"
    async with shadow(system, candidate, "--warm-up", "5s", "--html", str(page)) as running:
        await running.line("alarms LIVE")
        await system.reading(EARLIER, 1.4)
        await system.reading(FRESH, 12.0)
        await running.line("new 2")
        await system.reading(EARLIER, 1.6)
        await system.reading(MISSED, 20.0)
        await system.listed(MISSED)
        await system.reading(MISSED, 1.0)
        await system.delivered(EARLIER, Change.RAISE)
        await running.line("both [1-9].* missed [1-9].* new [1-9]")
        told = await running.interrupted()

    assert told["old"].startswith("LIVE, revision ")
    (both,) = [one for one in told["matched"] if one["tag"] == EARLIER]
    assert both["shift_s"] < 0
    assert [one["raised"] for one in told["missed"] if one["tag"] == MISSED] == [1]
    assert [(one["level"], one["limit"]) for one in told["new_alarms"] if one["tag"] == FRESH] == [("high", 10.0)]
    assert "<title>Shadow: " in page.read_text()

    assert {topic: len(await system.recorded(topic)) for topic in before} == before
    sources = [json.loads(r.value)["source"] for r in await system.recorded("events", Kind.CHANGES)]
    assert not [source for source in sources if "shadow" in source]
    assert await system.changes_of(FRESH) == []
    assert system.deliveries(FRESH) == []
    for name in (EARLIER, MISSED, FRESH):
        await system.reading(name, 1.0)


async def test_shadow_of_what_is_over_already(system: System, tmp_path: Path) -> None:
    """From an offset on, for a length of time that has begun: it reads to its end, and ends by itself."""
    name = EARLIER
    candidate = calmer(system.park).write(tmp_path)
    await _returned(system, name)
    begun_ns = time.time_ns()
    await system.reading(name, 1.4)
    await asyncio.sleep(1.0)
    await system.reading(name, 1.0)
    before = [record for record in await system.recorded("readings") if record.append_ns < begun_ns]
    last = max(before, key=lambda record: record.append_ns)
    words = ("--from", f"{last.partition}/{last.offset}", "--for", "12s", "--json", "--warm-up", "0s")
    told = json.loads(await _ran(system, candidate, *words))
    assert [one["raised"] for one in told["new_alarms"] if one["tag"] == name] == [1]
    assert not [one for one in told["missed"] if one["tag"] == name]
    assert told["recording"]["days"] == pytest.approx(12 / 86_400)


async def _returned(system: System, name: str) -> None:
    """What went before on this point is over: an alarm that still stood would be one that the candidate missed."""

    async def over() -> bool:
        return all(alarm.level == 0 for alarm in await system.alarms(name, "limits"))

    await eventually(over, f"{name} has returned", within_s=SOON_S)


async def _ran(system: System, file: Path, *words: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command("shadow", str(file), "--data", str(system.data.root), *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
    )
    async with asyncio.timeout(SOON_S):
        output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode()
