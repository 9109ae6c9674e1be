"""A console under test: plant, real log, real uvicorn on a free port, and people who are logged in."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from console.app import Console, create_console
from console.config import ConsoleConfig
from console.ports import Clock, Health, History, ReadBookSnapshot
from console.roles import Role
from console.serve import serve
from console.users import Users
from console.userstore import UserStore
from schemas.alarms import Alarm
from schemas.time import HOUR
from tests.console.clock import SystemClock
from tests.console.plant import Plant

PASSWORD = "correct horse battery"


@dataclass(slots=True)
class Person:
    """Somebody's HTTP session."""

    http: aiohttp.ClientSession
    base: str
    csrf: str = ""

    @property
    def cookie(self) -> str:
        return "; ".join(f"{c.key}={c.value}" for c in self.http.cookie_jar)

    async def log_in(self, name: str, password: str = PASSWORD, **headers: str) -> aiohttp.ClientResponse:
        body = {"name": name, "password": password}
        async with self.http.post(f"{self.base}/api/login", json=body, headers={"X-CSRF": "x", **headers}) as response:
            answer = await response.json()
            if response.status == 200:
                self.csrf = answer["csrf"]
            return response

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.http.get(self.base + path) as response:
            return response.status, await response.json(content_type=None)

    async def send(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        sent = {"X-CSRF": self.csrf, "Origin": self.base, **headers}
        async with self.http.request(method, self.base + path, json=body, headers=sent) as response:
            text = await response.text()
            return response.status, json.loads(text) if text else None

    async def acknowledge(self, alarm: Alarm, command: str = "", comment: str = "") -> tuple[int, Any]:
        body = {
            "episode": alarm.episode,
            "revision": alarm.revision,
            "comment": comment,
            "command_id": command or uuid.uuid4().hex,
        }
        return await self.send("POST", f"/api/alarms/{alarm.id}/acknowledge", body)

    def socket(self, **headers: str) -> Any:
        return self.http.ws_connect(f"{self.base}/api/live", headers={"Origin": self.base, **headers}, max_msg_size=0)


class Desk:
    """The running console with its plant."""

    def __init__(self, plant: Plant, console: Console, port: int, serving: asyncio.Task[None]) -> None:
        self.plant = plant
        self.console = console
        self.serving = serving
        self.base = f"http://127.0.0.1:{port}"
        self._sessions: list[aiohttp.ClientSession] = []

    def stranger(self) -> Person:
        http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        self._sessions.append(http)
        return Person(http, self.base)

    async def person(self, role: Role = Role.OPERATOR) -> Person:
        """Somebody with this role, logged in; the user has the role's name."""
        person = self.stranger()
        assert (await person.log_in(role.value)).status == 200
        return person

    async def shown(self, alarm: Alarm) -> None:
        """Wait until the console has this revision of an alarm."""
        await until(lambda: _has(self.console, alarm))

    async def close(self) -> None:
        for http in self._sessions:
            await http.close()


def _has(console: Console, alarm: Alarm) -> bool:
    item = console.live.alarms.find(alarm.id)
    return item is not None and (item.onset_cause, item.revision) >= (alarm.onset_cause, alarm.revision)


async def until(what: Any, seconds: float = 20.0) -> None:
    """Poll until `what()` is true."""
    async with asyncio.timeout(seconds):
        while not what():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@asynccontextmanager
async def open_desk(
    directory: Path,
    *,
    config: ConsoleConfig | None = None,
    clock: Clock | None = None,
    history: History | None = None,
    health: Health | None = None,
    read_snapshot: ReadBookSnapshot | None = None,
    plant: Plant | None = None,
    session_ns: int = 24 * HOUR,
    live: bool = True,
) -> AsyncIterator[Desk]:
    """A console on a free port, with a user per role; `live=False` leaves the plant without its heartbeat."""
    plant = plant or await Plant.open(directory / "log")
    clock = clock or SystemClock()
    store = UserStore(directory / "users.sqlite")
    for role in Role:
        if store.user(role.value) is None:
            store.add_user(role.value, role, PASSWORD, clock.now_ns())
    users = Users(store, clock, session_ns)
    console = create_console(
        config or ConsoleConfig(port=0),
        plant.log,
        users,
        clock,
        history=history,
        health=health,
        read_snapshot=read_snapshot,
    )
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(console, started=port.set_result))
    beating = asyncio.create_task(plant.run()) if live else None
    desk = Desk(plant, console, await port, serving)
    try:
        await until(lambda: console.live.ready or serving.done())
        yield desk
    finally:
        await desk.close()
        for task in (serving, beating):
            if task is not None:
                task.cancel()
        await asyncio.gather(*(t for t in (serving, beating) if t), return_exceptions=True)
        await plant.log.close()
