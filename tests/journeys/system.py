"""The whole system as its journeys use it: one interface over the embedded default and the full stack.

A journey publishes as a gateway does, logs in as an operator does, breaks what may break, and looks where people look:
at the API, at the webhook's receiver, in PostgreSQL and in the log.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import aiohttp
import msgspec
import psycopg
from prometheus_client.parser import text_string_to_metric_families

from eventlog.port import EventLog, LogUnavailable, Record
from hazwatch import runfiles
from hazwatch.config import Config, load_config
from hazwatch.context import open_log
from hazwatch.datadir import DataDir
from hazwatch.failpoints import NAMES
from schemas import records
from schemas.alarms import Alarm, Change, Transition
from schemas.records import Kind
from schemas.time import MS
from tests.console.desk import Person
from tests.ingest.running import Publisher
from tests.journeys.park import Park
from tests.journeys.processes import Ran, freeze, hazwatch, kill9, thaw
from tests.parts.net import eventually
from tests.parts.webhook_sink import Received, WebhookSink

READY_S = 90.0
SOON_S = 60.0
"""How long a journey waits for what must happen at once: generous, for a loaded machine. Latency is measured apart."""

HOOK = "/hook"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notice as it arrived at the webhook's receiver."""

    notice: str
    reason: Change
    recipient: str
    alarm: Alarm
    received: Received

    @property
    def key(self) -> tuple[object, ...]:
        """What two runs are compared by."""
        alarm = self.alarm
        place = (alarm.rule, alarm.subject, str(alarm.side))
        return (*place, alarm.level, alarm.onset_ns, self.received.path, self.recipient)


def now_ms() -> int:
    return time.time_ns() // MS


