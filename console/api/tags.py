"""Tags, and the trend of one: history from the historian, the newest minutes from memory."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel

from console.auth import Reader
from console.errors import ApiError
from console.live import Live
from console.ports import Clock, History, HistoryUnavailable, TrendPoint
from schemas.time import DAY, MINUTE, MS

log = logging.getLogger(__name__)
MAX_POINTS = 2000
LONGEST = 3700 * DAY


class Trend(BaseModel):
    """Columns of equal length, oldest first: time in ms UTC, lowest, highest and last value of the step, worst quality.

    `missing` says why the columns may begin later than asked: `history_off` (no historian is configured) or
    `history_down` (it did not answer); null when nothing is missing.
    """

    tag: str
    start: int
    end: int
    live_from: int
    missing: str | None
    t: list[int]
    lo: list[float | None]
    hi: list[float | None]
    v: list[float | None]
    q: list[int]


def router(live: Live, clock: Clock, history: History | None) -> APIRouter:
    api = APIRouter(tags=["tags"])

    @api.get("/api/tags")
    async def registry(_: Reader) -> Response:
        """The registry in force: parks, enterprises, hazard sources, equipment, tags with their limits."""
        return Response(live.registry.encoded, media_type="application/json")

    @api.get("/api/tags/{name:path}/trend")
    async def trend(
        _: Reader,
        name: Annotated[str, Path(max_length=200)],
        start: Annotated[int | None, Query(alias="from", ge=0, description="ms UTC; 10 minutes ago by default")] = None,
        end: Annotated[int | None, Query(alias="to", ge=0, description="ms UTC; now by default")] = None,
        points: Annotated[int, Query(ge=10, le=MAX_POINTS)] = 1000,
    ) -> Trend:
        tag = live.registry.by_name.get(name)
        if tag is None:
            raise ApiError(404, "unknown_tag", "没有此位号", "there is no such tag")
        now_ns = clock.now_ns()
        end_ns = now_ns + MINUTE if end is None else end * MS
        start_ns = now_ns - 10 * MINUTE if start is None else start * MS
        if not start_ns < end_ns <= start_ns + LONGEST:
            raise ApiError(422, "invalid", "时间范围无效", "from must lie before to, by at most ten years")
        recent = live.ring.trend(live.latest.row(tag.number), start_ns, end_ns)
        live_from = recent[0].at_ns if recent else end_ns
        older, missing = await _older(history, tag.number, start_ns, min(live_from, end_ns), points)
        return _columns(name, start_ns, end_ns, live_from, missing, [*older, *recent])

    return api


async def _older(
    history: History | None, tag: int, start_ns: int, end_ns: int, points: int
) -> tuple[Sequence[TrendPoint], str | None]:
    if end_ns - start_ns < 5 * MINUTE // 60:
        return (), None
    if history is None:
        return (), "history_off"
    try:
        return await history.trend(tag, start_ns, end_ns, points), None
    except HistoryUnavailable as error:
        log.warning("trend of tag %d: %s", tag, error)
        return (), "history_down"


def _columns(
    name: str, start_ns: int, end_ns: int, live_from: int, missing: str | None, steps: Sequence[TrendPoint]
) -> Trend:
    return Trend(
        tag=name,
        start=start_ns // MS,
        end=end_ns // MS,
        live_from=live_from // MS,
        missing=missing,
        t=[step.at_ns // MS for step in steps],
        lo=[step.low for step in steps],
        hi=[step.high for step in steps],
        v=[step.last for step in steps],
        q=[step.quality for step in steps],
    )
