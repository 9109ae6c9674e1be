"""Law 12: under crashes, ranks and slow answers every notice is sent, and no more often than D1 allows."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.sending import Verdict
from schemas.changes import ConditionChanges
from schemas.records import Kind
from schemas.registry import Route
from tests.alerting.bench import change
from tests.alerting.simulated import AlarmProcess, CountingChannel, EventsInMemory, simulate
from tests.laws.settings import PATIENCE_S, traces

pytestmark = pytest.mark.timeout(PATIENCE_S)


@dataclass(frozen=True)
class Trouble:
    """One thing that happens: after `wait_s`, to the process number `whose`, which stays down for `down_s`."""

    wait_s: float
    what: str
    whose: int
    down_s: float


times = st.one_of(st.floats(0.0, 0.3), st.floats(4.8, 5.4), st.floats(0.0, 15.0))
troubles = st.lists(
    st.builds(
        Trouble, times, st.sampled_from(["alarm", "alarm", "crash", "crash", "outage"]), st.integers(0, 2), times
    ),
    min_size=1,
    max_size=12,
)
teams = st.lists(st.integers(0, 2), min_size=1, max_size=3)
"""Ranks of the processes; two of one rank are a mistake that must cost nothing."""

answers = st.lists(st.one_of(st.floats(0.001, 0.2), st.floats(3.0, 9.0)), min_size=1, max_size=8)


ROUTES = (Route(id="duty", channel="hook", recipients=("officer",), classes=("process",)),)


async def live_through(
    ranks: list[int], script: list[Trouble], answering: list[float], seed: int, *, failures: int, outages: bool
) -> tuple[CountingChannel, int, EventsInMemory]:
    """Play the script, then let everything calm down. Returns the channel, the number of crashes and the log."""
    chance = random.Random(seed)
    log = EventsInMemory(chance, slowest_s=0.15)
    hook = CountingChannel(
        travel_s=lambda: chance.choice(answering) / 2,
        answer_s=lambda: chance.choice(answering) / 2,
        verdict=lambda delivery: Verdict.ACCEPTED if len(hook.attempts) > failures else Verdict.RETRY,
    )
    alive = [AlarmProcess(log, {"hook": hook}, rank=rank, routes=ROUTES) for rank in ranks]
    for process in alive:
        process.start()
    restarts: list[asyncio.Task[None]] = []

    async def restart(whose: int, down_s: float) -> None:
        await alive[whose].kill()
        await asyncio.sleep(down_s)
        alive[whose] = AlarmProcess(log, {"hook": hook}, rank=ranks[whose], routes=ROUTES)
        alive[whose].start()

    crashes = alarms = 0
    for trouble in [Trouble(0.0, "alarm", 0, 0.0), *script]:
        await asyncio.sleep(trouble.wait_s)
        if trouble.what == "alarm":
            alarms += 1
            said = change(2, 10 + alarms, subject=f"CO-{alarms}")
            log.put(ConditionChanges(changes=(said,)), Kind.CHANGES)
        elif trouble.what == "crash":
            crashes += 1
            await asyncio.gather(*restarts)
            restarts = [asyncio.create_task(restart(trouble.whose % len(ranks), trouble.down_s))]
        elif outages:
            log.down = True
            await asyncio.sleep(chance.uniform(0, 8))
            log.down = False
    await asyncio.gather(*restarts)
    await asyncio.sleep(120)
    assert all(process.died is None for process in alive)
    assert not any(process.book.outbox for process in alive), "every notice came to an end"
    assert all(process.dispatcher.waiting == 0 for process in alive)
    for process in alive:
        await process.kill()
    assert len(hook.taken) == alarms, "every notice was sent"
    return hook, crashes, log


@traces(500)
@given(teams, troubles, answers, st.integers(0, 2**32), st.integers(0, 4))
def test_law_12_sent_at_least_once_and_at_most_once_per_crash_and_slow_answer(
    ranks: list[int], script: list[Trouble], answering: list[float], seed: int, failures: int
) -> None:
    async def story() -> None:
        hook, crashes, log = await live_through(ranks, script, answering, seed, failures=failures, outages=False)
        for notice, times_taken in hook.taken.items():
            assert times_taken <= 1 + crashes + hook.slow[notice]
        before = hook.taken.total()
        fresh = AlarmProcess(log, {"hook": hook}, routes=ROUTES)
        fresh.start()
        await asyncio.sleep(60)
        assert hook.taken.total() == before, "a dispatcher started from nothing sends no accepted notice again"
        await fresh.kill()

    simulate(story)


@traces(200)
@given(teams, troubles, answers, st.integers(0, 2**32))
def test_law_12_with_the_log_lost_in_between_nothing_is_silent(
    ranks: list[int], script: list[Trouble], answering: list[float], seed: int
) -> None:
    async def story() -> None:
        await live_through(ranks, script, answering, seed, failures=0, outages=True)

    simulate(story)
