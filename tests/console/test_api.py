"""The HTTP API over a real server and a real log."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest

from console.config import ConsoleConfig
from console.ports import HistoryUnavailable, TrendPoint
from console.roles import PERMISSIONS, Permission, Role
from schemas.alarms import State, Transition
from schemas.text import Text
from schemas.time import MINUTE, MS
from tests.console.desk import PASSWORD, Desk, open_desk, until
from tests.console.plant import Plant

ROUTES: tuple[tuple[str, str, Permission | None, object], ...] = (
    ("GET", "/api/me", Permission.READ, None),
    ("GET", "/api/alarms", Permission.READ, None),
    ("GET", "/api/alarms/a-unknown", Permission.READ, None),
    ("GET", "/api/commands/unknown-command", Permission.READ, None),
    ("GET", "/api/tags", Permission.READ, None),
    ("GET", "/api/tags/CO-101/trend", Permission.READ, None),
    ("GET", "/api/journal", Permission.READ, None),
    ("GET", "/api/status", Permission.READ, None),
    ("GET", "/api/users", Permission.MANAGE_USERS, None),
    ("POST", "/api/password", Permission.READ, {"old": "wrong one", "new": "long enough"}),
    (
        "POST",
        "/api/alarms/a-unknown/acknowledge",
        Permission.ACKNOWLEDGE,
        {"episode": "e", "revision": 1, "command_id": "command-1"},
    ),
    ("POST", "/api/users", Permission.MANAGE_USERS, {"name": "new", "role": "viewer", "password": "short"}),
    ("PATCH", "/api/users/nobody", Permission.MANAGE_USERS, {}),
    ("POST", "/api/logout", Permission.READ, None),
    ("GET", "/api/health", None, None),
)
DENIED = {"not_logged_in", "forbidden", "missing_csrf", "wrong_origin"}


def refused(answer: object) -> bool:
    return isinstance(answer, dict) and answer.get("error") in DENIED


async def test_every_route_of_the_application_is_in_the_table(desk: Desk) -> None:
    _, document = await desk.stranger().get("/openapi.json")
    declared = {
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method in methods
        if path != "/api/login"
    }
    concrete = {
        (method, path.replace("a-unknown", "{alarm_id}").replace("unknown-command", "{command_id}"))
        for method, path, *_ in ROUTES
    }
    tidy = {(m, p.replace("CO-101", "{name}").replace("nobody", "{name}")) for m, p in concrete}
    assert declared == tidy


@pytest.mark.parametrize("role", [None, *Role])
async def test_the_matrix_of_roles_and_routes(desk: Desk, role: Role | None) -> None:
    person = desk.stranger() if role is None else await desk.person(role)
    for method, path, permission, body in ROUTES:
        status, answer = await person.send(method, path, body)
        may = permission is None or (role is not None and permission in PERMISSIONS[role])
        assert refused(answer) is not may, (role, method, path, status, answer)
        if not may:
            assert status == (401 if role is None else 403)


async def test_changes_need_the_csrf_header_and_this_site(desk: Desk) -> None:
    person = await desk.person(Role.ADMIN)
    for method, path, permission, body in ROUTES:
        if method == "GET" or permission is None:
            continue
        for headers, code in (
            ({"X-CSRF": ""}, "missing_csrf"),
            ({"X-CSRF": "guess"}, "missing_csrf"),
            ({"Origin": "https://evil.example"}, "wrong_origin"),
            ({"Origin": "null"}, "wrong_origin"),
        ):
            status, answer = await person.send(method, path, body, **headers)
            assert (status, answer["error"]) == (403, code), (method, path, headers)


async def test_log_in_needs_a_header_that_other_sites_cannot_send(desk: Desk) -> None:
    stranger = desk.stranger()
    body = {"name": "operator", "password": PASSWORD}
    async with stranger.http.post(f"{desk.base}/api/login", json=body) as response:
        assert response.status == 403
    assert (await stranger.log_in("operator", Origin="https://evil.example")).status == 403
    assert (await stranger.log_in("operator")).status == 200


async def test_the_cookie_and_its_end(desk: Desk) -> None:
    stranger = desk.stranger()
    response = await stranger.log_in("operator")
    cookie = response.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and "path=/" in cookie
    before = stranger.cookie
    await stranger.log_in("operator")
    assert stranger.cookie != before
    thief = desk.stranger()
    async with thief.http.get(f"{desk.base}/api/me", headers={"Cookie": before}) as old:
        assert old.status == 401
    assert (await stranger.send("POST", "/api/logout"))[0] == 204
    assert (await stranger.get("/api/me"))[0] == 401


async def test_tls_makes_the_cookie_secure(tmp_path: Path) -> None:
    config = ConsoleConfig(port=0, origins=("https://hazwatch.example",))
    async with open_desk(tmp_path, config=config) as desk:
        response = await desk.stranger().log_in("operator", Origin="https://hazwatch.example")
        cookie = response.headers["set-cookie"]
        assert cookie.startswith("__Host-hazwatch=") and "Secure" in cookie


async def test_too_many_tries_are_told_to_wait(desk: Desk) -> None:
    stranger = desk.stranger()
    statuses = [(await stranger.log_in("operator", "wrong")).status for _ in range(7)]
    assert statuses[0] == 401 and statuses[-1] == 429
    response = await stranger.log_in("operator")
    assert response.status == 429 and int(response.headers["retry-after"]) >= 1


async def test_acknowledge(desk: Desk) -> None:
    operator = await desk.person()
    alarm = await desk.plant.raise_alarm(1)
    await desk.shown(alarm)
    status, answer = await operator.acknowledge(alarm, comment="on my way")
    assert (status, answer["outcome"]) == (200, "applied")
    _, listed = await operator.get("/api/alarms")
    assert [(a["id"], a["state"], a["acknowledgedBy"], a["comment"]) for a in listed["alarms"]] == [
        (alarm.id, "acknowledged", "operator", "on my way")
    ]
    status, whole = await operator.get(f"/api/alarms/{alarm.id}")
    assert status == 200 and whole["guidance"]["response_s"] == 300.0


async def test_a_stale_acknowledgement_is_refused(desk: Desk) -> None:
    operator = await desk.person()
    seen = await desk.plant.raise_alarm(1, tier=2, level_name="high")
    await desk.plant.rise(seen)
    status, answer = await operator.acknowledge(seen)
    assert (status, answer["outcome"]) == (409, "stale")
    assert desk.plant.alarms[seen.id].state is State.UNACKNOWLEDGED


async def test_what_is_not_there_cannot_be_acknowledged(desk: Desk) -> None:
    operator = await desk.person()
    known = await desk.plant.raise_alarm(1)
    await desk.shown(known)
    never = desk.plant.make_alarm(2, 1, "high", None)
    assert (await operator.acknowledge(never))[0] == 404
    assert (await operator.acknowledge(known))[0] == 200
    again = desk.plant.alarms[known.id]
    status, answer = await operator.acknowledge(again)
    assert (status, answer["outcome"], answer["zh"]) == (422, "refused", "已确认")


async def test_a_repeated_command_gets_the_same_answer(desk: Desk) -> None:
    operator = await desk.person()
    alarm = await desk.plant.raise_alarm(1)
    command = uuid.uuid4().hex
    first = await operator.acknowledge(alarm, command)
    assert first == await operator.acknowledge(alarm, command)
    assert first[1] == (await operator.get(f"/api/commands/{command}"))[1]


async def test_no_answer_in_time_is_202_and_can_be_asked_again(tmp_path: Path) -> None:
    async with open_desk(tmp_path, config=ConsoleConfig(port=0, answer_s=0.2)) as desk:
        operator = await desk.person()
        alarm = await desk.plant.raise_alarm(1)
        desk.plant.answering.clear()
        command = uuid.uuid4().hex
        assert (await operator.acknowledge(alarm, command))[0] == 202
        assert (await operator.get(f"/api/commands/{command}"))[0] == 202
        desk.plant.answering.set()
        await until(lambda: desk.console.live.answers.get(command) is not None)
        status, answer = await operator.get(f"/api/commands/{command}")
        assert (status, answer["outcome"]) == (200, "applied")


async def test_fifty_acknowledge_at_once_and_one_wins(desk: Desk) -> None:
    operator = await desk.person()
    alarm = await desk.plant.raise_alarm(1)
    results = await asyncio.gather(*(operator.acknowledge(alarm) for _ in range(50)))
    outcomes = [answer["outcome"] for _, answer in results]
    assert outcomes.count("applied") == 1
    assert outcomes.count("stale") + outcomes.count("refused") == 49


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"episode": "e", "revision": 0, "command_id": "command-1"},
        {"episode": "e", "revision": 1, "command_id": "a b"},
        {"episode": "e", "revision": "x", "command_id": "command-1"},
        {"episode": "e" * 101, "revision": 1, "command_id": "command-1"},
        [],
        None,
    ],
)
async def test_bad_bodies_are_422_with_the_place(desk: Desk, body: object) -> None:
    status, answer = await (await desk.person()).send("POST", "/api/alarms/x/acknowledge", body)
    assert status == 422 and "body" in answer["en"] and answer["zh"]


async def test_refusals_never_echo_what_was_sent(desk: Desk) -> None:
    stranger = desk.stranger()
    async with stranger.http.post(
        f"{desk.base}/api/login", json={"name": "x", "password": {"secret": "hunter2"}}, headers={"X-CSRF": "x"}
    ) as response:
        assert response.status == 422 and "hunter2" not in await response.text()


async def test_a_body_that_is_too_large_is_refused(desk: Desk) -> None:
    operator = await desk.person()
    status, answer = await operator.send("POST", "/api/password", {"old": "x" * 300_000, "new": "y"})
    assert (status, answer["error"]) == (413, "too_large")


class FakeHistory:
    """A historian's answers; the real one is tested where it lives."""

    def __init__(self) -> None:
        self.down = False
        self.asked: list[tuple[int, int, int]] = []

    async def trend(self, tag: int, start_ns: int, end_ns: int, points: int) -> Sequence[TrendPoint]:
        self.asked.append((tag, start_ns, end_ns))
        if self.down:
            raise HistoryUnavailable("down")
        return [TrendPoint(start_ns + MINUTE, 1.0, 3.0, 2.0, 0)]

    async def journal(self, **_: object) -> Sequence[Transition]:
        if self.down:
            raise HistoryUnavailable("down")
        return []


