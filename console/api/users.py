"""The users, for administrators."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from console.api.login import EXPIRED, MIN_PASSWORD
from console.auth import Admin, gate_of
from console.errors import ApiError
from console.hub import Hub
from console.roles import Role
from console.userstore import UserExists

Name = Annotated[str, Path(min_length=1, max_length=100)]


class UserOut(BaseModel):
    name: str
    role: Role
    disabled: bool


class NewUser(BaseModel):
    name: str = Field(min_length=1, max_length=100, pattern=r"^[\w.@-]+$")
    role: Role
    password: str = Field(min_length=MIN_PASSWORD, max_length=500)


class UserChange(BaseModel):
    """What is null stays as it is. A change of role, password or `disabled` ends the user's sessions."""

    role: Role | None = None
    disabled: bool | None = None
    password: str | None = Field(default=None, min_length=MIN_PASSWORD, max_length=500)


def router(hub: Hub) -> APIRouter:
    api = APIRouter(tags=["users"])

    @api.get("/api/users")
    async def all_users(_: Admin, request: Request) -> list[UserOut]:
        store = gate_of(request).users.store
        found = await store.call(store.users)
        return [UserOut(name=user.name, role=user.role, disabled=user.disabled) for user in found]

    @api.post("/api/users", status_code=201)
    async def add_user(session: Admin, body: NewUser, request: Request) -> UserOut:
        users, now = gate_of(request).users, request.app.state.clock.now_ns()
        try:
            await users.store.call(partial(users.store.add_user, body.name, body.role, body.password, now))
        except UserExists:
            raise ApiError(409, "user_exists", "用户名已存在", "there is already a user of that name") from None
        await users.store.call(partial(users.store.note, now, session.user.name, "user added", body.name))
        return UserOut(name=body.name, role=body.role, disabled=False)

    @api.patch("/api/users/{name}")
    async def change_user(session: Admin, name: Name, body: UserChange, request: Request) -> UserOut:
        users, now = gate_of(request).users, request.app.state.clock.now_ns()
        known = await users.store.call(partial(users.store.user, name))
        if known is None:
            raise ApiError(404, "unknown_user", "没有此用户", "there is no such user")
        role = known.role if body.role is None else body.role
        disabled = known.disabled if body.disabled is None else body.disabled
        if name == session.user.name and (role is not known.role or disabled):
            raise ApiError(422, "own_role", "不能停用或降级自己", "nobody can demote or disable themselves")
        await users.store.call(partial(users.store.set_role, name, role, disabled))
        if body.password is not None:
            await users.store.call(partial(users.store.set_password, name, body.password))
        await users.store.call(partial(users.store.note, now, session.user.name, "user changed", name))
        for ended in await users.end_sessions_of(name):
            hub.close_session(ended.id, EXPIRED)
        return UserOut(name=name, role=role, disabled=disabled)

    return api
