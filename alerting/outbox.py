"""The outbox: notices that no channel has accepted yet, and what their receipts say.

Part of the book, so a function of `events` alone. A dispatcher works from it; it never changes it but by receipts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from schemas.alarms import Notice, Receipt, ReceiptKind
from schemas.registry import Struct
from schemas.time import HOUR, SECOND

KEPT_NS = 25 * HOUR
"""A dispatcher gives a notice up after 24 h at most; one that nobody answers for leaves the book after this `now`."""

MOST_NOTICES = 20_000
"""Policy when full: the least urgent, oldest twentieth is given up and its channels' faults stand."""

MOST_REMEMBERED = 20_000
"""Finished notices and receipts of notices not yet seen; the oldest are forgotten."""

HELD_NS = 5 * SECOND
"""For so long who said `trying` is left alone (LAWS D1)."""

FAILURES_TO_FAULT = 3
GONE = "gone: "
"""How the detail of a failed receipt begins when the endpoint says that it will never accept again (HTTP 410)."""


T = TypeVar("T")
_CONCLUSIVE = frozenset({ReceiptKind.ACCEPTED, ReceiptKind.DELIVERED, ReceiptKind.EXPIRED})


class Status(StrEnum):
    """Where a notice stands."""

    PENDING = "pending"
    TRYING = "trying"
    FAILED = "failed"


@dataclass(slots=True)
class Entry:
    """One notice in the outbox.

    `trying_offset`, `trying_by` and `trying_ns` (in `now`) are those of the `trying` that holds it (-1: none): one that
    came while another dispatcher's had held for less than `HELD_NS` counts for nothing, so all agree on who sends.
    """

    notice: Notice
    status: Status = Status.PENDING
    attempts: int = 0
    trying_offset: int = -1
    trying_by: str = ""
    trying_ns: int = 0
    detail: str = ""
    since_ns: int = 0

    @property
    def id(self) -> str:
        return self.notice.id


@dataclass(frozen=True, slots=True)
class ChannelHealth:
    """A channel began to fail, or works again."""

    channel: str
    failing: bool
    detail: str = ""


class EntryState(Struct, frozen=True, kw_only=True):
    notice: Notice
    status: Status
    attempts: int = 0
    trying_offset: int = -1
    trying_by: str = ""
    trying_ns: int = 0
    detail: str = ""
    since_ns: int = 0


class OutboxState(Struct, frozen=True, kw_only=True):
    """What a snapshot keeps of the outbox."""

    entries: tuple[EntryState, ...] = ()
    finished: tuple[str, ...] = ()
    early: tuple[tuple[str, ReceiptKind], ...] = ()
    failures: dict[str, int] = {}