async def test_trend_from_memory_says_what_is_missing(desk: Desk) -> None:
    person = await desk.person(Role.VIEWER)
    await until(lambda: desk.console.live.latest.at_ns[0] > 0)
    status, trend = await person.get("/api/tags/CO-101/trend")
    assert status == 200 and trend["missing"] == "history_off"
    assert len(trend["t"]) >= 1 and trend["t"] == sorted(trend["t"])
    assert 5 < trend["v"][-1] < 7 and trend["lo"][-1] <= trend["v"][-1] <= trend["hi"][-1]
    assert (await person.get("/api/tags/nothing/trend"))[0] == 404
    assert (await person.get("/api/tags/CO-101/trend?from=2&to=1"))[0] == 422
    assert (await person.get("/api/tags/CO-101/trend?points=100000"))[0] == 422


async def test_trend_joins_history_and_memory(tmp_path: Path) -> None:
    history = FakeHistory()
    async with open_desk(tmp_path, history=history) as desk:
        person = await desk.person(Role.VIEWER)
        await until(lambda: desk.console.live.latest.at_ns[0] > 0)
        now = desk.console.hub.clock.now_ns() // MS
        _, trend = await person.get(f"/api/tags/CO-101/trend?from={now - 3_600_000}&to={now + 5000}")
        assert trend["missing"] is None
        assert trend["t"][0] == now - 3_600_000 + 60_000 and len(trend["t"]) >= 2
        ((tag, start_ns, end_ns),) = history.asked
        assert tag == 1 and start_ns // MS == now - 3_600_000 and end_ns // MS == trend["live_from"]
        history.down = True
        _, trend = await person.get(f"/api/tags/CO-101/trend?from={now - 3_600_000}&to={now + 5000}")
        assert trend["missing"] == "history_down" and len(trend["t"]) >= 1
        status, journal = await person.get("/api/journal")
        assert status == 200 and journal["source"] == "memory"


