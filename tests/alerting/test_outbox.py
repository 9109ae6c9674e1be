"""The outbox: receipts in any order, channels that fail, bounds."""

from __future__ import annotations

import pytest

from alerting import outbox as outbox_module
from alerting.outbox import KEPT_NS, Outbox, Status
from schemas.alarms import Receipt, ReceiptKind
from schemas.registry import Route
from schemas.time import HOUR, SECOND
from tests.alerting.bench import Desk, change, revision, routed_book

HOOK = Route(id="a", channel="hook")
SMS = Route(id="b", channel="sms", classes=("system",))


def desk_with_notice() -> Desk:
    book = routed_book()
    book.start_at(0, revision(HOOK, SMS))
    desk = Desk(book)
    desk.say(change(2, 10))
    return desk


def test_a_notice_goes_from_pending_over_trying_and_failed_to_accepted() -> None:
    desk = desk_with_notice()
    (entry,) = desk.book.outbox
    assert (entry.status, entry.attempts) == (Status.PENDING, 0)
    offset = desk.book.next_offset
    desk.receipt(entry.id, ReceiptKind.TRYING, by="p")
    assert (entry.status, entry.attempts, entry.trying_by, entry.trying_offset) == (Status.TRYING, 1, "p", offset)
    desk.receipt(entry.id, ReceiptKind.FAILED, "late", by="q")
    assert entry.status is Status.TRYING, "another's failure does not end the hold"
    desk.receipt(entry.id, ReceiptKind.FAILED, "HTTP 500", by="p")
    assert (entry.status, entry.detail) == (Status.FAILED, "HTTP 500")
    outputs = desk.receipt(entry.id, ReceiptKind.ACCEPTED)
    assert [receipt.kind for receipt in outputs.receipts] == [ReceiptKind.ACCEPTED]
    assert len(desk.book.outbox) == 0
    desk.receipt(entry.id, ReceiptKind.DELIVERED)
    desk.receipt(entry.id, ReceiptKind.FAILED)
    assert len(desk.book.outbox) == 0


def test_a_trying_holds_for_five_seconds_against_others() -> None:
    desk = desk_with_notice()
    (entry,) = desk.book.outbox
    desk.receipt(entry.id, ReceiptKind.TRYING, by="p")
    held = entry.trying_offset
    desk.tick(4)
    desk.receipt(entry.id, ReceiptKind.TRYING, by="q")
    assert (entry.trying_by, entry.trying_offset, entry.attempts) == ("p", held, 1)
    desk.tick(1)
    desk.receipt(entry.id, ReceiptKind.TRYING, by="q")
    assert (entry.trying_by, entry.attempts) == ("q", 2)
    desk.receipt(entry.id, ReceiptKind.FAILED, by="q")
    desk.receipt(entry.id, ReceiptKind.TRYING, by="p")
    assert (entry.trying_by, entry.attempts) == ("p", 3)


def test_a_receipt_before_its_notice_is_remembered() -> None:
    desk = desk_with_notice()
    (entry,) = desk.book.outbox
    late = Outbox()
    late.hear(Receipt(notice=entry.id, kind=ReceiptKind.ACCEPTED, by="p", attempt=1, at_ns=0), 5, 0)
    late.add([entry.notice], 0)
    assert len(late) == 0
    tried = Outbox()
    tried.hear(Receipt(notice=entry.id, kind=ReceiptKind.TRYING, by="p", attempt=1, at_ns=0), 5, 0)
    tried.add([entry.notice, entry.notice], 0)
    assert [e.status for e in tried] == [Status.PENDING]


def test_a_channel_that_fails_three_times_is_a_fault_that_ends_when_it_works() -> None:
    desk = desk_with_notice()
    (entry,) = desk.book.outbox
    for n in range(5):
        desk.receipt(entry.id, ReceiptKind.FAILED, f"HTTP 50{n}")
    assert desk.said() == ["raise", "raise"]
    assert desk.alarm.subject == "events/0:channel:hook"
    assert "hook HTTP 502" in desk.alarm.text.en
    assert [(n.channel, n.alarm.subject) for n in desk.notices[1:]] == [
        ("hook", "events/0:channel:hook"),
        ("sms", "events/0:channel:hook"),
    ]
    desk.receipt(entry.id, ReceiptKind.ACCEPTED)
    assert desk.said() == ["raise", "raise", "return"]


@pytest.mark.parametrize(("kind", "detail"), [(ReceiptKind.FAILED, "gone: HTTP 410"), (ReceiptKind.EXPIRED, "")])
def test_gone_and_given_up_are_a_fault_at_once(kind: ReceiptKind, detail: str) -> None:
    desk = desk_with_notice()
    desk.receipt(next(iter(desk.book.outbox)).id, kind, detail)
    assert desk.alarm.subject == "events/0:channel:hook"


def test_what_nobody_answers_for_leaves_the_book_after_25_hours() -> None:
    desk = desk_with_notice()
    (entry,) = list(desk.book.outbox)
    for n in range(KEPT_NS // (10 * SECOND)):
        desk.tick(10)
        if n % 3 == 0:
            desk.say(change(2, 100 + n, -1))
    assert desk.book.now_ns - entry.since_ns >= 25 * HOUR
    assert desk.book.outbox.get(entry.id) is None
    assert "events/0:channel:hook" in {alarm.subject for alarm in desk.book.alarms()}


def test_a_full_outbox_gives_up_the_least_urgent_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "MOST_NOTICES", 100)
    desk = desk_with_notice()
    for n in range(150):
        desk.say(change(1, 100 + n, subject=f"T-{n}", tier=2 + n % 3))
    assert len(desk.book.outbox) <= 100
    tiers = [entry.notice.tier for entry in desk.book.outbox if entry.notice.alarm.rule == "limits"]
    assert 1 in tiers
    assert tiers.count(4) < tiers.count(2) == 50
    assert "events/0:channel:hook" in {alarm.subject for alarm in desk.book.alarms()}


def test_finished_and_early_ids_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "MOST_REMEMBERED", 10)
    outbox = Outbox()
    for n in range(50):
        outbox.hear(Receipt(notice=f"n-{n}", kind=ReceiptKind.ACCEPTED, by="p", attempt=1, at_ns=0), n, 0)
    assert len(outbox.state().early) == 10
