"""Is it well: a short public answer, and the parts for those who are logged in."""

from __future__ import annotations

from enum import StrEnum

from fastapi import APIRouter
from pydantic import BaseModel

from console.auth import Reader
from console.config import ConsoleConfig
from console.hub import Hub
from console.live import Live
from console.ports import Clock, Health, PartState
from schemas.time import MS


class Status(StrEnum):
    OK = "ok"
    STARTING = "starting"
    STALE = "stale"


class Short(BaseModel):
    status: Status


class PartOut(BaseModel):
    name: str
    state: PartState
    zh: str
    en: str


class Long(BaseModel):
    status: Status
    screens: int
    audible_screens: int
    skipped_records: int
    parts: list[PartOut]


def router(config: ConsoleConfig, live: Live, hub: Hub, clock: Clock, health: Health | None) -> APIRouter:
    api = APIRouter(tags=["health"])

    def status() -> Status:
        if not live.ready:
            return Status.STARTING
        marks = live.marks.marks()
        age_s = (clock.now_ns() // MS - min(marks.readings, marks.rules, marks.book)) / 1000
        return Status.OK if age_s <= config.pipeline_stale_s else Status.STALE

    @api.get("/api/health")
    async def short() -> Short:
        """Public. `stale`: the pipeline behind this server has fallen silent."""
        return Short(status=status())

    @api.get("/api/status")
    async def long(_: Reader) -> Long:
        parts = health.parts() if health else ()
        screens = hub.screens
        return Long(
            status=status(),
            screens=len(screens),
            audible_screens=sum(screen.sound == "on" for screen in screens),
            skipped_records=live.skipped,
            parts=[PartOut(name=p.name, state=p.state, zh=p.detail.zh, en=p.detail.en) for p in parts],
        )

    return api
