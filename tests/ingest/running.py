"""Ingest on a real broker and a real log: what the tests of the whole way in share."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from eventlog.open import open_embedded_writer
from eventlog.port import Bounds, EventLog, LogUnavailable, NewRecord, Position, Record, topic_specs
from ingest.config import MqttConfig, SourceConfig
from ingest.directory import Directory
from ingest.service import Ingest
from schemas import batch, records
from schemas.changes import ConditionChange, ConditionChanges
from schemas.records import DeadLetter, Kind, Link
from schemas.registry import Revision
from tests.ingest.registry import revision
from tests.parts.net import eventually

PARTITIONS = 2
NAMES = tuple(f"co-{i}" for i in range(1, 11))


class Clock:
    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


@dataclass
class Metrics:
    """Remembers what it was told."""

    numbers: dict[tuple[str, ...], float] = field(default_factory=dict)
    appends: int = 0

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        key = (name, *labels.values())
        self.numbers[key] = self.numbers.get(key, 0) + amount

    def gauge(self, name: str, value: float, **labels: str) -> None:
        self.numbers[(name, *labels.values())] = value

    def observe(self, name: str, value: float, **labels: str) -> None:
        self.appends += 1


class BreakableLog:
    """A real log behind a wire that a test may cut: appends fail, or hang, until it is mended."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.cut = False
        self.error: Exception = LogUnavailable("the wire is cut")
        self.held = asyncio.Event()
        self.held.set()
        self.failed_appends = 0

    async def append(self, topic: str, partition: int, records: Sequence[NewRecord]) -> list[Position]:
        await self.held.wait()
        if self.cut:
            self.failed_appends += 1
            raise self.error
        return await self._log.append(topic, partition, records)

    async def read(
        self,
        topic: str,
        partition: int,
        start: int,
        *,
        max_records: int = 1000,
        max_bytes: int = 4 << 20,
        wait_s: float = 0.0,
    ) -> list[Record]:
        return await self._log.read(
            topic, partition, start, max_records=max_records, max_bytes=max_bytes, wait_s=wait_s
        )

    async def bounds(self, topic: str, partition: int) -> Bounds:
        return await self._log.bounds(topic, partition)

    async def partitions(self, topic: str) -> int:
        if self.cut:
            raise self.error
        return await self._log.partitions(topic)

    async def incarnation(self) -> int:
        return await self._log.incarnation()

    async def close(self) -> None:
        await self._log.close()


async def stored(log: EventLog, topic: str) -> list[Record]:
    """All records of a topic, partition by partition."""
    found: list[Record] = []
    for partition in range(await log.partitions(topic)):
        at = (await log.bounds(topic, partition)).start
        while records := await log.read(topic, partition, at):
            found += records
            at = records[-1].offset + 1
    return found


async def values(log: EventLog, topic: str = "readings") -> list[tuple[int, float]]:
    """(tag, value) of all readings of a topic."""
    rows = []
    for record in await stored(log, topic):
        if record.kind == Kind.READINGS:
            one = batch.decode(record.value)
            rows += [(int(t), float(v)) for t, v in zip(one.tag, one.value, strict=True)]
    return rows


async def payloads_of(log: EventLog, topic: str, kind: Kind) -> list[Any]:
    return [records.decode(r.kind, r.value) for r in await stored(log, topic) if r.kind == kind]


async def letters(log: EventLog) -> list[DeadLetter]:
    return await payloads_of(log, "deadletter", Kind.DEADLETTER)


async def links(log: EventLog) -> list[Link]:
    return await payloads_of(log, "readings", Kind.LINK)


async def changes(log: EventLog) -> list[ConditionChange]:
    found: list[ConditionChanges] = await payloads_of(log, "events", Kind.CHANGES)
    return [change for one in found for change in one.changes]


@dataclass
class Running:
    """A running ingest with its log."""

    log: BreakableLog
    ingest: Ingest
    metrics: Metrics
    task: asyncio.Task[None]

    async def wait_for(self, count: int, topic: str = "readings", within_s: float = 20.0) -> list[tuple[int, float]]:
        """The readings of a topic once there are at least so many distinct ones."""

        async def enough() -> list[tuple[int, float]] | None:
            rows = await values(self.log, topic)
            return rows if len(set(rows)) >= count else None

        found = await eventually(enough, f"{count} readings are in {topic}", within_s=within_s)
        assert found is not None
        return found


@asynccontextmanager
async def running(
    port: int,
    directory: Path,
    sources: Sequence[SourceConfig],
    *,
    registry: Revision | None = None,
    connected: bool = True,
    **config: Any,
) -> AsyncIterator[Running]:
    """Ingest in this process, connected to the broker, over an embedded log in `directory`."""
    specs = topic_specs(readings_partitions=PARTITIONS)
    async with open_embedded_writer(directory, specs) as real:
        log, metrics = BreakableLog(real), Metrics()
        made = MqttConfig(port=port, client_id="ingest-test", **config)
        who = Directory.of(registry or revision(*NAMES), sources, PARTITIONS)
        ingest = Ingest(made, who, log, Clock(), metrics)
        task = asyncio.create_task(ingest.run())
        try:
            if connected:
                await eventually(lambda: ingest.connected or task.done(), "ingest is connected")
            yield Running(log, ingest, metrics, task)
            log.cut = False
            log.held.set()
            if not task.done():
                await ingest.stop()
                async with asyncio.timeout(10):
                    await task
        finally:
            task.cancel()
            await asyncio.wait({task})


class Publisher:
    """A stranger with paho: publishes with QoS 1 and waits for the broker's answer."""

    def __init__(self, port: int, protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5) -> None:
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=protocol)
        self.heard: list[tuple[str, bytes]] = []
        self.client.on_message = lambda client, userdata, m: self.heard.append((m.topic, bytes(m.payload)))
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def publish(self, topic: str, payload: str | bytes, *, qos: int = 1, retain: bool = False) -> None:
        info = self.client.publish(topic, payload, qos=qos, retain=retain)
        info.wait_for_publish(20)
        assert info.is_published()

    def subscribe(self, topic: str) -> None:
        self.client.subscribe(topic, qos=1)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@asynccontextmanager
async def publisher(port: int, **kwargs: Any) -> AsyncIterator[Publisher]:
    one = await asyncio.to_thread(Publisher, port, **kwargs)
    try:
        yield one
    finally:
        await asyncio.to_thread(one.close)


def mosquitto_pub(port: int, topic: str, payload: str, *options: str) -> None:
    """The by-hand publish of the documentation."""
    subprocess.run(
        ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(port), "-t", topic, "-m", payload, *options],
        check=True,
        timeout=20,
    )


class Process:
    """Ingest in a process of its own, to be killed. It prints a line once it is connected."""

    def __init__(self, port: int, directory: Path, failpoint: str = "") -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "tests.ingest.process", str(port), str(directory)],
            stdout=subprocess.PIPE,
            env=os.environ | {"HAZWATCH_FAILPOINT": failpoint},
            text=True,
        )

    def wait_connected(self) -> None:
        assert self._popen.stdout is not None
        assert self._popen.stdout.readline() == "connected\n"

    def kill(self) -> None:
        self._popen.kill()
        self.wait()

    def wait(self, within_s: float = 60.0) -> int:
        code = self._popen.wait(within_s)
        if self._popen.stdout is not None:
            self._popen.stdout.close()
        return code


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[EventLog]:
    """The log of a process that has ended."""
    async with open_embedded_writer(directory, topic_specs(readings_partitions=PARTITIONS)) as log:
        yield log
