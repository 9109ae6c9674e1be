"""A gateway that dies inhibits the no-data alarms of its own tags and of no others: real clients, broker, log, rules.

The gateways are `mosquitto_pub` processes with a last will, which a test freezes or kills.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from eventlog.port import EventLog
from ingest.config import SourceConfig
from rules.engine import Fold
from rules.rulebook import compile_rules
from tests.ingest.registry import revision, tag
from tests.ingest.running import PARTITIONS, links, mosquitto_pub, publisher, running, stored
from tests.parts.mosquitto import Mosquitto
from tests.parts.net import eventually

KEEPALIVE_S = 5
"""The shortest that mosquitto_pub takes. A broker gives a silent client one and a half of it."""

STALE_S = 20.0
GATEWAYS = SourceConfig(
    name="gateways", topic="park/metal/+/up", format="flat", link="{3}", status_topic="park/metal/{3}/status"
)
REGISTRY = revision(
    tags=(
        tag(1, "one-a", link="gw1", stale_s=STALE_S),
        tag(2, "one-b", link="gw1", stale_s=STALE_S),
        tag(3, "two-a", link="gw2", stale_s=STALE_S),
        tag(4, "two-b", link="gw2", stale_s=STALE_S),
    )
)


class Gateway:
    """A client whose last will says that it is offline; it says itself that it is online."""

    def __init__(self, port: int, name: str) -> None:
        self.status = f"park/metal/{name}/status"
        self._port = port
        where = ["-h", "127.0.0.1", "-p", str(port), "-k", str(KEEPALIVE_S), "-i", f"gateway-{name}", "-q", "1"]
        will = ["--will-topic", self.status, "--will-payload", "offline", "--will-retain", "--will-qos", "1"]
        self._popen = subprocess.Popen(
            ["mosquitto_pub", *where, *will, "-t", f"park/metal/{name}/up", "-l"], stdin=subprocess.PIPE, text=True
        )

    def born(self) -> None:
        mosquitto_pub(self._port, self.status, '{"online": true}', "-r", "-q", "1")

    def send(self, **readings: float) -> None:
        assert self._popen.stdin is not None
        self._popen.stdin.write(json.dumps({key.replace("_", "-"): v for key, v in readings.items()}) + "\n")
        self._popen.stdin.flush()

    def freeze(self) -> None:
        """The connection stays open, and nothing comes over it any more: only the keepalive finds out."""
        self._popen.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        self._popen.kill()
        self._popen.wait()
        if self._popen.stdin is not None:
            self._popen.stdin.close()


@contextmanager
def gateways(port: int, *names: str) -> Iterator[list[Gateway]]:
    made = [Gateway(port, name) for name in names]
    try:
        yield made
    finally:
        for one in made:
            one.kill()


async def judged(log: EventLog) -> list[tuple[str, str, int]]:
    """(rule, subject, level) of every alarm that the rules raise or end over all that is in the log."""
    folds = [Fold(compile_rules(REGISTRY, partition, PARTITIONS), partition, 1) for partition in range(PARTITIONS)]
    levels: dict[tuple[str, str], int] = {}
    alarms = []
    for record in await stored(log, "readings"):
        for change in folds[record.partition].apply(record.offset, record.append_ns, record.kind, record.value):
            if change.level != levels.get((change.rule, change.subject), 0):
                alarms.append((change.rule, change.subject.partition("/0@")[0], change.level))
            levels[change.rule, change.subject] = change.level
    return alarms


async def is_up(log: EventLog, link: str) -> bool | None:
    """What the last heartbeat of a link said."""
    beats = [one.up for one in await links(log) if one.name == link]
    return beats[-1] if beats else None


async def said_up(log: EventLog, link: str, up: bool, within_s: float = 20.0) -> None:
    async def same() -> bool:
        return await is_up(log, link) is up

    await eventually(same, f"the heartbeat of {link} says up={up}", within_s=within_s)


@pytest.mark.slow
async def test_a_gateway_that_freezes_is_one_communication_alarm(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Gateway 1 freezes; of gateway 2 a single detector falls silent at the same time. Then gateway 1 comes back."""
    async with running(mosquitto.port, tmp_path, [GATEWAYS], registry=REGISTRY) as world:
        with gateways(mosquitto.port, "gw1", "gw2") as (one, two):
            sending = True

            async def second_gateway() -> None:
                while sending:
                    two.send(two_a=1.0)
                    await asyncio.sleep(1)

            one.born()
            two.born()
            one.send(one_a=1.0, one_b=1.0)
            two.send(two_a=1.0, two_b=1.0)
            await world.wait_for(4)
            await said_up(world.log, "gw1", True)
            work = asyncio.create_task(second_gateway())
            one.send(one_a=2.0, one_b=2.0)
            await world.wait_for(6)
            one.freeze()
            frozen = time.monotonic()
            await said_up(world.log, "gw1", False, within_s=60)
            assert time.monotonic() - frozen < 1.5 * KEEPALIVE_S + 5 + 5 + 2, "keepalive, broker's round, heartbeat"

            fault, silent = ("link", "link/gw1", 1), ("stale", "two-b", 1)

            async def both() -> bool:
                await asyncio.sleep(0.5)
                return fault in (found := await judged(world.log)) and silent in found

            await eventually(both, "gw1 is in fault, and the silent detector of gw2 is told", within_s=60)
            late = frozen + STALE_S + 6
            await eventually(lambda: time.monotonic() > late, "the tags of gw1 had time to be stale", within_s=60)
            assert sorted(await judged(world.log)) == [fault, silent]
            assert await is_up(world.log, "gw2") is True

            one.kill()
            with gateways(mosquitto.port, "gw1") as (again,):
                again.born()
                again.send(one_a=3.0, one_b=3.0)
                await said_up(world.log, "gw1", True)
                sending = False
                await work
            found = await judged(world.log)
            assert sorted(found[:2]) == [fault, silent], "one alarm of the gateway, and none of its tags"
            assert found[2:] == [("link", "link/gw1", 0)], "it ends, and the silence of its tags begins anew"


