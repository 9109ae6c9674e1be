"""The way in when things break: killed processes, a broker that restarts or hangs, a log that cannot be reached."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from eventlog.open import open_embedded_client
from eventlog.port import RecordTooLarge
from ingest.acks import Message
from ingest.config import MqttConfig, SourceConfig
from ingest.connection import SubscriptionRefused
from ingest.directory import Directory
from ingest.mqtt import Mqtt
from ingest.service import Ingest
from tests.ingest.registry import revision
from tests.ingest.running import (
    NAMES,
    PARTITIONS,
    BreakableLog,
    Clock,
    Metrics,
    Process,
    links,
    opened,
    publisher,
    running,
    values,
)
from tests.parts.fault_proxy import FaultProxy
from tests.parts.mosquitto import Mosquitto
from tests.parts.net import eventually

ONE = SourceConfig(name="one", topic="one/+", format="number", tag="{2}")


def sent(count: int) -> list[tuple[int, float]]:
    """(tag, value) of `publish_numbers`."""
    return [(i % len(NAMES) + 1, float(i)) for i in range(count)]


def publish_numbers(gateway: Any, start: int, stop: int) -> None:
    infos = [gateway.client.publish(f"one/{NAMES[i % len(NAMES)]}", str(i), qos=1) for i in range(start, stop)]
    for info in infos:
        info.wait_for_publish(30)


async def all_of(directory: Path, count: int) -> list[tuple[int, float]]:
    """The readings in the log of a process that runs, once there are so many distinct ones."""
    async with open_embedded_client(directory) as log:

        async def enough() -> list[tuple[int, float]] | None:
            rows = await values(log)
            return rows if len(set(rows)) >= count else None

        found = await eventually(enough, f"{count} readings are in the log", within_s=30)
        assert found is not None
        return found


@pytest.mark.parametrize(("point", "copies"), [("after-append", True), ("after-mqtt-ack", False)])
async def test_killed_at_a_fail_point(mosquitto: Mosquitto, tmp_path: Path, point: str, copies: bool) -> None:
    """Killed between append and acknowledgement, the message comes again; after the acknowledgement it does not."""
    marker, log = tmp_path / "marker", tmp_path / "log"
    first = Process(mosquitto.port, log, f"{point}:1:{marker}")
    await asyncio.to_thread(first.wait_connected)
    async with publisher(mosquitto.port) as gateway:
        await asyncio.to_thread(publish_numbers, gateway, 0, 1)
        assert await asyncio.to_thread(first.wait) == -9
        await asyncio.to_thread(publish_numbers, gateway, 1, 30)
        second = Process(mosquitto.port, log, f"{point}:1:{marker}")
        try:
            await asyncio.to_thread(second.wait_connected)
            await asyncio.to_thread(publish_numbers, gateway, 30, 40)
            rows = await all_of(log, 40)
        finally:
            await asyncio.to_thread(second.kill)
    assert set(rows) == set(sent(40))
    assert len(rows) == (41 if copies else 40)


async def test_killed_again_and_again(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """kill -9 at any moment under load: nothing that the broker took from a gateway is missing."""
    total = 0
    async with publisher(mosquitto.port) as gateway:
        for _ in range(4):
            process = Process(mosquitto.port, tmp_path)
            try:
                await asyncio.to_thread(process.wait_connected)
                await asyncio.to_thread(publish_numbers, gateway, total, total + 400)
                total += 400
            finally:
                await asyncio.to_thread(process.kill)
        last = Process(mosquitto.port, tmp_path)
        try:
            await asyncio.to_thread(last.wait_connected)
            assert set(await all_of(tmp_path, total)) == set(sent(total))
        finally:
            await asyncio.to_thread(last.kill)


async def test_a_broker_that_restarts(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async with running(mosquitto.port, tmp_path, [ONE]) as world:
        async with publisher(mosquitto.port) as gateway:
            await asyncio.to_thread(publish_numbers, gateway, 0, 50)
        await world.wait_for(50)
        await asyncio.to_thread(mosquitto.restart)
        async with publisher(mosquitto.port) as gateway:
            await asyncio.to_thread(publish_numbers, gateway, 50, 100)
        assert set(await world.wait_for(100)) == set(sent(100))
        await asyncio.to_thread(mosquitto.kill9)
        await eventually(lambda: not world.ingest.connected, "the loss is noticed")
        await asyncio.to_thread(mosquitto.start)
        await eventually(lambda: world.ingest.connected, "ingest is back", within_s=30)
        async with publisher(mosquitto.port) as gateway:
            await asyncio.to_thread(publish_numbers, gateway, 100, 120)
        assert set(await world.wait_for(120)) == set(sent(120))


async def test_a_session_waits_at_the_broker_while_ingest_is_away(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async with running(mosquitto.port, tmp_path, [ONE]):
        pass
    async with publisher(mosquitto.port) as gateway:
        await asyncio.to_thread(publish_numbers, gateway, 0, 1500)
    async with running(mosquitto.port, tmp_path, [ONE]) as world:
        assert set(await world.wait_for(1500)) == set(sent(1500))


async def test_a_connection_that_falls_silent_is_dropped(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Half-open: nothing comes, nothing is refused. The keepalive finds it, the heartbeat says it, and it heals."""
    async with FaultProxy(mosquitto.port) as proxy, running(proxy.port, tmp_path, [ONE], keepalive_s=2) as world:
        proxy.half_open()
        await eventually(lambda: not world.ingest.connected, "the silence is noticed", within_s=20)
        await proxy.heal()
        async with publisher(mosquitto.port) as gateway:
            await asyncio.to_thread(publish_numbers, gateway, 0, 20)
        assert set(await world.wait_for(20, within_s=40)) == set(sent(20))


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_an_outage_of_the_log_loses_nothing_and_wedges_nothing(
    mosquitto: Mosquitto, tmp_path: Path, protocol: str
) -> None:
    """More messages than the window takes arrive while nothing can be appended; all of them are in the log later."""
    async with (
        running(mosquitto.port, tmp_path, [ONE], receive_maximum=5, mqtt=protocol) as world,
        publisher(mosquitto.port) as gateway,
    ):
        await asyncio.to_thread(publish_numbers, gateway, 0, 10)
        await world.wait_for(10)
        world.log.cut = True
        await asyncio.to_thread(publish_numbers, gateway, 10, 60)
        await eventually(lambda: world.log.failed_appends >= 3, "the log is tried again and again")
        assert world.metrics.numbers["hazwatch_log_reachable",] == 0
        assert not world.task.done()
        assert world.ingest._intake.batcher.rows == 0, "what came of it is not hoarded"
        world.log.cut = False
        await asyncio.to_thread(publish_numbers, gateway, 60, 70)
        assert set(await world.wait_for(70)) == set(sent(70))
        await eventually(lambda: world.metrics.numbers["hazwatch_ingest_in_flight",] == 0, "all is acknowledged")