class Outbox:
    """Notices by id, in the order in which they were made."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._finished: dict[str, None] = {}
        self._early: dict[str, ReceiptKind] = {}
        self._failures: dict[str, int] = {}
        self._oldest_ns = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def get(self, notice: str) -> Entry | None:
        """The entry of a notice id, None once it is accepted or given up."""
        return self._entries.get(notice)

    @property
    def expires_ns(self) -> int:
        """No notice is due to be given up before this `now`."""
        return self._oldest_ns + KEPT_NS

    def add(self, notices: Iterable[Notice], now_ns: int) -> list[ChannelHealth]:
        """Take new notices in; one whose acceptance was heard already is finished at once."""
        for notice in notices:
            early = self._early.pop(notice.id, None)
            if notice.id in self._entries or notice.id in self._finished:
                continue
            if early is not None:
                self._finish(notice.id)
                continue
            self._entries[notice.id] = Entry(notice, since_ns=now_ns)
            self._oldest_ns = min(self._oldest_ns, now_ns) if len(self._entries) > 1 else now_ns
        return self._make_room() if len(self._entries) > MOST_NOTICES else []

    def hear(self, receipt: Receipt, offset: int, now_ns: int) -> ChannelHealth | None:
        """Fold a receipt; says when its channel began to fail or works again."""
        entry = self._entries.get(receipt.notice)
        if entry is None:
            if receipt.notice not in self._finished and receipt.kind in _CONCLUSIVE:
                _remember(self._early, receipt.notice, receipt.kind)
            return None
        channel = entry.notice.channel
        match receipt.kind:
            case ReceiptKind.TRYING:
                held = entry.status is Status.TRYING and now_ns - entry.trying_ns < HELD_NS
                if not held or entry.trying_by == receipt.by:
                    entry.status = Status.TRYING
                    entry.attempts += 1
                    entry.trying_offset, entry.trying_by, entry.trying_ns = offset, receipt.by, now_ns
                return None
            case ReceiptKind.FAILED:
                if entry.status is not Status.TRYING or receipt.by == entry.trying_by:
                    entry.status = Status.FAILED
                entry.detail = receipt.detail
                return self._failed(channel, receipt.detail, at_once=receipt.detail.startswith(GONE))
            case ReceiptKind.EXPIRED:
                self._finish(entry.id)
                return self._failed(channel, receipt.detail, at_once=True)
            case ReceiptKind.ACCEPTED | ReceiptKind.DELIVERED:
                self._finish(entry.id)
                if self._failures.pop(channel, 0) >= FAILURES_TO_FAULT:
                    return ChannelHealth(channel, failing=False)
        return None

    def expire(self, now_ns: int) -> list[ChannelHealth]:
        """Give up what nobody answered for within 25 h of `now`."""
        if not self._entries or now_ns - self._oldest_ns < KEPT_NS:
            return []
        old = [entry for entry in self._entries.values() if now_ns - entry.since_ns >= KEPT_NS]
        found = self._give_up(old, "no answer within 25 h")
        self._oldest_ns = min((entry.since_ns for entry in self._entries.values()), default=now_ns)
        return found

    def state(self) -> OutboxState:
        return OutboxState(
            entries=tuple(
                EntryState(
                    notice=entry.notice,
                    status=entry.status,
                    attempts=entry.attempts,
                    trying_offset=entry.trying_offset,
                    trying_by=entry.trying_by,
                    trying_ns=entry.trying_ns,
                    detail=entry.detail,
                    since_ns=entry.since_ns,
                )
                for entry in self._entries.values()
            ),
            finished=tuple(self._finished),
            early=tuple(self._early.items()),
            failures=dict(sorted(self._failures.items())),
        )

    @classmethod
    def of(cls, state: OutboxState) -> Outbox:
        outbox = cls()
        for entry in state.entries:
            outbox._entries[entry.notice.id] = Entry(
                entry.notice,
                entry.status,
                entry.attempts,
                entry.trying_offset,
                entry.trying_by,
                entry.trying_ns,
                entry.detail,
                entry.since_ns,
            )
        outbox._finished = dict.fromkeys(state.finished)
        outbox._early = dict(state.early)
        outbox._failures = dict(state.failures)
        outbox._oldest_ns = min((entry.since_ns for entry in state.entries), default=0)
        return outbox

    def _finish(self, notice: str) -> None:
        self._entries.pop(notice, None)
        _remember(self._finished, notice, None)

    def _failed(self, channel: str, detail: str, *, at_once: bool) -> ChannelHealth | None:
        before = self._failures.get(channel, 0)
        count = max(before + 1, FAILURES_TO_FAULT if at_once else 0)
        self._failures[channel] = min(count, FAILURES_TO_FAULT)
        if before < FAILURES_TO_FAULT <= count:
            return ChannelHealth(channel, failing=True, detail=detail)
        return None

    def _make_room(self) -> list[ChannelHealth]:
        ranked = sorted(self._entries.values(), key=lambda entry: (-entry.notice.tier, entry.since_ns, entry.id))
        return self._give_up(ranked[: MOST_NOTICES // 20], "the outbox is full")

    def _give_up(self, entries: Iterable[Entry], why: str) -> list[ChannelHealth]:
        found = []
        for entry in entries:
            self._finish(entry.id)
            health = self._failed(entry.notice.channel, why, at_once=True)
            if health is not None:
                found.append(health)
        return found


def _remember(memory: dict[str, T], key: str, value: T) -> None:
    memory[key] = value
    if len(memory) > MOST_REMEMBERED:
        del memory[next(iter(memory))]
