"""Log-in, sessions and the first user."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from console.ports import Clock
from console.roles import Role
from console.userstore import Failures, StoredSession, User, UserStore
from schemas.time import DAY, HOUR, MINUTE, SECOND

FIRST_USER = "admin"
PASSWORD_LENGTH = 12
FREE_TRIES = 5
FREE_TRIES_ANYWHERE = 30
LONGEST_LOCK_NS = 15 * MINUTE
TOUCH_NS = MINUTE


def ensure_admin(path: Path) -> str | None:
    """The first password, made when the file holds no user yet; None when it does. Blocks; for the command line."""
    store = UserStore(path)
    try:
        if store.users():
            return None
        password = "-".join(secrets.token_hex(2) for _ in range(4))
        store.add_user(FIRST_USER, Role.ADMIN, password, time.time_ns())
        return password
    finally:
        store.close()


@dataclass(frozen=True, slots=True)
class Session:
    """Who is at a browser. `token_hash` names the session; the token itself is only in the browser's cookie."""

    token_hash: bytes
    user: User
    csrf: str
    created_ns: int

    @property
    def id(self) -> str:
        return self.token_hash.hex()


@dataclass(frozen=True, slots=True)
class LoggedIn:
    token: str
    session: Session


@dataclass(frozen=True, slots=True)
class Rejected:
    """Wrong name or password, or too many tries: wait `retry_s` (0: try again now)."""

    retry_s: int


class Users:
    """Users and their sessions; sessions are also in memory, so a request costs no disk."""

    def __init__(self, store: UserStore, clock: Clock, session_ns: int = 24 * HOUR, idle_ns: int = HOUR) -> None:
        self.store = store
        self._clock = clock
        self._session_ns = session_ns
        self._idle_ns = idle_ns
        self._sessions: dict[bytes, Session] = {}
        self._used: dict[bytes, int] = {}
        self._stored_use: dict[bytes, int] = {}

    async def load(self) -> None:
        """Take up the sessions of the last run, so that a restart throws nobody out."""
        users = {user.name: user for user in await self.store.call(self.store.users)}
        for stored in await self.store.call(self.store.sessions):
            user = users.get(stored.name)
            if user is not None and not user.disabled:
                self._sessions[stored.token_hash] = Session(stored.token_hash, user, stored.csrf, stored.created_ns)
                self._used[stored.token_hash] = self._stored_use[stored.token_hash] = stored.used_ns

    async def log_in(self, name: str, password: str, address: str) -> LoggedIn | Rejected:
        """A new session, or why not. Tries are counted per name and address, and more generously per name."""
        now = self._clock.now_ns()
        keys = {f"{name}@{address}": FREE_TRIES, f"{name}@*": FREE_TRIES_ANYWHERE}
        for key in keys:
            known = await self.store.call(partial(self.store.failures, key))
            if known.until_ns > now:
                return Rejected(-(-(known.until_ns - now) // SECOND))
        user = await self.store.call(partial(self.store.verify, name, password))
        if user is None:
            return Rejected(await self._count_failure(keys, name, now))
        await self.store.call(partial(self.store.forget_failures, list(keys), now - DAY))
        return await self._open(user, now)

    async def _count_failure(self, keys: dict[str, int], name: str, now: int) -> int:
        wait_s = 0
        for key, free in keys.items():
            count = (await self.store.call(partial(self.store.failures, key))).count + 1
            lock_ns = min(LONGEST_LOCK_NS, SECOND << min(count - free, 20)) if count >= free else 0
            await self.store.call(partial(self.store.put_failures, key, Failures(count, now + lock_ns), now))
            wait_s = max(wait_s, -(-lock_ns // SECOND))
        await self.store.call(partial(self.store.note, now, name[:200], "log-in failed"))
        return wait_s

    async def _open(self, user: User, now: int) -> LoggedIn:
        token = secrets.token_urlsafe(32)
        session = Session(_hash(token), user, secrets.token_urlsafe(24), now)
        stored = StoredSession(session.token_hash, user.name, session.csrf, now, now)
        await self.store.call(partial(self.store.put_session, stored))
        await self.store.call(partial(self.store.note, now, user.name, "log-in"))
        self._sessions[session.token_hash] = session
        self._used[session.token_hash] = self._stored_use[session.token_hash] = now
        return LoggedIn(token, session)

    def session(self, token: str, *, use: bool = True) -> Session | None:
        """The session of a cookie's token, if it is still good; `use` keeps it from becoming idle."""
        session = self._sessions.get(_hash(token))
        if session is None or not self.alive(session):
            return None
        if use:
            self.use(session)
        return session

    def use(self, session: Session) -> None:
        self._used[session.token_hash] = self._clock.now_ns()

    def alive(self, session: Session) -> bool:
        """Still known, neither too old nor idle for too long."""
        now = self._clock.now_ns()
        used = self._used.get(session.token_hash)
        return used is not None and now - session.created_ns < self._session_ns and now - used < self._idle_ns

    async def log_out(self, session: Session) -> None:
        self._forget([session.token_hash])
        await self.store.call(partial(self.store.delete_sessions, [session.token_hash]))

    async def end_sessions_of(self, name: str) -> list[Session]:
        """Ends them, because role or password changed; returns which."""
        ended = [session for session in self._sessions.values() if session.user.name == name]
        self._forget([session.token_hash for session in ended])
        await self.store.call(partial(self.store.delete_sessions, [session.token_hash for session in ended]))
        return ended

    async def keep(self) -> list[Session]:
        """Write down what was used and drop what has ended; call it every few seconds. Returns what was dropped."""
        dead = [session for session in self._sessions.values() if not self.alive(session)]
        self._forget([session.token_hash for session in dead])
        if dead:
            await self.store.call(partial(self.store.delete_sessions, [session.token_hash for session in dead]))
        for session in list(self._sessions.values()):
            used = self._used[session.token_hash]
            if used - self._stored_use[session.token_hash] > TOUCH_NS:
                self._stored_use[session.token_hash] = used
                stored = StoredSession(session.token_hash, session.user.name, session.csrf, session.created_ns, used)
                await self.store.call(partial(self.store.put_session, stored))
        return dead

    def _forget(self, hashes: list[bytes]) -> None:
        for value in hashes:
            self._sessions.pop(value, None)
            self._used.pop(value, None)
            self._stored_use.pop(value, None)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
