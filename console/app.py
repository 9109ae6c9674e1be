"""The console put together: live state, screens, sessions and the HTTP application."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from fastapi import FastAPI, WebSocket
from fastapi.exceptions import RequestValidationError
from starlette.types import ASGIApp

from console import pages
from console.api import alarms, journal, login, tags
from console.api import health as health_api
from console.api import users as users_api
from console.auth import Gate
from console.commands import Commands
from console.config import ConsoleConfig
from console.errors import ApiError, api_error_response, validation_response
from console.hub import Hub
from console.live import Live
from console.ports import Clock, Health, History, Meter, ReadBookSnapshot
from console.security import BodyLimit, SecurityHeaders
from console.socket import serve_screen
from console.users import Users
from eventlog.port import EventLog

KEEP_SESSIONS_S = 5.0


@dataclass(frozen=True, slots=True)
class Console:
    """The running parts. `app` serves nothing live unless `run` runs beside it."""

    app: FastAPI
    config: ConsoleConfig
    live: Live
    hub: Hub
    users: Users

    async def run(self) -> None:
        """Follow the log and feed the screens, for ever; an error of any part ends it."""
        await self.users.load()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.live.run(), name="live")
            group.create_task(self.hub.run(), name="hub")
            group.create_task(self._keep_sessions(), name="sessions")

    async def _keep_sessions(self) -> None:
        while True:
            await asyncio.sleep(KEEP_SESSIONS_S)
            for ended in await self.users.keep():
                self.hub.close_session(ended.id, login.EXPIRED)


def create_console(
    config: ConsoleConfig,
    log: EventLog,
    users: Users,
    clock: Clock,
    *,
    history: History | None = None,
    health: Health | None = None,
    read_snapshot: ReadBookSnapshot | None = None,
    metrics: ASGIApp | None = None,
    meter: Meter | None = None,
) -> Console:
    """Build everything; nothing runs yet. `metrics` is mounted at `/metrics`."""
    live = Live(config, log, clock, read_snapshot)
    hub = Hub(config, live, clock, meter)
    commands = Commands(log, live.answers, clock, config.answer_s)
    app = FastAPI(title="Hazwatch console", version="1", docs_url=None, redoc_url=None)
    app.state.gate = Gate(config, users)
    app.state.clock = clock
    app.add_exception_handler(ApiError, api_error_response)
    app.add_exception_handler(RequestValidationError, validation_response)
    app.add_middleware(BodyLimit)
    app.add_middleware(SecurityHeaders, tls=config.tls)

    @app.websocket("/api/live")
    async def live_socket(socket: WebSocket) -> None:
        await serve_screen(socket, config, hub)

    app.include_router(login.router(hub))
    app.include_router(alarms.router(live, commands))
    app.include_router(tags.router(live, clock, history))
    app.include_router(journal.router(live, clock, history))
    app.include_router(users_api.router(hub))
    app.include_router(health_api.router(config, live, hub, clock, health))
    if metrics is not None:
        app.mount("/metrics", metrics)
    app.include_router(pages.router())
    return Console(app, config, live, hub, users)
