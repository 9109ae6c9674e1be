"""Log-in, log-out, who am I, and one's own password."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from console.auth import Gate, Reader, gate_of
from console.errors import ApiError, missing_csrf, wrong_origin
from console.hub import Hub
from console.roles import PERMISSIONS, Permission, Role
from console.users import Rejected, Session

EXPIRED = 4401
MIN_PASSWORD = 8


class Credentials(BaseModel):
    name: str = Field(min_length=1, max_length=100)
    password: str = Field(min_length=1, max_length=500)


class NewPassword(BaseModel):
    old: str = Field(max_length=500)
    new: str = Field(min_length=MIN_PASSWORD, max_length=500)


class Me(BaseModel):
    """The user of this session; `csrf` goes into the `X-CSRF` header of everything that changes something."""

    name: str
    role: Role
    permissions: list[Permission]
    csrf: str


def me(session: Session) -> Me:
    role = session.user.role
    return Me(name=session.user.name, role=role, permissions=sorted(PERMISSIONS[role]), csrf=session.csrf)


def router(hub: Hub) -> APIRouter:
    api = APIRouter(tags=["session"])

    @api.post("/api/login")
    async def log_in(credentials: Credentials, request: Request, response: Response) -> Me:
        """Needs any `X-CSRF` header: another site cannot send one, so it cannot log a browser in as somebody else."""
        gate = gate_of(request)
        if not gate.origin_allowed(request, required=False):
            raise wrong_origin()
        if "x-csrf" not in request.headers:
            raise missing_csrf()
        address = request.client.host if request.client else ""
        outcome = await gate.users.log_in(credentials.name, credentials.password, address)
        if isinstance(outcome, Rejected):
            raise _refusal(outcome)
        await _end_old(gate, request, hub)
        gate.set_cookie(response, outcome)
        return me(outcome.session)

    @api.post("/api/logout", status_code=204)
    async def log_out(session: Reader, request: Request, response: Response) -> None:
        gate = gate_of(request)
        await gate.users.log_out(session)
        hub.close_session(session.id, EXPIRED)
        gate.drop_cookie(response)

    @api.get("/api/me")
    async def who_am_i(session: Reader) -> Me:
        return me(session)

    @api.post("/api/password", status_code=204)
    async def change_password(body: NewPassword, session: Reader, request: Request, response: Response) -> None:
        """Ends all other sessions of the user."""
        users, name = gate_of(request).users, session.user.name
        if await users.store.call(partial(users.store.verify, name, body.old)) is None:
            raise ApiError(403, "wrong_password", "原密码不正确", "the old password is wrong")
        await users.store.call(partial(users.store.set_password, name, body.new))
        for ended in await users.end_sessions_of(name):
            hub.close_session(ended.id, EXPIRED)
        address = request.client.host if request.client else ""
        outcome = await users.log_in(name, body.new, address)
        if not isinstance(outcome, Rejected):
            gate_of(request).set_cookie(response, outcome)

    return api


async def _end_old(gate: Gate, request: Request, hub: Hub) -> None:
    """A log-in gets a new session; the browser's former one ends."""
    old = gate.session(request)
    if old is not None:
        await gate.users.log_out(old)
        hub.close_session(old.id, EXPIRED)


def _refusal(outcome: Rejected) -> ApiError:
    if outcome.retry_s:
        headers = {"Retry-After": str(outcome.retry_s)}
        zh, en = f"尝试次数过多，请在 {outcome.retry_s} 秒后重试", f"too many tries; try again in {outcome.retry_s} s"
        return ApiError(429, "too_many_tries", zh, en, headers)
    return ApiError(401, "wrong_password", "用户名或密码错误", "wrong name or password")
