"""Users and sessions: in a file of the console's own, so that log-in never needs the database."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from console.roles import Role
from console.users import FREE_TRIES, LoggedIn, Rejected, Users, ensure_admin
from console.userstore import UserExists, UserStore
from schemas.time import HOUR, MINUTE, SECOND


class HandClock:
    def __init__(self) -> None:
        self.ns = 1_700_000_000 * SECOND

    def now_ns(self) -> int:
        return self.ns

    def monotonic_ns(self) -> int:
        return self.ns


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def users(tmp_path: Path, clock: HandClock) -> AsyncIterator[Users]:
    store = UserStore(tmp_path / "users.sqlite")
    store.add_user("wang", Role.OPERATOR, "secret password", clock.now_ns())
    yield Users(store, clock, 8 * HOUR, 30 * MINUTE)
    store.close()


async def logged_in(users: Users, address: str = "10.0.0.1") -> LoggedIn:
    outcome = await users.log_in("wang", "secret password", address)
    assert isinstance(outcome, LoggedIn)
    return outcome


def on_disk(folder: Path, text: str) -> bool:
    return any(text.encode() in file.read_bytes() for file in folder.glob("users.sqlite*"))


def test_the_first_password_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "users.sqlite"
    password = ensure_admin(path)
    assert password is not None and len(password) >= 16
    assert ensure_admin(path) is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    store = UserStore(path)
    user = store.verify("admin", password)
    assert user is not None and user.role is Role.ADMIN
    assert store.verify("admin", password + "x") is None
    assert password.encode() not in path.read_bytes()
    store.close()


async def test_a_session_ends_when_idle_or_old(users: Users, clock: HandClock) -> None:
    first = await logged_in(users)
    for _ in range(20):
        clock.ns += 20 * MINUTE
        assert users.session(first.token) is not None
    clock.ns += 31 * MINUTE
    assert users.session(first.token) is None
    second = await logged_in(users)
    for _ in range(23):
        clock.ns += 20 * MINUTE
        assert users.session(second.token) is not None
    clock.ns += 20 * MINUTE
    assert users.session(second.token) is None
    assert {ended.id for ended in await users.keep()} == {first.session.id, second.session.id}


async def test_sessions_survive_a_restart_and_tokens_are_not_stored(
    users: Users, clock: HandClock, tmp_path: Path
) -> None:
    outcome = await logged_in(users)
    again = Users(users.store, clock, 8 * HOUR, 30 * MINUTE)
    await again.load()
    found = again.session(outcome.token)
    assert found is not None and found.user.name == "wang"
    assert not on_disk(tmp_path, outcome.token)
    await again.log_out(found)
    third = Users(users.store, clock)
    await third.load()
    assert third.session(outcome.token) is None


async def test_wrong_passwords_are_slowed_down_per_address(users: Users, clock: HandClock) -> None:
    waits = []
    for _ in range(FREE_TRIES + 3):
        outcome = await users.log_in("wang", "wrong", "10.0.0.9")
        assert isinstance(outcome, Rejected)
        waits.append(outcome.retry_s)
        clock.ns += outcome.retry_s * SECOND
    assert waits == [0] * (FREE_TRIES - 1) + [1, 2, 4, 8]
    outcome = await users.log_in("wang", "wrong", "10.0.0.9")
    assert isinstance(outcome, Rejected) and outcome.retry_s == 16
    locked = await users.log_in("wang", "secret password", "10.0.0.9")
    assert isinstance(locked, Rejected)
    await logged_in(users, "10.0.0.1")


async def test_success_forgets_failures(users: Users) -> None:
    for _ in range(FREE_TRIES - 1):
        await users.log_in("wang", "wrong", "10.0.0.9")
    await logged_in(users, "10.0.0.9")
    outcome = await users.log_in("wang", "wrong", "10.0.0.9")
    assert outcome == Rejected(0)


async def test_unknown_and_disabled_users_are_told_the_same(users: Users) -> None:
    users.store.set_role("wang", Role.OPERATOR, True)
    assert await users.log_in("wang", "secret password", "a") == Rejected(0)
    assert await users.log_in("nobody", "secret password", "b") == Rejected(0)


def test_a_name_is_given_once(tmp_path: Path) -> None:
    store = UserStore(tmp_path / "users.sqlite")
    store.add_user("li", Role.VIEWER, "x", 1)
    with pytest.raises(UserExists, match="li"):
        store.add_user("li", Role.ADMIN, "y", 2)
    store.close()
