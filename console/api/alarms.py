"""The active alarms, one alarm whole, and acknowledging."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from console.auth import Operator, Reader
from console.commands import Commands
from console.errors import ApiError
from console.live import Live
from eventlog.port import LogError
from schemas.alarms import Answer, Command, CommandKind, Outcome
from schemas.time import MS

STATUS = {
    Outcome.APPLIED: 200,
    Outcome.REPEATED: 200,
    Outcome.STALE: 409,
    Outcome.UNKNOWN: 404,
    Outcome.REFUSED: 422,
}
JSON = "application/json"
CommandId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")]


class Acknowledge(BaseModel):
    """What was seen (episode, revision), and an id of the client's making that makes a repeat harmless."""

    episode: str = Field(max_length=100)
    revision: int = Field(ge=1)
    comment: str = Field(default="", max_length=2000)
    command_id: CommandId


class CommandResult(BaseModel):
    """`outcome` is null while the answer is awaited: ask again at `GET /api/commands/{id}`."""

    command: str
    outcome: Outcome | None
    zh: str = ""
    en: str = ""
    alarm: str = ""
    episode: str = ""
    revision: int = 0
    at: int = 0


RESULTS: dict[int | str, dict[str, Any]] = {status: {"model": CommandResult} for status in (202, 404, 409, 422)}


def router(live: Live, commands: Commands) -> APIRouter:
    api = APIRouter(tags=["alarms"])

    @api.get("/api/alarms", response_class=JSONResponse)
    async def active_alarms(_: Reader) -> Response:
        """Every alarm that is not normal, never cut by time. Times in ms UTC."""
        items = [item.raw for item in live.alarms.listed.values()]
        return Response(msgspec.json.encode({"ready": live.ready, "alarms": items}), media_type=JSON)

    @api.get("/api/alarms/{alarm_id}", response_class=JSONResponse)
    async def one_alarm(_: Reader, alarm_id: Annotated[str, Path(max_length=100)]) -> Response:
        """The complete alarm as the log has it (times in ns UTC), with guidance and place."""
        alarm = live.alarms.find(alarm_id)
        if alarm is None:
            raise unknown_alarm()
        return Response(msgspec.json.encode(alarm), media_type=JSON)

    @api.post("/api/alarms/{alarm_id}/acknowledge", responses=RESULTS)
    async def acknowledge(
        session: Operator, alarm_id: Annotated[str, Path(max_length=100)], body: Acknowledge
    ) -> Response:
        """200 acknowledged, 409 it has risen or come again since, 404 no such alarm, 422 refused, 202 no answer yet."""
        command = Command(
            id=body.command_id,
            kind=CommandKind.ACKNOWLEDGE,
            alarm=alarm_id,
            episode=body.episode,
            revision=body.revision,
            actor=session.user.name,
            comment=body.comment,
            at_ns=commands.clock.now_ns(),
        )
        item = live.alarms.listed.get(alarm_id)
        if item is None and live.ready and live.alarms.find(alarm_id) is None:
            raise unknown_alarm()
        try:
            answer = await commands.ask(command, item.alarm if item else live.alarms.find(alarm_id))
        except LogError as error:
            raise ApiError(503, "log_unavailable", "事件日志不可用，命令可能未被记录", str(error)) from error
        return _result(command.id, answer)

    @api.get("/api/commands/{command_id}", responses=RESULTS)
    async def command_answer(_: Reader, command_id: Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{8,64}$")]) -> Response:
        """What became of a command; 202 while there is no answer."""
        return _result(command_id, live.answers.get(command_id))

    return api


def unknown_alarm() -> ApiError:
    return ApiError(404, "unknown", "没有此报警", "there is no such alarm")


def _result(command_id: str, answer: Answer | None) -> JSONResponse:
    if answer is None:
        return JSONResponse(CommandResult(command=command_id, outcome=None).model_dump(), 202)
    result = CommandResult(
        command=command_id,
        outcome=answer.outcome,
        zh=answer.reason.zh,
        en=answer.reason.en,
        alarm=answer.alarm,
        episode=answer.episode,
        revision=answer.revision,
        at=answer.at_ns // MS,
    )
    return JSONResponse(result.model_dump(), STATUS[answer.outcome])
