"""The log that the journeys left behind, on both stacks: folded again it says the same, byte for byte (law 5).

The name puts this module behind the others, so that there is much to fold: kills, revisions, bad data and late data.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

import msgspec
import pytest

from eventlog.port import EventLog
from hazwatch.registry import RegistryView
from hazwatch.replay.refold import changes_of, transitions_of
from schemas import records
from schemas.alarms import Change, Transition
from schemas.causes import Cause
from schemas.changes import Basis, ConditionChange, ConditionChanges
from schemas.records import Kind
from schemas.time import MS, SECOND, to_iso
from tests.journeys.system import SOON_S, System, everything_in, now_ms
from tests.journeys.test_readings import stored
from tests.parts.net import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def registry_of(log: EventLog) -> RegistryView:
    view = RegistryView(log)
    await view.catch_up()
    return view


def collapsed(changes: Iterable[ConditionChange]) -> list[bytes]:
    """The changes without copies: per condition, only what has a newer cause than all before (LAWS C4)."""
    newest: dict[tuple[str, str, str], Cause] = {}
    out = []
    for change in changes:
        condition = (change.rule, change.subject, str(change.side))
        assert change.cause is not None
        if condition not in newest or change.cause > newest[condition]:
            newest[condition] = change.cause
            out.append(msgspec.json.encode(change))
    return out


def same(live: Sequence[bytes], again: Sequence[bytes]) -> None:
    """What was folded again is how the live sequence begins."""
    for position, (one, other) in enumerate(zip(live, again, strict=False)):
        assert one == other, f"at {position}:\nlive   {one.decode()}\nfolded {other.decode()}"


async def live_changes(log: EventLog, partition: int) -> list[bytes]:
    """What the evaluators have said of a partition of `readings`."""
    said = [
        change
        for record in await everything_in(log, "events")
        if record.kind == Kind.CHANGES
        for change in _changes(record.value)
        if change.basis is not Basis.SELF and change.partition == partition
    ]
    return collapsed(said)


def _changes(value: bytes) -> tuple[ConditionChange, ...]:
    payload = records.decode(Kind.CHANGES, value)
    assert isinstance(payload, ConditionChanges)
    return payload.changes


async def test_readings_folded_again_give_the_live_changes(system: System) -> None:
    async with system.log() as log:
        registry = await registry_of(log)
        for partition in range(await log.partitions("readings")):
            again = collapsed(await changes_of(log, registry, partition))
            live = await _long_enough(partial(live_changes, log, partition), len(again))
            same(live, again)
            print(f"{system}: readings/{partition} folded again: {len(again)} changes")


async def test_nothing_was_wrong_with_the_records(system: System) -> None:
    """Through all kills and outages no record was skipped, no rule failed, and no clock was doubted."""
    transitions: list[Transition] = await system.payloads("alarms", Kind.TRANSITION)
    assert {t.alarm.rule for t in transitions} & {"clock", "record", "rule"} == set()
    assert {t.alarm.rule for t in transitions} >= {"limits"}


async def test_events_folded_again_give_the_live_transitions(system: System) -> None:
    async with system.log() as log:
        again = [_encoded(t) for t in await transitions_of(log, await registry_of(log), 0)]
        live = await _long_enough(partial(live_transitions, log), len(again))
        same(live, again)
        print(f"{system}: events/0 folded again: {len(again)} transitions")


async def live_transitions(log: EventLog) -> list[bytes]:
    """The transitions in `alarms`, copies collapsed by (episode, revision)."""
    once: dict[tuple[str, int], bytes] = {}
    for record in await everything_in(log, "alarms"):
        if record.kind == Kind.TRANSITION:
            transition = records.decode(record.kind, record.value)
            assert isinstance(transition, Transition)
            once.setdefault(transition.key, record.value)
    return list(once.values())


def _encoded(transition: Transition) -> bytes:
    alarm = transition.alarm
    return records.encode(transition, id=f"{alarm.episode}/{alarm.revision}", at_ns=transition.at_ns)


async def _long_enough(read: Callable[[], Awaitable[list[bytes]]], count: int) -> list[bytes]:
    """What has been said, once it is as much as was folded: the live fold may still be at it."""

    async def enough() -> list[bytes]:
        said: list[bytes] = await read()
        assert len(said) >= count
        return said or [b""]

    found = await eventually(enough, f"{count} are in the log", within_s=SOON_S)
    return [one for one in found if one]


async def test_replay_of_the_live_log(system: System) -> None:
    """`hazwatch replay --log` writes the transitions of a recorded partition of `events`, one per line."""
    name = "metal.CO-REPLAY"
    await system.reading(name, 20.0)
    await system.listed(name, level_name="high")
    await system.reading(name, 40.0)
    alarm = await system.listed(name, level_name="high_high")
    ran = await system.replayed()
    assert ran.code == 0, ran
    lines = [json.loads(line) for line in ran.output.splitlines()]
    mine = [line for line in lines if line["tag"] == name]
    assert [(line["change"], line["level"]) for line in mine] == [("raise", "high"), ("rise", "high_high")]
    assert {line["episode"] for line in mine} == {alarm.episode}
    assert len({(line["episode"], line["revision"]) for line in lines}) == len(lines)
    assert [d.reason for d in system.deliveries(name)] == [Change.RAISE, Change.RISE]


async def test_replay_of_the_history(system: System) -> None:
    """`hazwatch replay --history` reads what the historian has stored, and says what the live folds said."""
    name = "metal.CO-STORED"
    begun_ns = now_ms() * MS
    await system.reading(name, 20.0)
    await system.listed(name, level_name="high")
    await system.reading(name, 40.0)
    await system.listed(name, level_name="high_high")
    await stored(system, name, 2)
    ended_ns = now_ms() * MS + SECOND
    ran = await system.replayed("--history", "--from", to_iso(begun_ns - SECOND), "--to", to_iso(ended_ns))
    assert ran.code == 0, ran
    mine = [line for line in map(json.loads, ran.output.splitlines()) if line["tag"] == name]
    assert [(line["change"], line["level"]) for line in mine] == [("raise", "high"), ("rise", "high_high")]
    before = await system.replayed("--history", "--from", "2001-01-01T00:00Z", "--to", "2001-01-02T00:00Z")
    assert before.code == 1 and "the history holds no reading" in before.errors
