"""The dispatcher in simulated time: order, retries, ranks, a lost log, channels that misbehave."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from alerting.attempts import cap_s, given_up_ns, wait_s
from alerting.contacts import Contact, Contacts
from alerting.sending import Delivery, Sent, Verdict
from schemas.alarms import Receipt, ReceiptKind
from schemas.changes import ConditionChanges
from schemas.records import Kind
from schemas.registry import Route
from schemas.time import HOUR
from tests.alerting.bench import change
from tests.alerting.simulated import AlarmProcess, CountingChannel, EventsInMemory, simulate

HOOK = Route(id="duty", channel="hook", recipients=("officer",))
SMS = Route(id="sms", channel="sms", recipients=("officer",))


def new_log() -> EventsInMemory:
    return EventsInMemory(random.Random(7))


def raise_alarm(log: EventsInMemory, level: int = 2, subject: str = "CO-101", offset: int = 10) -> None:
    log.put(ConditionChanges(changes=(change(level, offset, subject=subject),)), Kind.CHANGES)


def kinds(log: EventsInMemory) -> list[str]:
    return [str(receipt.kind) for receipt in log.receipts()]


def test_trying_stands_in_the_log_before_it_is_sent_and_the_outcome_after() -> None:
    async def story() -> None:
        log, hook = new_log(), CountingChannel()
        seen: list[tuple[str, list[str]]] = []
        process = AlarmProcess(log, {"hook": hook}, failpoint=lambda name: seen.append((name, kinds(log))))
        process.start()
        raise_alarm(log)
        await asyncio.sleep(1)
        assert seen == [("before-send", ["trying"]), ("after-send", ["trying"])]
        assert kinds(log) == ["trying", "accepted"]
        assert (len(process.book.outbox), process.dispatcher.waiting, sum(hook.taken.values())) == (0, 0, 1)
        began, delivery = hook.attempts[0]
        assert began < 0.3
        assert (delivery.attempt, delivery.remark.en) == (1, "")
        await process.kill()

    simulate(story)


def test_nothing_is_sent_before_the_end_of_the_log_was_read() -> None:
    async def story() -> None:
        log, hook = new_log(), CountingChannel()
        raise_alarm(log)
        first = AlarmProcess(log, {"hook": hook})
        first.start()
        await asyncio.sleep(1)
        await first.kill()
        again = AlarmProcess(log, {"hook": hook})
        again.start()
        await asyncio.sleep(60)
        assert sum(hook.taken.values()) == 1, "a dispatcher started from nothing sends no accepted notice again"
        await again.kill()

    simulate(story)


def test_failures_are_tried_again_ever_more_slowly_and_stand_in_the_log() -> None:
    async def story() -> None:
        log, hook = new_log(), CountingChannel(verdict=lambda delivery: Verdict.RETRY)
        process = AlarmProcess(log, {"hook": hook})
        process.start()
        raise_alarm(log)
        await asyncio.sleep(300)
        times = [began for began, delivery in hook.attempts if delivery.notice.alarm.subject == "CO-101"]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert gaps[0] < 1, "the second attempt follows at once"
        assert all(gap <= cap_s(1) + 1 for gap in gaps)
        assert 10 < len(times) < 60
        entry = next(iter(process.book.outbox))
        assert (entry.attempts, entry.detail) == (len(times), "retry")
        assert hook.attempts[1][1].remark.en == "This may be a repetition."
        hook.verdict = lambda delivery: Verdict.ACCEPTED
        await asyncio.sleep(100)
        assert not len(process.book.outbox)
        await process.kill()

    simulate(story)


def test_what_is_refused_is_not_dropped_but_tried_at_the_slow_end() -> None:
    async def story() -> None:
        log, hook = new_log(), CountingChannel(verdict=lambda delivery: Verdict.REFUSED)
        process = AlarmProcess(log, {"hook": hook})
        process.start()
        raise_alarm(log)
        await asyncio.sleep(60.5)
        assert 3 <= len([d for _, d in hook.attempts if d.notice.tier == 1]) <= 5
        await process.kill()

    simulate(story)


def test_a_channel_that_is_gone_is_left_alone_for_an_hour_and_the_book_says_so() -> None:
    async def story() -> None:
        log, hook, sms = new_log(), CountingChannel(verdict=lambda delivery: Verdict.GONE), CountingChannel()
        process = AlarmProcess(log, {"hook": hook, "sms": sms}, routes=(HOOK, SMS))
        process.start()
        raise_alarm(log)
        await asyncio.sleep(600)
        assert len([d for _, d in hook.attempts if d.notice.tier == 1]) == 1
        faults = {delivery.notice.alarm.subject for _, delivery in sms.attempts}
        assert "events/0:channel:hook" in faults
        hook.verdict = lambda delivery: Verdict.ACCEPTED
        await asyncio.sleep(3700)
        assert not len(process.book.outbox)
        assert not [alarm for alarm in process.book.alarms() if alarm.active and alarm.rule == "book"]
        await process.kill()

    simulate(story)


def test_a_slow_channel_delays_no_other_and_lesser_alarms_no_tier_1() -> None:
    async def story() -> None:
        log, hook, sms = new_log(), CountingChannel(travel_s=lambda: 9.0), CountingChannel()
        process = AlarmProcess(log, {"hook": hook, "sms": sms}, routes=(HOOK, SMS))
        process.start()
        for n in range(200):
            raise_alarm(log, 1, subject=f"T-{n}")
        await asyncio.sleep(5)
        raise_alarm(log, 2, subject="CO-1")
        await asyncio.sleep(5)
        assert sum(sms.taken.values()) == 201
        assert [d.notice.alarm.subject for _, d in hook.attempts if d.notice.tier == 1] == ["CO-1"]
        await process.kill()

    simulate(story)


def test_a_storm_sends_the_most_urgent_and_the_new_before_repetitions() -> None:
    async def story() -> None:
        log, hook = new_log(), CountingChannel(verdict=lambda delivery: Verdict.RETRY)
        process = AlarmProcess(log, {"hook": hook}, concurrency={"hook": 1})
        process.start()
        for n in range(40):
            raise_alarm(log, 1, subject=f"T-{n}")
        await asyncio.sleep(30)
        first = [delivery.notice.alarm.subject for _, delivery in hook.attempts[:40]]
        assert len(set(first)) == 40
        await process.kill()

    simulate(story)


def test_a_channel_that_never_ends_or_raises_costs_one_attempt() -> None:
    class Broken(CountingChannel):
        async def send(self, delivery: Delivery) -> Sent:
            self.attempts.append((asyncio.get_running_loop().time(), delivery))
            if len(self.attempts) == 1:
                raise RuntimeError("a bug")
            if len(self.attempts) > 2:
                return await super().send(delivery)
            while True:
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    if len(self.attempts) > 4:
                        raise

    async def story() -> None:
        log, hook = new_log(), Broken()
        process = AlarmProcess(log, {"hook": hook})
        process.start()
        raise_alarm(log)
        await asyncio.sleep(60)
        details = [receipt.detail for receipt in log.receipts() if receipt.kind is ReceiptKind.FAILED]
        assert details == ["the channel failed: RuntimeError", "the channel did not end within 11 s"]
        assert kinds(log)[-1] == "accepted"
        assert process.died is None
        hook.attempts *= 5
        await process.kill()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    simulate(story)


def test_without_the_log_it_sends_and_says_so_and_the_receipts_follow() -> None:
    async def story() -> None:
        log, hook = new_log(), CountingChannel()
        process = AlarmProcess(log, {"hook": hook})
        process.start()
        raise_alarm(log)
        log.down = True
        await asyncio.sleep(10)
        ((began, delivery),) = hook.attempts
        assert began < 3
        assert "log was not reachable" in delivery.remark.en
        assert process.dispatcher.log_unreachable_s > 5
        assert kinds(log) == []
        log.down = False
        await asyncio.sleep(10)
        assert kinds(log) == ["accepted"]
        assert (process.dispatcher.log_unreachable_s, len(hook.attempts)) == (0.0, 1)
        await process.kill()

    simulate(story)


def test_the_second_rank_sends_only_what_the_first_does_not() -> None:
    async def story() -> None:
        log, hook = new_log(), CountingChannel()
        first, second = (AlarmProcess(log, {"hook": hook}, rank=rank) for rank in (0, 1))
        first.start()
        second.start()
        raise_alarm(log)
        await asyncio.sleep(30)
        assert sum(hook.taken.values()) == 1
        await first.kill()
        raise_alarm(log, subject="CO-2")
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(30)
        assert sum(hook.taken.values()) == 2
        assert 5 <= hook.attempts[-1][0] - began < 6
        await second.kill()

    simulate(story)


def test_of_two_that_speak_at_once_the_first_in_the_log_sends() -> None:
    async def story() -> None:
        log, hook = new_log(), CountingChannel(answer_s=lambda: 2.0)
        log.slowest_s = 0.5
        twins = [AlarmProcess(log, {"hook": hook}, rank=0) for _ in range(3)]
        for twin in twins:
            twin.start()
        for n in range(20):
            raise_alarm(log, subject=f"CO-{n}")
        await asyncio.sleep(60)
        assert set(hook.taken.values()) == {1}
        assert len(hook.taken) == 20
        for twin in twins:
            await twin.kill()

    simulate(story)


@pytest.mark.long
def test_a_notice_that_is_too_old_is_given_up_and_stands_as_undelivered() -> None:
    async def story() -> None:
        log, hook = new_log(), CountingChannel(verdict=lambda delivery: Verdict.RETRY)
        process = AlarmProcess(log, {"hook": hook})
        process.start()
        raise_alarm(log)
        await asyncio.sleep(given_up_ns(1) / 1e9 + 120)
        assert "expired" in kinds(log)
        assert any(alarm.subject == "events/0:channel:hook" for alarm in process.book.alarms())
        await process.kill()

    simulate(story)


def test_a_tier_1_alarm_without_a_channel_goes_to_everybody() -> None:
    async def story() -> None:
        def needs_contact(delivery: Delivery) -> Verdict:
            return Verdict.ACCEPTED if delivery.contact else Verdict.REFUSED

        log, hook, sms = new_log(), CountingChannel(), CountingChannel(verdict=needs_contact)
        contacts = Contacts([Contact(id="a"), Contact(id="b")])
        nowhere = Route(id="x", channel="pager", recipients=("a",))
        process = AlarmProcess(log, {"hook": hook, "sms": sms}, routes=(nowhere,), contacts=contacts)
        process.start()
        raise_alarm(log)
        await asyncio.sleep(10)
        assert len(hook.attempts) == 1
        assert [d.contact.id for _, d in sms.attempts if d.contact] == ["a", "b"]
        raise_alarm(log, 1, subject="T-1")
        await asyncio.sleep(10)
        assert len(hook.attempts) == 1, "a lesser one stays undelivered and says so"
        assert any("no channel 'pager'" in receipt.detail for receipt in log.receipts())
        await process.kill()

    simulate(story)


def test_an_orderly_stop_lets_what_is_under_way_end_and_begins_nothing() -> None:
    async def story() -> None:
        log, hook = new_log(), CountingChannel(answer_s=lambda: 2.0)
        process = AlarmProcess(log, {"hook": hook}, concurrency={"hook": 1})
        process.start()
        raise_alarm(log)
        await asyncio.sleep(0.5)
        raise_alarm(log, subject="CO-2")
        await process.stop()
        assert (hook.taken.total(), kinds(log)) == (1, ["trying", "accepted"])
        assert asyncio.get_running_loop().time() < 4
        again = AlarmProcess(log, {"hook": hook})
        again.start()
        await asyncio.sleep(10)
        assert sorted(hook.taken.values()) == [1, 1]
        await again.kill()

    simulate(story)


def test_waits_are_within_their_ladder() -> None:
    ladder = (0.0, 2.0, 5.0, 15.0, 30.0)
    for attempt, step in enumerate(ladder, 1):
        assert wait_s(attempt, 1, Verdict.RETRY, 0.999) <= step
        assert wait_s(attempt, 1, Verdict.RETRY, 0.0) == 0.0
    assert wait_s(50, 1, Verdict.RETRY, 0.999) <= 30.0
    assert wait_s(50, 4, Verdict.RETRY, 0.999) > 200.0
    assert 15.0 <= wait_s(1, 1, Verdict.REFUSED, 0.5) <= 30.0
    assert (given_up_ns(1), given_up_ns(4)) == (24 * HOUR, 8 * HOUR)


def test_a_simulated_world_in_which_nothing_can_happen_says_so() -> None:
    async def story() -> None:
        await asyncio.get_running_loop().create_future()

    failed: Callable[[], None] = lambda: simulate(story)  # noqa: E731
    try:
        failed()
    except RuntimeError as error:
        assert "stands still" in str(error)


def test_the_next_notice_does_not_wait_for_the_receipt_of_the_one_before() -> None:
    class SlowReceipts(EventsInMemory):
        async def append(self, receipt: Receipt) -> int:
            await asyncio.sleep(4 if receipt.kind is ReceiptKind.ACCEPTED else 0)
            return await super().append(receipt)

    async def story() -> None:
        log, hook = SlowReceipts(random.Random(7)), CountingChannel()
        process = AlarmProcess(log, {"hook": hook}, concurrency={"hook": 1})
        process.start()
        for position in range(5):
            raise_alarm(log, subject=f"CO-{position}", offset=10 + position)
        await asyncio.sleep(2)
        assert len(hook.attempts) == 5
        await asyncio.sleep(10)
        assert kinds(log).count("accepted") == len(hook.attempts) == 5
        await process.kill()

    simulate(story)
