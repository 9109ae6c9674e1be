"""Who is asking: cookie, origin, CSRF header, permission. Also for the WebSocket's handshake."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.requests import HTTPConnection
from starlette.responses import Response

from console.config import ConsoleConfig
from console.errors import forbidden, missing_csrf, not_logged_in, wrong_origin
from console.roles import Permission, allows
from console.users import LoggedIn, Session, Users

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Gate:
    """Reads and writes the session cookie and checks where a request comes from."""

    def __init__(self, config: ConsoleConfig, users: Users) -> None:
        self.users = users
        self._origins = frozenset(config.origins)
        self._secure = config.tls or any(origin.startswith("https://") for origin in config.origins)
        self.cookie = "__Host-hazwatch" if self._secure else "hazwatch"
        self._max_age = round(config.session_hours * 3600)

    def session(self, connection: HTTPConnection) -> Session | None:
        token = connection.cookies.get(self.cookie, "")
        return self.users.session(token) if token else None

    def origin_allowed(self, connection: HTTPConnection, *, required: bool) -> bool:
        """The `Origin` header is this host or a configured one. Browsers always send it with what changes anything."""
        origin = connection.headers.get("origin", "")
        if not origin:
            return not required
        return origin in self._origins or urlsplit(origin).netloc == connection.headers.get("host", "")

    def set_cookie(self, response: Response, logged_in: LoggedIn) -> None:
        response.set_cookie(
            self.cookie,
            logged_in.token,
            max_age=self._max_age,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="strict",
        )

    def drop_cookie(self, response: Response) -> None:
        response.delete_cookie(self.cookie, path="/", secure=self._secure, httponly=True, samesite="strict")


def gate_of(connection: HTTPConnection) -> Gate:
    gate = connection.app.state.gate
    assert isinstance(gate, Gate)
    return gate


def check_csrf(request: Request, expected: str) -> None:
    if not hmac.compare_digest(request.headers.get("x-csrf", "").encode(), expected.encode()):
        raise missing_csrf()


def allowed(permission: Permission) -> Callable[[Request], Session]:
    """A dependency: the session of a user who has `permission`; for what changes anything, from this site only."""

    def check(request: Request) -> Session:
        gate = gate_of(request)
        unsafe = request.method not in SAFE
        if unsafe and not gate.origin_allowed(request, required=False):
            raise wrong_origin()
        session = gate.session(request)
        if session is None:
            raise not_logged_in()
        if unsafe:
            check_csrf(request, session.csrf)
        if not allows(session.user.role, permission):
            raise forbidden()
        return session

    return check


Reader = Annotated[Session, Depends(allowed(Permission.READ))]
Operator = Annotated[Session, Depends(allowed(Permission.ACKNOWLEDGE))]
Admin = Annotated[Session, Depends(allowed(Permission.MANAGE_USERS))]