class Failpoints:
    """All fail points of `hazwatch.failpoints`, disarmed until one is armed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        for name in NAMES:
            self.marker(name).touch()

    def marker(self, name: str) -> Path:
        """While this file exists the point kills nobody; whoever it kills makes it again."""
        return self._folder / name

    @property
    def environment(self) -> dict[str, str]:
        return {"HAZWATCH_FAILPOINT": ";".join(f"{name}:1:{self.marker(name)}" for name in NAMES)}


class System(ABC):
    """A running Hazwatch with a park of its own. `start` and `stop` may be called again and again; the data stay."""

    name: ClassVar[str]

    def __init__(self, folder: Path, sink: WebhookSink, park: Park) -> None:
        self.folder = folder
        self._failpoints = Failpoints(folder / "failpoints")
        self.data = DataDir(folder / "data")
        self.sink = sink
        self.park = park
        self.file = folder / "hazwatch.toml"
        self._last_ms = 0
        self._publisher: Publisher | None = None
        self._people: list[aiohttp.ClientSession] = []
        self._operator: Person | None = None

    # What the two stacks do each in their way

    @property
    @abstractmethod
    def base(self) -> str:
        """The address of the console."""

    @property
    @abstractmethod
    def mqtt_port(self) -> int: ...

    @property
    @abstractmethod
    def ports(self) -> Sequence[int]:
        """Where our own processes listen for others."""

    @property
    @abstractmethod
    def database(self) -> str:
        """The address of PostgreSQL."""

    @abstractmethod
    def process_of(self, role: str) -> str:
        """The process that plays a role."""

    @property
    @abstractmethod
    def processes(self) -> Sequence[str]:
        """All that run."""

    @abstractmethod
    async def _start(self) -> None: ...

    @abstractmethod
    async def _stop(self) -> None: ...

    @abstractmethod
    def _postmaster(self) -> int: ...

    @abstractmethod
    def everything(self) -> list[int]:
        """Every process of ours that runs now, those below them too."""

    @abstractmethod
    async def close(self) -> None:
        """End everything and delete the data."""

    # Start and stop

    async def start(self) -> None:
        """Start everything and wait until readings, alarms, pages and history all flow."""
        await self._start()
        await self.ready()
        self._publisher = await asyncio.to_thread(Publisher, self.mqtt_port)

    async def stop(self) -> float:
        """Ask everything of ours to stop, and wait. Returns the seconds that took."""
        await self._leave()
        started = time.monotonic()
        await self._stop()
        return time.monotonic() - started

    async def _leave(self) -> None:
        if self._publisher is not None:
            publisher, self._publisher = self._publisher, None
            await asyncio.to_thread(publisher.close)
        self._operator = None
        people, self._people = self._people, []
        for session in people:
            await session.close()

    async def ready(self) -> None:
        """Wait until every role works."""

        async def works() -> bool:
            for process in self.processes:
                assert runfiles.find(self.data.root, process), f"{process} is not ready"
            assert (await self.metric("ingest", "hazwatch_mqtt_connected")) == 1, "ingest is not connected"
            assert (await self.metric("historian", "hazwatch_historian_connected")) >= 1, "no database"
            async with aiohttp.ClientSession() as http, http.get(f"{self.base}/api/health") as response:
                health = await response.json()
            assert health == {"status": "ok"}, health
            return True

        await eventually(
            works,
            f"{self.name} works",
            within_s=READY_S,
            retry=(AssertionError, OSError, aiohttp.ClientError, LookupError),
        )

    # The field

    async def publish(self, topic: str, payload: str | bytes) -> None:
        """Publish with QoS 1 and wait until the broker has it."""
        assert self._publisher is not None
        await asyncio.to_thread(self._publisher.publish, topic, payload)

    async def reading(
        self, name: str, value: float | None, *, at_ms: int = 0, unit: str = "", kept: bool = False
    ) -> int:
        """A gateway's reading of one tag, of now unless told otherwise. Returns its event time in ms.

        No two readings of now have the same time, so that a time tells which reading it was.
        """
        if not at_ms:
            at_ms = self._last_ms = max(now_ms(), self._last_ms + 1)
        enterprise, _, key = name.partition(".")
        message = {"v": 1, "time_ms": at_ms, "tags": [key], "values": [value], "units": [unit]}
        await self.publish(f"park/{enterprise}/gateway/{'kept' if kept else 'up'}", json.dumps(message))
        return at_ms

    # The control room

    async def person(self, name: str = "admin", password: str = "") -> Person:
        """Somebody new at the API, logged in."""
        http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        self._people.append(http)
        person = Person(http, self.base)
        response = await person.log_in(name, password or self.first_password)
        assert response.status == 200, f"{name} cannot log in: {response.status}"
        return person

    @asynccontextmanager
    async def stranger(self) -> AsyncIterator[Person]:
        """Somebody who is not logged in."""
        async with aiohttp.ClientSession() as http:
            yield Person(http, self.base)

    @property
    def first_password(self) -> str:
        return (self.data.root / "first-password").read_text().strip()

    async def operator(self) -> Person:
        """The one who is at the API all the time."""
        if self._operator is None:
            self._operator = await self.person()
        return self._operator

    async def alarms(self, subject: str = "", rule: str = "limits") -> list[Alarm]:
        """The alarms that the API lists, complete; of one subject, or all."""
        person = await self.operator()
        status, body = await person.get("/api/alarms")
        assert status == 200, (status, body)
        listed = [a for a in body["alarms"] if not subject or (a["subject"], a["rule"]) == (subject, rule)]
        return [alarm for one in listed if (alarm := await self.alarm(one["id"])) is not None]

    async def alarm(self, id: str) -> Alarm | None:
        """One alarm whole, None when there was never such an alarm."""
        person = await self.operator()
        status, body = await person.get(f"/api/alarms/{id}")
        return msgspec.convert(body, Alarm) if status == 200 else None

    async def listed(self, subject: str, rule: str = "limits", **expected: object) -> Alarm:
        """The one alarm of a subject, once its fields are as expected."""

        async def found() -> Alarm:
            (alarm,) = await self.alarms(subject, rule)
            said = {field: getattr(alarm, field) for field in expected}
            assert said == expected, said
            return alarm

        return await eventually(
            found,
            f"{subject} has an alarm of {rule} with {expected}",
            within_s=SOON_S,
            retry=(AssertionError, ValueError),
        )

    async def unlisted(self, subject: str, rule: str = "limits") -> None:
        """Wait until a subject has no alarm on the list."""

        async def gone() -> bool:
            found = await self.alarms(subject, rule)
            assert not found, found
            return True

        await eventually(gone, f"{subject} has no alarm of {rule}", within_s=SOON_S)

    async def acknowledge(self, alarm: Alarm, comment: str = "") -> tuple[int, Any]:
        """What the API answers."""
        return await (await self.operator()).acknowledge(alarm, comment=comment)

    # The receiver of the webhook

    @property
    def webhook_secret(self) -> str:
        return (self.folder / "webhook-secret").read_text().strip()

    def deliveries(self, subject: str = "", rule: str = "") -> list[Delivery]:
        """What arrived so far, copies included."""
        found = [_delivery(one) for one in self.sink.to(HOOK)]
        return [d for d in found if subject in ("", d.alarm.subject) and rule in ("", d.alarm.rule)]

    async def delivered(self, subject: str, reason: Change, count: int = 1, rule: str = "limits") -> list[Delivery]:
        """The deliveries of a subject for a reason, once there are that many of distinct notices."""

        def enough() -> list[Delivery]:
            found = [d for d in self.deliveries(subject, rule) if d.reason == reason]
            assert len({d.notice for d in found}) >= count, [d.key for d in found]
            return found

        return await eventually(enough, f"{count} notices of {subject} ({reason}) arrived", within_s=SOON_S)

    # The database

    async def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """What PostgreSQL answers."""
        async with await psycopg.AsyncConnection.connect(self.database, connect_timeout=10) as connection:
            return await (await connection.execute(query.encode(), parameters)).fetchall()

    async def row(self, query: str, *parameters: object) -> tuple[Any, ...]:
        """The one row of an answer, once there is one."""

        async def there() -> tuple[Any, ...]:
            (found,) = await self.rows(query, *parameters)
            return found

        return await eventually(
            there, f"one row of {query} {parameters}", within_s=SOON_S, retry=(ValueError, psycopg.Error)
        )

    def stop_database(self) -> set[int]:
        """SIGSTOP every process of PostgreSQL."""
        return freeze(self._postmaster())

    def continue_database(self) -> None:
        thaw(self._postmaster())

    # The processes

    def kill(self, role: str) -> int:
        """kill -9 the process that plays a role, which its supervisor starts again. Returns the id that it had."""
        pid = self.pid(role)
        kill9(pid)
        return pid

    def arm(self, failpoint: str) -> None:
        """Have whoever passes this fail point next killed, once."""
        self._failpoints.marker(failpoint).unlink()

    def fired(self, failpoint: str) -> bool:
        """Whether nothing is armed at this fail point: its victim is dead."""
        return self._failpoints.marker(failpoint).exists()

    async def back(self, role: str, pid: int) -> None:
        """Wait until another process than `pid` plays the role, and everything works again."""
        process = self.process_of(role)

        def ready() -> bool:
            found = runfiles.find(self.data.root, process)
            return found is not None and found.pid != pid

        await eventually(ready, f"{process} is ready again", within_s=READY_S)
        await self.ready()

    def pid(self, role: str) -> int:
        found = runfiles.find(self.data.root, self.process_of(role))
        assert found is not None, f"{role} does not run"
        return found.pid

    async def metrics(self, role: str) -> str:
        """What `/metrics` of the process that plays a role says."""
        found = runfiles.find(self.data.root, self.process_of(role))
        if found is None:
            raise LookupError(f"{role} does not run")
        url = f"http://127.0.0.1:{found.metrics_port}/metrics"
        async with aiohttp.ClientSession() as http, http.get(url) as response:
            assert response.status == 200, response.status
            return await response.text()

    async def metric(self, role: str, name: str) -> float:
        """The sum of a metric over its labels. Raises LookupError when it is not there."""
        samples = [
            sample.value
            for family in text_string_to_metric_families(await self.metrics(role))
            for sample in family.samples
            if sample.name == name
        ]
        if not samples:
            raise LookupError(f"{role} has no metric {name}")
        return sum(samples)

    async def command(self, *arguments: str, config: bool = True, within_s: float = 60.0) -> Ran:
        """Run `hazwatch ...` on this system's configuration and data."""
        files = ["--config", str(self.file)] if config else []
        return await hazwatch(*arguments, *files, "--data", str(self.data.root), within_s=within_s)

    async def replayed(self, source: str = "--log", *options: str) -> Ran:
        """`hazwatch replay` over the live log, or over its history."""
        return await hazwatch("replay", "--config", str(self.file), source, str(self.data.root), *options)

    async def checked(self) -> Ran:
        """`hazwatch check` of the configuration."""
        return await hazwatch("check", str(self.file))

    async def apply(self, park: Park) -> None:
        """Put another configuration of the park into force."""
        self.park = park
        park.write(self.folder)
        ran = await self.command("apply", "--accept-less-strict")
        assert ran.code == 0, ran

    # The log

    @property
    def config(self) -> Config:
        return load_config(self.file, rules=False)

    @asynccontextmanager
    async def log(self) -> AsyncIterator[EventLog]:
        """The log, as one more reader sees it."""
        async with open_log(self.config, self.data, writer=False) as opened:
            yield opened

    async def recorded(self, topic: str, kind: Kind | None = None) -> list[Record]:
        """What a topic holds now, partition by partition."""
        async with self.log() as log:
            return [r for r in await everything_in(log, topic) if kind in (None, r.kind)]

    async def payloads(self, topic: str, kind: Kind) -> list[Any]:
        """The decoded records of one kind."""
        return [records.decode(r.kind, r.value) for r in await self.recorded(topic, kind)]

    async def changes_of(self, subject: str, rule: str = "limits") -> list[Change]:
        """What happened to the alarms of a subject by the log's `alarms`, copies collapsed by (episode, revision)."""
        found: list[Transition] = await self.payloads("alarms", Kind.TRANSITION)
        once = {t.key: t for t in found if (t.alarm.subject, t.alarm.rule) == (subject, rule)}
        return [t.change for t in once.values()]

    def __str__(self) -> str:
        return self.name

    def tails(self, lines: int = 40) -> str:
        """The ends of the process logs, for a failure's report."""
        parts = []
        for file in sorted(self.folder.glob("*.log")):
            text = "\n".join(file.read_text(errors="replace").splitlines()[-lines:])
            parts.append(f"--- {file.name}\n{text}")
        return "\n".join(parts)


async def everything_in(log: EventLog, topic: str) -> list[Record]:
    """All records of a topic up to its present end."""
    found: list[Record] = []
    for partition in range(await log.partitions(topic)):
        bounds = await log.bounds(topic, partition)
        at = bounds.start
        while at < bounds.end:
            chunk = await log.read(topic, partition, at, wait_s=1.0)
            if not chunk:
                raise LogUnavailable(f"{topic}/{partition} ends at {at} before {bounds.end}")
            found += chunk
            at = chunk[-1].offset + 1
    return found


def _delivery(received: Received) -> Delivery:
    data = received.json()["data"]
    alarm = msgspec.convert(data["alarm"], Alarm)
    return Delivery(data["notice"], Change(data["reason"]), data["recipient"], alarm, received)


def new_command() -> str:
    """The id of a command."""
    return uuid.uuid4().hex
