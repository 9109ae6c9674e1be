"""The alarm book: folds a partition of `events` into alarm transitions, notices and answers.

Its state is a function of the records applied so far and of nothing else. Whoever drives it applies every record in
order, appends what comes out to `alarms`, and only then lets a dispatcher act.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from alerting import lifecycle
from alerting.commands import decide, repeated
from alerting.conditions import EVENTS, Condition
from alerting.faults import RULE, Fault, fault_change
from alerting.lifecycle import UPWARD, Step
from alerting.outbox import ChannelHealth, Outbox
from alerting.routing import Routed, Router, reaches_nobody
from alerting.snapshot import BookState, Header, SnapshotRefused, decode, encode, record_checksum
from schemas.alarms import Alarm, Answer, Command, CommandKind, Notice, Outcome, Receipt, State, Transition
from schemas.causes import TIMER_ROW, Cause, alarm_id
from schemas.changes import ConditionChange, ConditionChanges, Place, Side
from schemas.nowclock import NowClock
from schemas.records import Activate, RecordError, Tick
from schemas.records import decode as decode_record
from schemas.registry import Revision, Struct
from schemas.text import Text
from schemas.time import DAY, HOUR, MINUTE, SECOND

UNCONFIRMED_AFTER = 90 * SECOND
POISON_STANDS = 10 * MINUTE
CLOCK_STANDS = 60 * SECOND
CAUSES_KEPT = 8 * DAY
"""Last causes outlive `readings` (7 days), so that no copy that can still be refolded is taken for news."""

MOST_COMMANDS = 10_000
"""Command ids remembered; an older one that comes again is judged by its revision like any other."""


class ActivationNeeded(Exception):
    """Not now: the record activates a revision. Read that revision, then call `activate` with it."""

    def __init__(self, activate: Activate) -> None:
        super().__init__(f"revision {activate.revision} is needed before this record can be applied")
        self.revision = activate.revision


class Outputs(NamedTuple):
    """What one record made. `receipts` are those of the record itself, for the dispatcher to follow."""

    transitions: tuple[Transition, ...] = ()
    notices: tuple[Notice, ...] = ()
    answers: tuple[Answer, ...] = ()
    receipts: tuple[Receipt, ...] = ()


NOTHING = Outputs()


class _Work:
    """The record being applied and what it has made so far."""

    __slots__ = ("answers", "append_ns", "notices", "offset", "row", "transitions")

    def __init__(self, offset: int, append_ns: int) -> None:
        self.offset = offset
        self.append_ns = append_ns
        self.row = TIMER_ROW
        self.transitions: list[Transition] = []
        self.notices: list[Notice] = []
        self.answers: list[Answer] = []


class Book:
    """The fold over one partition of `events`.

    `recorded` is for the replay of a file: `now` is the recording's time, and there are no notices.
    """

    def __init__(self, partition: int, incarnation: int, *, recorded: bool = False) -> None:
        self.partition = partition
        self.incarnation = incarnation
        self.next_offset = 0
        self.revision = 0
        self.outbox = Outbox()
        self._last = (-1, -1)
        self._now = NowClock(recorded)
        self._conditions: dict[str, Condition] = {}
        self._listed: dict[str, Condition] = {}
        self._unconfirmed: dict[str, str] = {}
        self._commands: dict[str, Outcome] = {}
        self._until: dict[str, int] = {}
        self._router = Router()
        self._recorded = recorded
        self._parks: tuple[str, ...] = ()
        self._pruned_ns = 0
        self._next_check = 0

    @property
    def now_ns(self) -> int:
        """Time as this partition tells it (LAWS T1)."""
        return self._now.now_ns

    def alarms(self) -> Iterator[Alarm]:
        """The alarms on the list: everything but normal."""
        return (condition.alarm for condition in self._listed.values() if condition.alarm is not None)

    def alarm(self, id: str) -> Alarm | None:
        """The alarm of that id, None while it is normal."""
        condition = self._conditions.get(id)
        return condition.alarm if condition else None

    def start_at(self, offset: int, revision: Revision | None = None) -> None:
        """Begin a new book where the log begins to be kept, with the revision that stood there."""
        self.next_offset = offset
        if revision is not None:
            self._follow(revision)

    def apply(self, offset: int, append_ns: int, kind: str, value: bytes) -> Outputs:
        """Fold one record. An offset that was applied before does nothing.

        Raises `ActivationNeeded`, without having done anything, for a record that is to be given to `activate`.
        """
        if offset < self.next_offset:
            return NOTHING
        payload: Struct | RecordError
        try:
            payload = decode_record(kind, value)
        except RecordError as error:
            payload = error
        if isinstance(payload, Activate):
            raise ActivationNeeded(payload)
        work = self._open(offset, append_ns, payload.by if isinstance(payload, Tick) else "")
        receipts: tuple[Receipt, ...] = ()
        match payload:
            case ConditionChanges():
                self._hear_all(payload, work)
            case Command():
                self._obey(payload, work)
            case Receipt():
                receipts = (payload,)
                self._channels([self.outbox.hear(payload, offset, self.now_ns)], work)
            case Tick():
                pass
            case RecordError():
                self._skip(str(payload), work)
            case _:
                self._skip(f"kind {kind!r} does not belong into events", work)
        return self._close(work, value, receipts)

    def activate(self, offset: int, append_ns: int, revision: Revision, value: bytes = b"") -> Outputs:
        """Follow `revision` from the `activate` record at `offset` on (`value` is that record's). An older one is
        a late copy and changes nothing."""
        if offset < self.next_offset:
            return NOTHING
        work = self._open(offset, append_ns, "")
        if revision.number > self.revision:
            self._follow(revision)
            if not reaches_nobody(revision.routes, revision):
                self._own(Fault.UNROUTED, "", False, work)
        return self._close(work, value, ())

    def freeze(self) -> BookState:
        """Everything the book knows, as a value that stays as it is while the book goes on."""
        return BookState(
            header=Header(
                partition=self.partition,
                incarnation=self.incarnation,
                next_offset=self.next_offset,
                last_offset=self._last[0],
                last_checksum=self._last[1],
                revision=self.revision,
            ),
            now=self._now.state(),
            conditions=tuple(condition.state() for condition in self._conditions.values()),
            commands=tuple(self._commands.items()),
            outbox=self.outbox.state(),
            until=dict(self._until),
            routes=self._router.routes,
            parks=self._parks,
            pruned_ns=self._pruned_ns,
        )

    def snapshot(self) -> bytes:
        """The book in bytes. A driver with a large book calls `freeze` here and `snapshot.encode` in a thread."""
        return encode(self.freeze())

    @classmethod
    def restore(cls, data: bytes) -> Book:
        """The book that goes on from `data`. Raises `SnapshotRefused`, a ValueError."""
        return cls.of(decode(data))

    @classmethod
    def of(cls, state: BookState) -> Book:
        book = cls(state.header.partition, state.header.incarnation, recorded=state.now.recorded)
        book.next_offset = state.header.next_offset
        book._last = (state.header.last_offset, state.header.last_checksum)
        book.revision = state.header.revision
        book.outbox = Outbox.of(state.outbox)
        book._now = NowClock.of(state.now)
        book._conditions = {kept.id: Condition.of(kept) for kept in state.conditions}
        book._listed = {id: condition for id, condition in book._conditions.items() if condition.alarm is not None}
        book._unconfirmed = {
            id: _source(condition)
            for id, condition in book._listed.items()
            if condition.alarm is not None and condition.alarm.unconfirmed
        }
        book._commands = dict(state.commands)
        book._until = dict(state.until)
        book._router = Router(state.routes)
        book._parks = state.parks
        book._pruned_ns = state.pruned_ns
        return book

    @staticmethod
    def header(data: bytes) -> Header:
        """The header of a snapshot, checked with the whole. Raises `SnapshotRefused`."""
        return decode(data).header

    @staticmethod
    def checksum(value: bytes) -> int:
        """The checksum of a record's value, as `Header.last_checksum` holds it."""
        return record_checksum(value)

    def _follow(self, revision: Revision) -> None:
        self.revision = revision.number
        self._router = Router(revision.routes)
        self._parks = tuple(park.id for park in revision.parks)

    def _open(self, offset: int, append_ns: int, ticker: str) -> _Work:
        """Time comes to the record; what falls due before it fires as its row -1."""
        work = _Work(offset, append_ns)
        step = self._now.advance(append_ns, ticker)
        if self.now_ns >= self._next_check:
            self._fire(work)
        if self.now_ns - self._pruned_ns >= HOUR:
            self._prune()
        work.row = 0
        if step is not None:
            self._stand(Fault.CLOCK, CLOCK_STANDS, str(step), work)
        return work

    def _close(self, work: _Work, value: bytes, receipts: tuple[Receipt, ...]) -> Outputs:
        self.next_offset = work.offset + 1
        self._last = (work.offset, record_checksum(value))
        if not (work.transitions or work.answers or receipts):
            return NOTHING
        return Outputs(tuple(work.transitions), tuple(work.notices), tuple(work.answers), receipts)

    def _fire(self, work: _Work) -> None:
        """Timers in the order (due, rule, subject), and when to look again."""
        now = self.now_ns
        due: list[tuple[int, str, str, Condition]] = []
        next_check = now + UNCONFIRMED_AFTER
        for condition in self._listed.values():
            alarm = condition.alarm
            if alarm is None or not alarm.active or alarm.unconfirmed or alarm.rule == RULE:
                continue
            if self._recorded:
                continue  # the rules fold of a replay is always there; it is only not asked while nothing happens
            at = condition.heard_ns + UNCONFIRMED_AFTER
            if at <= now:
                due.append((at, alarm.rule, alarm.subject, condition))
            else:
                next_check = min(next_check, at)
        for _, _, _, condition in sorted(due, key=lambda timer: timer[:3]):
            if condition.alarm is not None:
                self._emit(condition, lifecycle.unconfirm(condition.alarm, work.append_ns), work)
        for fault, until in sorted(self._until.items(), key=lambda timer: (timer[1], timer[0])):
            if until <= now:
                del self._until[fault]
                self._own(Fault(fault), "", False, work)
            else:
                next_check = min(next_check, until)
        self._channels(self.outbox.expire(now), work)
        self._next_check = min(next_check, self.outbox.expires_ns) if len(self.outbox) else next_check

    def _prune(self) -> None:
        self._pruned_ns = self.now_ns
        oldest = self.now_ns - CAUSES_KEPT
        for id in [id for id, known in self._conditions.items() if known.alarm is None and known.heard_ns < oldest]:
            del self._conditions[id]

    def _hear_all(self, said: ConditionChanges, work: _Work) -> None:
        for row, change in enumerate(said.changes):
            work.row = row
            try:
                self._hear(change, work)
            except Exception as error:  # LAWS C7: what throws is skipped alone, and says so
                self._skip(f"change {row} of {change.rule}/{change.subject}: {error!r}", work)

    def _hear(self, change: ConditionChange, work: _Work) -> None:
        if change.level < 0:
            raise ValueError(f"level {change.level} is below normal")
        own = change.cause is None
        cause = Cause(self.incarnation, work.offset, work.row) if change.cause is None else change.cause
        partition = EVENTS if own else change.partition
        condition = self._condition(change)
        if condition.is_copy(partition, cause, change):
            return
        before = condition.alarm
        step = lifecycle.hear(before, change, cause, work.append_ns)
        condition.accept(partition, cause, change, self.now_ns)
        self._next_check = min(self._next_check, self.now_ns + UNCONFIRMED_AFTER)
        if step is not None:
            self._emit(condition, step, work, cause=cause)
        elif before is not None and change.level > 0:
            condition.refresh(lifecycle.refresh(before, change))

    def _condition(self, change: ConditionChange) -> Condition:
        id = alarm_id(change.rule, change.subject, change.side)
        condition = self._conditions.get(id)
        if condition is None:
            condition = self._conditions[id] = Condition(id)
        return condition

    def _obey(self, command: Command, work: _Work) -> None:
        """Every command is answered; only one that applies changes anything."""
        first = self._commands.get(command.id)
        if first is not None:
            self._answer(command, Outcome.REPEATED, repeated(first), work)
            return
        condition = self._conditions.get(command.alarm)
        outcome, reason = decide(command, condition)
        self._commands[command.id] = outcome
        if len(self._commands) > MOST_COMMANDS:
            del self._commands[next(iter(self._commands))]
        if outcome is Outcome.APPLIED and condition is not None and condition.alarm is not None:
            carry_out = lifecycle.close if command.kind is CommandKind.CLOSE else lifecycle.acknowledge
            step = carry_out(condition.alarm, command.actor, command.comment, work.append_ns)
            self._answer(command, outcome, reason, work, step.alarm)
            self._emit(condition, step, work, actor=command.actor, command=command.id)
        else:
            self._answer(command, outcome, reason, work)

    def _answer(
        self, command: Command, outcome: Outcome, reason: Text, work: _Work, result: Alarm | None = None
    ) -> None:
        alarm = result or self.alarm(command.alarm)
        work.answers.append(
            Answer(
                command=command.id,
                outcome=outcome,
                reason=reason,
                alarm=command.alarm,
                episode=alarm.episode if alarm else command.episode,
                revision=alarm.revision if alarm else command.revision,
                at_ns=work.append_ns,
            )
        )

    def _emit(
        self,
        condition: Condition,
        step: Step,
        work: _Work,
        *,
        cause: Cause | None = None,
        actor: str = "",
        command: str = "",
    ) -> None:
        """Put a step into the book and on its way: transition, notices, and what follows from them."""
        before, alarm = condition.alarm, step.alarm
        transition = Transition(
            change=step.change,
            alarm=alarm,
            previous_state=before.state if before else State.NORMAL,
            previous_tier=before.tier if before else 0,
            at_ns=work.append_ns,
            cause=cause,
            actor=actor,
            command=command,
            partition=self.partition,
            offset=work.offset,
        )
        routed = Routed() if self._recorded else self._router.notices(transition)
        work.transitions.append(transition)
        work.notices.extend(routed.notices)
        condition.put(alarm, upward=step.change in UPWARD)
        if alarm.listed:
            self._listed[condition.id] = condition
        else:
            condition.end()
            self._listed.pop(condition.id, None)
        if alarm.unconfirmed and alarm.listed:
            self._mark(condition, work)
        elif condition.id in self._unconfirmed:
            self._unmark(condition, work)
        self._channels(self.outbox.add(routed.notices, self.now_ns), work)
        if routed.unrouted:
            self._own(Fault.UNROUTED, "", True, work, detail=alarm.subject)

    def _mark(self, condition: Condition, work: _Work) -> None:
        source = self._unconfirmed[condition.id] = _source(condition)
        self._own(Fault.UNCONFIRMED, source, True, work)

    def _unmark(self, condition: Condition, work: _Work) -> None:
        source = self._unconfirmed.pop(condition.id)
        if source not in self._unconfirmed.values():
            self._own(Fault.UNCONFIRMED, source, False, work)

    def _channels(self, healths: Iterable[ChannelHealth | None], work: _Work) -> None:
        for health in healths:
            if health is not None:
                self._own(Fault.CHANNEL, health.channel, health.failing, work, detail=health.detail)

    def _skip(self, why: str, work: _Work) -> None:
        self._stand(Fault.POISON, POISON_STANDS, f"events/{self.partition} @{work.offset}: {why[:300]}", work)

    def _stand(self, fault: Fault, stands_ns: int, detail: str, work: _Work) -> None:
        """Raise a fault that ends by itself `stands_ns` of `now` after its last cause."""
        self._until[fault] = self.now_ns + stands_ns
        self._next_check = min(self._next_check, self._until[fault])
        self._own(fault, "", True, work, detail=detail)

    def _own(self, fault: Fault, key: str, raised: bool, work: _Work, detail: str = "") -> None:
        """Raise or end a fault of the book's own; nothing when it stands so already."""
        cause = Cause(self.incarnation, work.offset, work.row)
        place = Place(park=self._parks[0]) if len(self._parks) == 1 else Place()
        change = fault_change(
            fault, self.partition, key, raised=raised, cause=cause, at_ns=work.append_ns, detail=detail, place=place
        )
        id = alarm_id(change.rule, change.subject, Side.FAULT)
        condition = self._conditions.get(id)
        if condition is None:
            if not raised:
                return
            condition = self._conditions[id] = Condition(id)
        step = lifecycle.hear(condition.alarm, change, cause, work.append_ns)
        condition.own(self.now_ns)
        if step is not None:
            self._emit(condition, step, work, cause=cause)


def _source(condition: Condition) -> str:
    """Who should have restated it: a partition of `readings`, or the processes that speak of themselves."""
    return "processes" if condition.heard_from == EVENTS else f"readings/{condition.heard_from}"


__all__ = ["ActivationNeeded", "Book", "Outputs", "SnapshotRefused"]
