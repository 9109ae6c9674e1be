"""What happened: transitions, newest first; from the historian, else the newest ones from memory."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from console.auth import Reader
from console.live import Live
from console.ports import Clock, History, HistoryUnavailable
from schemas.alarms import Transition
from schemas.time import DAY, MS

log = logging.getLogger(__name__)


def router(live: Live, clock: Clock, history: History | None) -> APIRouter:
    api = APIRouter(tags=["journal"])

    @api.get("/api/journal", response_class=JSONResponse)
    async def journal(
        _: Reader,
        before: Annotated[int | None, Query(ge=0, description="ms UTC; the newest by default")] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        alarm: Annotated[str, Query(max_length=100)] = "",
        enterprise: Annotated[str, Query(max_length=200)] = "",
    ) -> Response:
        """`{"source": "history" | "memory", "transitions": [...]}`; memory holds only the newest."""
        before_ns = clock.now_ns() + DAY if before is None else before * MS
        source, found = "memory", _remembered(live, before_ns, limit, alarm, enterprise)
        if history is not None:
            try:
                found = await history.journal(before_ns=before_ns, limit=limit, alarm=alarm, enterprise=enterprise)
                source = "history"
            except HistoryUnavailable as error:
                log.warning("journal from memory: %s", error)
        body = msgspec.json.encode({"source": source, "transitions": found})
        return Response(body, media_type="application/json")

    return api


def _remembered(live: Live, before_ns: int, limit: int, alarm: str, enterprise: str) -> Sequence[Transition]:
    found = [
        transition
        for transition in live.alarms.recent
        if transition.at_ns < before_ns
        and alarm in ("", transition.alarm.id)
        and enterprise in ("", transition.alarm.place.enterprise)
    ]
    found.sort(key=lambda transition: transition.at_ns, reverse=True)
    return found[:limit]