async def test_journal_from_memory(desk: Desk) -> None:
    person = await desk.person()
    alarm = await desk.plant.raise_alarm(1)
    other = await desk.plant.raise_alarm(13)
    await desk.shown(other)
    await person.acknowledge(alarm)
    _, journal = await person.get("/api/journal")
    assert journal["source"] == "memory"
    assert [entry["change"] for entry in journal["transitions"]] == ["acknowledge", "raise", "raise"]
    _, one = await person.get(f"/api/journal?alarm={other.id}")
    assert [entry["alarm"]["id"] for entry in one["transitions"]] == [other.id]
    _, metal = await person.get("/api/journal?enterprise=metal&limit=1")
    assert [entry["alarm"]["id"] for entry in metal["transitions"]] == [alarm.id]


async def test_health_follows_the_pipeline(desk: Desk) -> None:
    stranger = desk.stranger()
    assert await stranger.get("/api/health") == (200, {"status": "ok"})
    desk.plant.silent = True
    async with asyncio.timeout(20):
        while (await stranger.get("/api/health"))[1] != {"status": "stale"}:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_registry_document(desk: Desk) -> None:
    _, registry = await (await desk.person(Role.VIEWER)).get("/api/tags")
    assert registry["revision"] == 1 and registry["parks"][0]["name"] == ["滨江化工园区", "Riverside Chemical Park"]
    tag = registry["tags"][0]
    assert (tag["name"], tag["unit"], tag["limits"]) == ("CO-101", "ppm", [None, None, 17.2, 34.3])