async def test_a_gateway_that_is_killed_is_down_at_once_and_a_reading_is_proof_of_life(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    async with running(mosquitto.port, tmp_path, [GATEWAYS], registry=REGISTRY) as world:
        with gateways(mosquitto.port, "gw1", "gw2") as (one, two):
            one.send(one_a=1.0)
            two.send(two_a=1.0)
            await world.wait_for(2)
            await said_up(world.log, "gw1", True)
            one.kill()
            await said_up(world.log, "gw1", False, within_s=10)
            assert await is_up(world.log, "gw2") is True
            with gateways(mosquitto.port, "gw1") as (again,):
                again.send(one_a=2.0)  # no birth message
                await said_up(world.log, "gw1", True, within_s=10)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_what_the_broker_kept_is_known_before_the_first_heartbeat(
    mosquitto: Mosquitto, tmp_path: Path, protocol: str
) -> None:
    """Also after a restart of ingest, and after statuses that came while it was away."""
    async with publisher(mosquitto.port) as gateway:
        await asyncio.to_thread(gateway.publish, "park/metal/gw1/status", "offline", retain=True)
        async with running(mosquitto.port, tmp_path, [GATEWAYS], registry=REGISTRY, mqtt=protocol) as world:
            await said_up(world.log, "gw2", True)
            await said_up(world.log, "gw1", False)
        await asyncio.to_thread(gateway.publish, "park/metal/gw2/status", "0", retain=True)
        async with running(mosquitto.port, tmp_path, [GATEWAYS], registry=REGISTRY, mqtt=protocol) as world:
            await said_up(world.log, "gw2", False)
            assert {one.up for one in await links(world.log) if one.name == "gw1"} == {False}
            await asyncio.to_thread(gateway.publish, "park/metal/gw1/status", "1", retain=True)
            await said_up(world.log, "gw1", True)
            assert world.metrics.numbers["hazwatch_ingest_in_flight",] == 0, "statuses are acknowledged"


@pytest.mark.slow
async def test_without_a_status_a_gateway_counts_as_up_and_without_a_broker_none_does(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    async with running(mosquitto.port, tmp_path, [GATEWAYS], registry=REGISTRY) as world:
        await said_up(world.log, "gw1", True)
        await asyncio.to_thread(mosquitto_pub, mosquitto.port, "park/metal/gw2/status", "offline", "-q", "1")
        await said_up(world.log, "gw2", False)
        await asyncio.to_thread(mosquitto.stop)
        await said_up(world.log, "gw1", False, within_s=30)
        await asyncio.to_thread(mosquitto.start)
        await said_up(world.log, "gw1", True, within_s=40)
        assert await is_up(world.log, "gw2") is False, "a broker that was away brings no gateway back"


async def test_a_status_that_comes_while_the_log_is_away_is_not_lost(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """It is not acknowledged, so it comes again."""
    async with (
        running(mosquitto.port, tmp_path, [GATEWAYS], registry=REGISTRY) as world,
        publisher(mosquitto.port) as gateway,
    ):
        await said_up(world.log, "gw1", True)
        world.log.cut = True
        await asyncio.to_thread(gateway.publish, "park/metal/gw2/up", '{"two-a": 1}')
        await eventually(lambda: not world.ingest.log_reachable, "the outage is noticed")
        await asyncio.to_thread(gateway.publish, "park/metal/gw1/status", "offline")
        world.log.cut = False
        await said_up(world.log, "gw1", False)
        assert await is_up(world.log, "gw2") is True


async def test_a_tag_that_comes_over_another_link_is_told_once(
    mosquitto: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        running(mosquitto.port, tmp_path, [GATEWAYS], registry=REGISTRY),
        publisher(mosquitto.port) as gateway,
    ):

        def warned() -> list[str]:
            return [text for text in caplog.messages if "tag list" in text]

        await asyncio.to_thread(gateway.publish, "park/metal/gw1/up", '{"two-a": 1}')
        await eventually(lambda: len(warned()) == 1, "the first is told")
        await asyncio.to_thread(gateway.publish, "park/metal/gw1/up", '{"two-a": 1, "two-b": 2}')
        await eventually(lambda: len(warned()) == 2, "and the second")
        assert ["'gw1'" in text and "'gw2'" in text for text in warned()] == [True, True]
        assert "'two-a'" in warned()[0] and "'two-b'" in warned()[1]
