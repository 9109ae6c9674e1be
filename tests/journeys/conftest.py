"""One running system per stack for all journeys, and what its processes said when one fails."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from tests.console.conftest import pages, web_tools
from tests.journeys.embedded import Embedded
from tests.journeys.full import Full
from tests.journeys.park import Park
from tests.journeys.system import System
from tests.parts.webhook_sink import WebhookSink

__all__ = ["pages", "web_tools"]

STACKS = {
    "embedded": pytest.param("embedded", marks=[pytest.mark.part("mosquitto"), pytest.mark.part("postgres")]),
    "full": pytest.param(
        "full", marks=[pytest.mark.part("mosquitto"), pytest.mark.part("kafka"), pytest.mark.part("postgres")]
    ),
}
_running: list[System] = []


@asynccontextmanager
async def running(stack: str, park: Park) -> AsyncIterator[System]:
    """A started system of its own with a receiver of webhooks, closed at the end."""
    folder = Path(tempfile.mkdtemp(prefix=f"hazwatch-journey-{stack}-"))
    async with WebhookSink() as sink:
        kind = Embedded if stack == "embedded" else Full
        system = kind(folder, sink, park)
        _running.append(system)
        try:
            await started(system)
            yield system
        finally:
            await system.close()
            _running.remove(system)


async def started(system: System) -> None:
    """Start it; if that fails, the error holds what the processes said."""
    try:
        await system.start()
    except Exception as error:
        error.add_note(system.tails())
        raise


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=STACKS.values())
async def system(request: pytest.FixtureRequest) -> AsyncIterator[System]:
    """The system that all journeys of a stack share: each keeps to tags of its own."""
    async with running(request.param, Park()) as shared:
        yield shared


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what the processes said."""
    report = yield
    if report.failed:
        report.sections += [(f"processes of {system}", system.tails()) for system in _running]
    return report
