"""Fixtures over the real parts, and the rule for a part that is missing.

A test says which part it needs by using its fixture, or by the marker `part("kafka")` when it starts the part itself
(through `tests.parts`). If the machine lacks the part, the test is skipped with the reason; if `HAZWATCH_REQUIRE`
(such as `mosquitto,kafka`) names the part, any skip of that test is a failure. `-m "not part"` leaves out whatever
needs a part.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Generator, Iterator

import pytest
from hypothesis import settings
from playwright.async_api import Browser

from tests.parts import PARTS, PartMissing
from tests.parts.chromium import chromium
from tests.parts.kafka import Kafka
from tests.parts.mosquitto import Mosquitto
from tests.parts.postgres import Postgres
from tests.parts.timescale import Timescale, fresh_schema
from tests.parts.timescale import timescale as a_timescale
from tests.parts.webhook_sink import WebhookSink

pytest_plugins = ("pytester",)

# In CI the same examples are tried every time, so that a red run is about the change and not about luck.
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("home", deadline=None, print_blob=True)
settings.load_profile("ci" if "CI" in os.environ else "home")

_PART_OF_FIXTURE = {
    "mosquitto": "mosquitto",
    "kafka": "kafka",
    "kafka_alone": "kafka",
    "postgres": "postgres",
    "postgres_alone": "postgres",
    "database": "postgres",
    "timescale": "timescaledb",
    "timescale_database": "timescaledb",
    "browser": "chromium",
}


@pytest.fixture
def mosquitto() -> Iterator[Mosquitto]:
    """A broker of this test alone, which it may stop, kill or pause."""
    with Mosquitto() as server:
        yield server


@pytest.fixture(scope="session")
def kafka() -> Iterator[Kafka]:
    """The broker that all tests share: make topics of your own (`await kafka.create_topic()`), and never stop it."""
    with Kafka() as server:
        yield server


@pytest.fixture
def kafka_alone() -> Iterator[Kafka]:
    """A broker of this test alone (3 s to start), which it may stop, kill or pause."""
    with Kafka() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server that all tests share: use `database`, or databases of your own, and never stop it."""
    with Postgres() as server:
        yield server


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    """The connection string of a new, empty database of this test, on the shared server."""
    with postgres.fresh_database() as name:
        yield postgres.dsn(name)


@pytest.fixture
def postgres_alone() -> Iterator[Postgres]:
    """A server of this test alone (0.5 s to start), which it may stop, kill or pause."""
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def timescale() -> Iterator[Timescale]:
    """The TimescaleDB that all tests share: use `timescale_database`, or schemas of your own (`fresh_schema`)."""
    with a_timescale() as server:
        yield server


@pytest.fixture
def timescale_database(timescale: Timescale) -> Iterator[str]:
    """The connection string of a new, empty schema of this test, first on the search path, on the shared server."""
    with fresh_schema(timescale) as dsn:
        yield dsn


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium; open pages with `await browser.new_page()`, a second console in a second context."""
    async with chromium() as running:
        yield running


@pytest.fixture
async def webhook_sink() -> AsyncIterator[WebhookSink]:
    """A running receiver of webhooks that answers 200 until told otherwise."""
    async with WebhookSink() as sink:
        yield sink


def required_parts() -> set[str]:
    """The parts that `HAZWATCH_REQUIRE` names. Raises UsageError for one that does not exist."""
    named = {part.strip() for part in os.environ.get("HAZWATCH_REQUIRE", "").split(",")} - {""}
    if unknown := named - set(PARTS):
        raise pytest.UsageError(f"HAZWATCH_REQUIRE names {sorted(unknown)}; the parts are {', '.join(PARTS)}")
    return named


_REQUIRED = pytest.StashKey[set[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_REQUIRED] = required_parts()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the parts that its fixtures stand for, before `-m` selects."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        for part in sorted({_PART_OF_FIXTURE[name] for name in fixtures if name in _PART_OF_FIXTURE}):
            item.add_marker(pytest.mark.part(part))


def _missing_part(item: pytest.Item) -> Generator[None, object, object]:
    """Whatever runs into a missing part is skipped, or fails when the part is required."""
    try:
        return (yield)
    except PartMissing as missing:
        if missing.part in item.config.stash[_REQUIRED]:
            pytest.fail(f"HAZWATCH_REQUIRE names {missing.part}, but {missing}", pytrace=False)
        pytest.skip(str(missing))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from _missing_part(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from _missing_part(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skip of a test that needs a required part is a failure."""
    report = yield
    parts: set[str] = {name for mark in item.iter_markers("part") for name in mark.args}
    required = item.config.stash[_REQUIRED]
    missing = sorted(parts & required)
    if report.skipped and missing and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"HAZWATCH_REQUIRE names {', '.join(missing)}, so this may not be skipped: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A module that skips itself whole cannot say which part it lacks, so while any part is required it fails."""
    report = yield
    if report.skipped and collector.config.stash[_REQUIRED]:
        report.outcome = "failed"
        report.longrepr = f"skipped as a whole while HAZWATCH_REQUIRE is set: {report.longrepr}"
    return report