async def test_every_answer_carries_the_security_headers(desk: Desk) -> None:
    stranger = desk.stranger()
    for path in ("/", "/journal", "/api/me", "/api/health", "/openapi.json", "/assets/nothing.js", "/api/nothing"):
        async with stranger.http.get(desk.base + path) as response:
            policy = response.headers["content-security-policy"]
            assert "script-src 'self'" in policy and "unsafe" not in policy and "default-src 'none'" in policy
            assert response.headers["x-content-type-options"] == "nosniff"
            assert "server" not in response.headers
            if path.startswith("/api/"):
                assert response.headers["cache-control"] == "no-store"
    async with stranger.http.get(f"{desk.base}/docs") as response:
        assert "cdn" not in await response.text()


async def test_assets_cannot_be_left(desk: Desk) -> None:
    stranger = desk.stranger()
    for path in ("/assets/..%2F..%2Fapp.py", "/assets/.hidden", "/assets/%2e%2e%2fapp.py", "/assets//etc/passwd"):
        async with stranger.http.get(f"{desk.base}{path}") as response:
            assert response.status == 404


async def test_administrators_manage_users(desk: Desk) -> None:
    admin, operator = await desk.person(Role.ADMIN), await desk.person()
    new = {"name": "li.na", "role": "viewer", "password": "a new password"}
    assert (await admin.send("POST", "/api/users", new))[0] == 201
    assert (await admin.send("POST", "/api/users", new))[0] == 409
    assert (await desk.stranger().log_in("li.na", "a new password")).status == 200
    assert (await admin.send("PATCH", "/api/users/operator", {"disabled": True}))[0] == 200
    assert (await operator.get("/api/me"))[0] == 401
    assert (await desk.stranger().log_in("operator")).status == 401
    assert (await admin.send("PATCH", "/api/users/admin", {"role": "viewer"}))[0] == 422
    names = [user["name"] for user in (await admin.get("/api/users"))[1]]
    assert names == ["admin", "engineer", "li.na", "operator", "viewer"]


async def test_a_new_password_ends_the_other_sessions(desk: Desk) -> None:
    here, there = await desk.person(), await desk.person()
    body = {"old": PASSWORD, "new": "another password"}
    assert (await here.send("POST", "/api/password", {**body, "old": "wrong"}))[0] == 403
    assert (await here.send("POST", "/api/password", body))[0] == 204
    assert (await there.get("/api/me"))[0] == 401
    assert (await here.get("/api/me"))[0] == 200


async def test_names_and_texts_pass_as_data(tmp_path: Path) -> None:
    plant = await Plant.open(tmp_path / "log")
    hostile = Text(zh="<script>alert(1)</script>", en="\u202e gnp.exe </title><img src=x onerror=alert(1)>")
    async with open_desk(tmp_path, plant=plant) as desk:
        from msgspec.structs import replace

        alarm = replace(plant.make_alarm(1, 1, "high", None), text=hostile)
        await plant.say("alarms", plant.transition(alarm))
        await desk.shown(alarm)
        person = await desk.person()
        async with person.http.get(f"{desk.base}/api/alarms") as response:
            assert response.content_type == "application/json"
            (shown,) = (await response.json())["alarms"]
        assert shown["text"] == [hostile.zh, hostile.en]


async def test_the_alarm_list_starts_from_a_snapshot_of_the_book(tmp_path: Path) -> None:
    from console.ports import BookStart
    from eventlog.port import NewRecord
    from schemas.records import Kind

    plant = await Plant.open(tmp_path / "log")
    alarm = plant.make_alarm(1, 1, "high_high", None)
    await plant.log.append("state", 0, [NewRecord(b"0/old", Kind.SNAPSHOT, b"damaged")])
    await plant.log.append("state", 0, [NewRecord(b"0/book", Kind.SNAPSHOT, b"good")])

    def read(data: bytes) -> BookStart:
        if data != b"good":
            raise ValueError("damaged")
        return BookStart(7, (alarm,))

    async with open_desk(tmp_path, plant=plant, read_snapshot=read) as desk:
        assert list(desk.console.live.alarms.listed) == [alarm.id]
        plant.alarms[alarm.id] = alarm
        assert (await (await desk.person()).acknowledge(alarm))[0] == 200
        assert desk.console.live.alarms.listed[alarm.id].alarm.revision == 2


async def test_records_that_cannot_be_read_are_passed_over(desk: Desk) -> None:
    from eventlog.port import NewRecord
    from schemas.records import Kind

    await desk.plant.log.append("alarms", 0, [NewRecord(b"", Kind.TRANSITION, b"{}")])
    await desk.plant.log.append("readings", 0, [NewRecord(b"", Kind.READINGS, b"junk")])
    alarm = await desk.plant.raise_alarm(1)
    await desk.shown(alarm)
    await until(lambda: desk.console.live.skipped == 2)
    _, status = await (await desk.person()).get("/api/status")
    assert status["skipped_records"] == 2
