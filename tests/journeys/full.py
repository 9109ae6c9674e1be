"""The full stack: Mosquitto, Kafka and PostgreSQL of their own, and each role a supervised process beside them."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hazwatch import runfiles
from tests.journeys.park import Park
from tests.journeys.processes import Supervised, command, hazwatch, tree
from tests.journeys.system import HOOK, System
from tests.parts.kafka import Kafka
from tests.parts.mosquitto import Mosquitto
from tests.parts.net import free_port
from tests.parts.postgres import Postgres
from tests.parts.server import Server
from tests.parts.webhook_sink import WebhookSink

ROLES = ("ingest", "evaluate", "alarm", "historian", "console")
STOP_S = 30.0


class Full(System):
    """`hazwatch run ROLE` for every role, over real parts that live as long as this object."""

    name = "full"

    def __init__(self, folder: Path, sink: WebhookSink, park: Park) -> None:
        super().__init__(folder, sink, park)
        self._console = free_port()
        self._parts: dict[type[Server], Server] = {}
        self._roles: dict[str, Supervised] = {}

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._console}"

    @property
    def mqtt_port(self) -> int:
        return self._parts[Mosquitto].port

    @property
    def database(self) -> str:
        postgres = self._parts[Postgres]
        assert isinstance(postgres, Postgres)
        return postgres.url()

    @property
    def ports(self) -> Sequence[int]:
        return (self._console,)

    def process_of(self, role: str) -> str:
        return role

    @property
    def processes(self) -> Sequence[str]:
        return ROLES

    async def _start(self) -> None:
        await self._start_parts()
        for role in ROLES:
            runfiles.withdraw(self.data.root, role)
            argv = command("run", role, "--config", str(self.file), "--data", str(self.data.root))
            if role == "console":
                argv += ["--console", f"127.0.0.1:{self._console}"]
            self._roles[role] = Supervised(role, argv, self.folder / f"{role}.log", self._failpoints.environment)

    async def _start_parts(self) -> None:
        """The parts, topics and first revision; once."""
        if self._parts:
            return
        for kind in (Mosquitto, Kafka, Postgres):
            self._parts[kind] = kind()
        async with asyncio.TaskGroup() as starting:
            for part in self._parts.values():
                starting.create_task(asyncio.to_thread(part.start))
        self.park = replace(
            self.park,
            mqtt_port=self.mqtt_port,
            webhook_url=self.sink.url(HOOK),
            bootstrap=f"127.0.0.1:{self._parts[Kafka].port}",
            database_url=self.database,
        )
        self.park.write(self.folder)
        made = await hazwatch("topics", "create", "--config", str(self.file))
        assert made.code == 0, made
        applied = await self.command("apply")
        assert applied.code == 0, applied

    async def _stop(self) -> None:
        deadline = time.monotonic() + STOP_S
        for role in self._roles.values():
            role.ask_to_stop()
        for role in self._roles.values():
            await role.stopped(max(0.1, deadline - time.monotonic()))
        self._roles.clear()

    def _postmaster(self) -> int:
        return self._parts[Postgres].pid

    def everything(self) -> list[int]:
        return [pid for role in self._roles.values() if role.pid is not None for pid in tree(role.pid)]

    async def close(self) -> None:
        await self._leave()
        await self._stop()
        for part in self._parts.values():
            await asyncio.to_thread(part.close)
        shutil.rmtree(self.folder, ignore_errors=True)
