"""Chain faults: said in time, not too often, over whatever works."""

from __future__ import annotations

import asyncio

from alerting.chainwatch import ChainFault, ChainWatch
from alerting.contacts import Contact, Contacts
from alerting.dispatch import ChainGuard
from alerting.sending import Delivery, Verdict
from schemas.time import SECOND
from tests.alerting.bench import START
from tests.alerting.simulated import CountingChannel, LoopClock, simulate


def test_each_fault_is_said_when_it_is_due_then_every_ten_minutes_then_its_end() -> None:
    watch = ChainWatch()
    said = []
    for second in range(1500):
        silent = {ChainFault.LOG: float(second if second < 1300 else 0), ChainFault.INGEST: 29.0}
        for news in watch.look(silent, second * SECOND, START + second * SECOND):
            said.append((second, news.fault, news.raised))
    log = ChainFault.LOG
    assert said == [(20, log, True), (620, log, True), (1220, log, True), (1300, log, False)]


def test_a_fault_that_flaps_is_not_said_each_time() -> None:
    watch = ChainWatch()
    raised = 0
    for second in range(600):
        silent = 40.0 if second % 10 < 5 else 0.0
        raised += sum(n.raised for n in watch.look({ChainFault.EVALUATOR: silent}, second * SECOND, START))
    assert raised == 1


class Probe:
    def __init__(self) -> None:
        self.since: float | None = None

    def silent_s(self) -> dict[ChainFault, float]:
        now = asyncio.get_running_loop().time()
        return {} if self.since is None else {ChainFault.LOG: now - self.since}


def test_people_hear_within_30_s_over_the_channel_that_works() -> None:
    async def story() -> None:
        def person_only(delivery: Delivery) -> Verdict:
            return Verdict.ACCEPTED if delivery.contact else Verdict.REFUSED

        probe = Probe()
        dead = CountingChannel(verdict=lambda delivery: Verdict.RETRY)
        sms = CountingChannel(verdict=person_only)
        guard = ChainGuard(
            {"dead": dead, "sms": sms}, Contacts([Contact(id="o")]), probe, name="alarm@a", clock=LoopClock()
        )
        task = asyncio.create_task(guard.run())
        await asyncio.sleep(100)
        assert not sms.attempts
        probe.since = 100.0
        await asyncio.sleep(30)
        (told,) = [delivery for _, delivery in sms.attempts if delivery.contact]
        assert told.notice.tier == 1
        assert "log" in told.notice.alarm.subject
        probe.since = None
        await asyncio.sleep(5)
        assert [str(d.notice.reason) for _, d in sms.attempts if d.contact] == ["raise", "return"]
        task.cancel()

    simulate(story)


def test_while_nobody_can_be_told_it_goes_on_trying() -> None:
    async def story() -> None:
        probe, hook = Probe(), CountingChannel(verdict=lambda delivery: Verdict.RETRY)
        guard = ChainGuard({"hook": hook}, Contacts(), probe, name="alarm@a", clock=LoopClock())
        task = asyncio.create_task(guard.run())
        probe.since = 0.0
        await asyncio.sleep(45)
        assert 4 <= len(hook.attempts) <= 6
        hook.verdict = lambda delivery: Verdict.ACCEPTED
        await asyncio.sleep(60)
        assert hook.taken.total() == 1
        task.cancel()

    simulate(story)