async def test_an_error_of_the_log_that_no_waiting_mends_ends_the_process(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async with running(mosquitto.port, tmp_path, [ONE]) as world, publisher(mosquitto.port) as gateway:
        world.log.error, world.log.cut = RecordTooLarge("too large for this topic"), True
        await asyncio.to_thread(gateway.publish, "one/co-1", "1")
        with pytest.raises(RecordTooLarge):
            async with asyncio.timeout(20):
                await world.task


async def test_a_log_that_is_away_at_the_start_is_waited_for(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async with opened(tmp_path) as real:
        log = BreakableLog(real)
        log.cut = True
        who = Directory.of(revision(*NAMES), [ONE], PARTITIONS)
        for stopped in (True, False):
            ingest = Ingest(MqttConfig(port=mosquitto.port), who, log, Clock(), Metrics())
            run = asyncio.create_task(ingest.run())
            await asyncio.sleep(0)
            assert not run.done() and not ingest.connected
            if not stopped:
                log.cut = False
                await eventually(lambda: ingest.connected, "ingest goes on")  # noqa: B023
            await ingest.stop()
            async with asyncio.timeout(10):
                await run


async def test_a_slow_append_is_no_failed_one(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async with running(mosquitto.port, tmp_path, [ONE]) as world, publisher(mosquitto.port) as gateway:
        world.log.held.clear()
        await asyncio.to_thread(publish_numbers, gateway, 0, 300)
        await eventually(lambda: len(world.ingest._acks) == 300, "the messages wait for the log")
        world.log.held.set()
        assert set(await world.wait_for(300)) == set(sent(300))
        assert sorted(await values(world.log)) == sorted(sent(300)), "no copies"


class Listener:
    """`Mqtt` alone, with what it delivers."""

    def __init__(self, port: int, **config: Any) -> None:
        self.messages: list[Message] = []
        self.epochs: list[int] = []
        made = MqttConfig(port=port, client_id="listener", **config)
        self.mqtt = Mqtt(made, ["one/+"], begin=self.epochs.append, deliver=self.messages.extend)

    async def connected(self, times: int = 1) -> None:
        await eventually(lambda: self.mqtt.up and len(self.epochs) >= times, f"connected {times} times")


async def test_an_acknowledgement_never_crosses_a_reconnect(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """The packet numbers start again with every connection: a late acknowledgement would hit another message."""
    listener = Listener(mosquitto.port)
    run = asyncio.create_task(listener.mqtt.run())
    try:
        await listener.connected()
        async with publisher(mosquitto.port) as gateway:
            await asyncio.to_thread(gateway.publish, "one/co-1", "1")
            await eventually(lambda: listener.messages, "the message came")
            old = listener.messages.pop()
            listener.mqtt.reconnect()
            await eventually(lambda: listener.messages, "it came again")
            again = listener.messages.pop()
            assert again.payload == old.payload and again.mid == old.mid and again.epoch > old.epoch
            listener.mqtt.acknowledge([old])
            listener.mqtt.reconnect()
            await eventually(lambda: listener.messages, "and again, for nobody acknowledged it")
            listener.mqtt.acknowledge([listener.messages.pop()])
            await asyncio.to_thread(gateway.publish, "one/co-1", "2")
            await eventually(lambda: listener.messages, "the next came")
            listener.mqtt.reconnect()
            await listener.connected(4)
            await asyncio.to_thread(gateway.publish, "one/co-1", "3")
            await eventually(lambda: len(listener.messages) >= 3, "what was not acknowledged came again")
            assert [m.payload for m in listener.messages] == [b"2", b"2", b"3"]
    finally:
        run.cancel()
        await asyncio.wait({run})


async def test_an_exception_on_the_way_in_ends_the_process(mosquitto: Mosquitto) -> None:
    def explode(messages: list[Message]) -> None:
        raise RuntimeError("a bug")

    mqtt = Mqtt(MqttConfig(port=mosquitto.port, client_id="bug"), ["one/+"], begin=lambda epoch: None, deliver=explode)
    run = asyncio.create_task(mqtt.run())
    await eventually(lambda: mqtt.up, "connected")
    async with publisher(mosquitto.port) as gateway:
        await asyncio.to_thread(gateway.publish, "one/co-1", "1")
        await asyncio.wait({run}, timeout=10)
    assert run.done()
    with pytest.raises(RuntimeError, match="a bug"):
        run.result()


async def test_a_refused_subscription_is_told_and_ends_the_process() -> None:
    """Mosquitto refuses none over an ACL file, other brokers do: a broker of three packets answers "not authorized"."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"MQTT")
        await reader.read(1000)
        writer.write(bytes.fromhex("2003 00 00 00"))
        packet = await reader.read(1000)
        writer.write(bytes.fromhex("9004") + packet[2:4] + b"\x00\x87")
        await reader.read(1000)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        listener = Listener(server.sockets[0].getsockname()[1], username="ingest")
        with pytest.raises(SubscriptionRefused, match=r"'one/\+': Not authorized.*'ingest'.*ACL"):
            async with asyncio.timeout(20):
                await listener.mqtt.run()


async def test_nobody_at_the_port_is_tried_again(mosquitto: Mosquitto, tmp_path: Path) -> None:
    await asyncio.to_thread(mosquitto.stop)
    async with running(mosquitto.port, tmp_path, [ONE], connected=False) as world:
        await eventually(lambda: _down(world.log), "a heartbeat says down", within_s=20)
        await asyncio.to_thread(mosquitto.start)
        await eventually(lambda: world.ingest.connected, "connected", within_s=30)


async def _down(log: Any) -> bool:
    found = await links(log)
    return bool(found) and not found[-1].up


async def test_partitions_that_differ_from_the_configuration_are_refused(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        who = Directory.of(revision(*NAMES), [ONE], 7)
        with pytest.raises(ValueError, match="2 partitions, the configuration says 7"):
            await Ingest(MqttConfig(port=mosquitto.port), who, log, Clock(), Metrics()).run()
