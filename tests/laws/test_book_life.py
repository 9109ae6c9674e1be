"""The book against its slow oracle, and the laws about copies, commands, restarts and first-out."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from alerting.book import Book, Outputs
from alerting.faults import RULE
from alerting.firstout import first_out
from alerting.state import furthest_first, state_key
from schemas.alarms import Alarm, Command, CommandKind, Outcome, Receipt, ReceiptKind, State, Transition
from schemas.causes import Cause, alarm_id, episode_id
from schemas.changes import AlarmClass, Basis, ConditionChange, ConditionChanges, Side
from schemas.records import Kind, Tick, encode
from schemas.time import SECOND
from tests.alerting.bench import START, change, routed_book
from tests.laws.book_oracle import Oracle
from tests.laws.settings import PATIENCE_S, traces

pytestmark = pytest.mark.timeout(PATIENCE_S)

Record = tuple[int, int, str, bytes]
SUBJECTS = {"CO-1": (0, AlarmClass.PROCESS), "CO-2": (0, AlarmClass.PROCESS), "GW-1": (1, AlarmClass.INSTRUMENT)}
BASES = (Basis.READING, Basis.READING, Basis.READING, Basis.RESTATEMENT, Basis.TIMER, Basis.LATE, Basis.RETIRED)
PAUSES = (0, 1, 1, 5, 29, 30, 59, 60, 89, 90, 91)


class BookMachine(RuleBasedStateMachine):
    """Anything may come in any order: news, copies, skewed twins, commands new, old and repeated, silence, restarts."""

    def __init__(self) -> None:
        super().__init__()
        self.book = routed_book()
        self.oracle = Oracle()
        self.append_ns = START
        self.offset = 100
        self.said: list[ConditionChange] = []
        self.given: list[tuple[str, Command, Command]] = []
        self.transitions: dict[tuple[str, str], list[tuple[str, int, int]]] = defaultdict(list)
        self.alarms_seen: list[Alarm] = []

    @initialize()
    def begin(self) -> None:
        self._apply(Tick(by="x"), Kind.TICK)

    @rule(
        subject=st.sampled_from(sorted(SUBJECTS)),
        level=st.integers(0, 2),
        basis=st.sampled_from(BASES),
        same_row=st.booleans(),
    )
    def news(self, subject: str, level: int, basis: Basis, same_row: bool) -> None:
        """The rules fold says something new; now and then a twin says something else of the same row."""
        if not same_row:
            self.offset += 1
        self._say(self._change(subject, level, basis))

    @precondition(lambda self: self.said)
    @rule(data=st.data())
    def copy(self, data: st.DataObject) -> None:
        self._say(data.draw(st.sampled_from(self.said)))

    @precondition(lambda self: any(True for _ in self.book.alarms()))
    @rule()
    def restate(self) -> None:
        """The fold says again what is active, as the book has it."""
        self.offset += 1
        active = [alarm for alarm in self.book.alarms() if alarm.active and alarm.rule != RULE]
        self._say(*(self._change(alarm.subject, alarm.level, Basis.RESTATEMENT) for alarm in active))

    @rule(seconds=st.sampled_from(PAUSES))
    def silence(self, seconds: int) -> None:
        for _ in range(0, seconds, 10):
            self.append_ns += min(10, seconds) * SECOND
            self._apply(Tick(by="x"), Kind.TICK)

    @precondition(lambda self: self.alarms_seen)
    @rule(data=st.data(), kind=st.sampled_from([CommandKind.ACKNOWLEDGE, CommandKind.ACKNOWLEDGE, CommandKind.CLOSE]))
    def command(self, data: st.DataObject, kind: CommandKind) -> None:
        """A person acts upon some alarm as it once was on the screen."""
        seen = data.draw(st.sampled_from(self.alarms_seen[-12:]))
        ordered = Command(
            id=f"c{len(self.given)}",
            kind=kind,
            alarm=seen.id,
            episode=seen.episode,
            revision=seen.revision,
            actor="wang",
        )
        told = replace(ordered, episode=str(tuple(seen.onset_cause)))
        self.given.append((seen.subject, ordered, told))
        self._order(*self.given[-1])

    @precondition(lambda self: self.given)
    @rule(data=st.data())
    def repeat_command(self, data: st.DataObject) -> None:
        outputs = self._order(*data.draw(st.sampled_from(self.given)))
        assert outputs.answers[0].outcome is Outcome.REPEATED

    @precondition(lambda self: self.alarms_seen)
    @rule(data=st.data())
    def shelving_is_refused(self, data: st.DataObject) -> None:
        """Law 11 holds for want of shelving: no command withholds an alarm."""
        seen = data.draw(st.sampled_from(self.alarms_seen))
        kind = data.draw(st.sampled_from([CommandKind.SHELVE, CommandKind.SUPPRESS, CommandKind.OUT_OF_SERVICE]))
        shelve = Command(
            id=f"s{self.book.next_offset}",
            kind=kind,
            alarm=seen.id,
            episode=seen.episode,
            revision=seen.revision,
            actor="li",
        )
        outputs = self._apply(shelve, Kind.COMMAND)
        assert (outputs.transitions, outputs.answers[0].outcome) == ((), Outcome.REFUSED)

    @rule()
    def restart(self) -> None:
        """The process ends, and another goes on from its snapshot."""
        data = self.book.snapshot()
        self.book = Book.restore(data)
        assert self.book.snapshot() == data

    @invariant()
    def both_books_show_the_same(self) -> None:
        shown = {
            (alarm.subject, str(alarm.side)): (
                alarm.state.value,
                alarm.level,
                alarm.revision,
                alarm.unconfirmed,
                tuple(alarm.onset_cause),
            )
            for alarm in self.book.alarms()
            if alarm.rule != RULE
        }
        expected = {
            key: (alarm.state, alarm.level, alarm.revision, alarm.unconfirmed, tuple(alarm.onset))
            for key, alarm in self.oracle.shown().items()
        }
        assert shown == expected
        for key, said in self.transitions.items():
            assert said == self.oracle.transitions(key)

    @invariant()
    def its_own_faults_stand_exactly_while_they_should(self) -> None:
        unconfirmed = {
            f"events/0:unconfirmed:readings/{SUBJECTS[alarm.subject][0]}"
            for alarm in self.book.alarms()
            if alarm.unconfirmed
        }
        assert {alarm.subject for alarm in self.book.alarms() if alarm.rule == RULE and alarm.active} == unconfirmed

    def _change(self, subject: str, level: int, basis: Basis) -> ConditionChange:
        partition, alarm_class = SUBJECTS[subject]
        side = Side.HIGH if alarm_class is AlarmClass.PROCESS else Side.FAULT
        tier = (0, 2, 1)[level]
        return change(
            level,
            self.offset,
            subject=subject,
            side=side,
            alarm_class=alarm_class,
            basis=basis,
            partition=partition,
            tier=tier,
        )

    def _say(self, *changes: ConditionChange) -> None:
        for said in changes:
            self.said.append(said)
        self.oracle.now = self.book.now_ns
        for said in changes:
            self.oracle.change(said)
        self._apply(ConditionChanges(changes=changes), Kind.CHANGES)

    def _order(self, subject: str, ordered: Command, told: Command) -> Outputs:
        side = Side.HIGH if SUBJECTS[subject][1] is AlarmClass.PROCESS else Side.FAULT
        self.oracle.command(subject, side, told)
        return self._apply(ordered, Kind.COMMAND)

    def _apply(self, payload: Any, kind: Kind) -> Outputs:
        outputs = self.book.apply(self.book.next_offset, self.append_ns, kind, encode(payload))
        if kind == Kind.TICK:
            self.oracle.pass_time(self.book.now_ns)
        for transition in outputs.transitions:
            alarm = transition.alarm
            assert alarm.id == alarm_id(alarm.rule, alarm.subject, alarm.side)
            assert alarm.episode == episode_id(alarm.rule, alarm.subject, alarm.side, alarm.onset_cause)
            if alarm.rule != RULE:
                self.transitions[alarm.subject, str(alarm.side)].append(
                    (str(transition.change), alarm.revision, alarm.level)
                )
                self.alarms_seen.append(alarm)
        return outputs


BookMachine.TestCase.settings = traces(500, steps=40)
TestBookAgainstItsOracle = BookMachine.TestCase


def bare(transitions: Iterable[Transition]) -> list[Transition]:
    """Transitions without their place in `events`, which copies move."""
    return [replace(transition, offset=0) for transition in transitions]


def by_alarm(transitions: Iterable[Transition]) -> dict[str, list[Transition]]:
    found: dict[str, list[Transition]] = defaultdict(list)
    for transition in bare(transitions):
        found[transition.alarm.id].append(transition)
    return found


def play(records: Sequence[tuple[Kind, Any]], book: Book | None = None) -> tuple[Book, list[Outputs]]:
    """All records at one instant."""
    book = book or routed_book()
    return book, [book.apply(book.next_offset, START, kind, encode(payload)) for kind, payload in records]


@st.composite
def fold_output(draw: st.DrawFn) -> list[ConditionChanges]:
    """What one rules fold says, record by record: causes rise, a change per condition and row at most."""
    said = []
    for offset in range(draw(st.integers(1, 8))):
        changes = [
            change(
                draw(st.integers(0, 2)),
                offset,
                row,
                subject=draw(st.sampled_from(["CO-1", "CO-2"])),
                basis=draw(st.sampled_from(BASES)),
                value=draw(st.sampled_from([49.9, 50.0, 50.1, 80.0])),
                since_ns=START - draw(st.integers(0, 3)) * SECOND,
            )
            for row in range(draw(st.integers(1, 3)))
        ]
        said.append(ConditionChanges(changes=tuple(changes)))
    return said


@traces(500)
@given(fold_output(), st.randoms(use_true_random=False))
def test_law_3_twins_and_zombies_in_any_order_give_the_same_transitions(
    said: list[ConditionChanges], chance: random.Random
) -> None:
    """Two writers in order each, and zombies that write any stretch again once its first copy stands."""
    _, alone = play([(Kind.CHANGES, changes) for changes in said])
    written: list[ConditionChanges] = []
    next_of = {"A": 0, "B": 0}
    while min(next_of.values()) < len(said):
        writer = chance.choice([name for name, at in next_of.items() if at < len(said)])
        written.append(said[next_of[writer]])
        next_of[writer] += 1
        if chance.random() < 0.4:
            begin = chance.randrange(max(next_of.values()))
            end = chance.randint(begin + 1, max(next_of.values()))
            written += said[begin:end]
    _, together = play([(Kind.CHANGES, changes) for changes in written])
    assert by_alarm(t for out in together for t in out.transitions) == by_alarm(
        t for out in alone for t in out.transitions
    )


@traces(500)
@given(fold_output(), st.data())
def test_law_10_commands_doubled_and_delayed_change_nothing_more(
    said: list[ConditionChanges], data: st.DataObject
) -> None:
    records: list[tuple[Kind, Any]] = []
    book = routed_book()
    seen: list[Alarm] = []
    attention: dict[str, int] = {}
    for n, changes in enumerate(said):
        records.append((Kind.CHANGES, changes))
        seen += [t.alarm for t in book.apply(book.next_offset, START, Kind.CHANGES, encode(changes)).transitions]
        acts = data.draw(st.booleans())
        if seen and acts:
            alarm = data.draw(st.sampled_from(seen))
            order = Command(
                id=f"c{n}",
                kind=CommandKind.ACKNOWLEDGE,
                alarm=alarm.id,
                episode=alarm.episode,
                revision=alarm.revision,
                actor="w",
            )
            records.append((Kind.COMMAND, order))
            seen += [t.alarm for t in book.apply(book.next_offset, START, Kind.COMMAND, encode(order)).transitions]
    once, outputs = play(records)
    for out in outputs:
        for transition in out.transitions:
            alarm = transition.alarm
            if transition.change in ("raise", "rise", "reraise"):
                attention[alarm.episode] = alarm.revision
            if transition.change == "acknowledge":
                (order,) = [payload for kind, payload in records if getattr(payload, "id", "") == transition.command]
                assert order.revision >= attention[alarm.episode], "it never covers a rise not yet seen"
    doubled = list(records)
    for at, (kind, payload) in reversed(list(enumerate(records))):
        if kind == Kind.COMMAND:
            doubled.insert(data.draw(st.integers(at + 1, len(doubled))), (kind, payload))
    twice, outputs_twice = play(doubled)
    assert sorted(twice.alarms(), key=lambda a: a.id) == sorted(once.alarms(), key=lambda a: a.id)
    assert bare(t for out in outputs_twice for t in out.transitions) == bare(
        t for out in outputs for t in out.transitions
    )
    assert sum(len(out.answers) for out in outputs_twice) == sum(kind == Kind.COMMAND for kind, _ in doubled)


@st.composite
def events(draw: st.DrawFn) -> list[Record]:
    """A stretch of `events` with everything in it, time passing, gaps in the offsets, and records nobody can read."""
    records: list[Record] = []
    book = routed_book()
    at, cause = START, 0
    notices: list[str] = []
    alarms: list[Alarm] = []
    for _ in range(draw(st.integers(1, 40))):
        at += draw(st.sampled_from([0, 1, 9, 10, 30, 45, -3600])) * SECOND
        what = draw(st.sampled_from(["change", "change", "change", "tick", "command", "receipt", "poison"]))
        kind, payload = Kind.TICK, encode(Tick(by=draw(st.sampled_from("ab"))))
        if what == "change":
            cause += draw(st.integers(0, 1))
            said = change(
                draw(st.integers(0, 2)), cause, subject=draw(st.sampled_from("XY")), basis=draw(st.sampled_from(BASES))
            )
            kind, payload = Kind.CHANGES, encode(ConditionChanges(changes=(said,)))
        elif what == "command" and alarms:
            seen = draw(st.sampled_from(alarms))
            order = Command(
                id=f"c{draw(st.integers(0, 9))}",
                kind=draw(st.sampled_from([CommandKind.ACKNOWLEDGE, CommandKind.CLOSE])),
                alarm=seen.id,
                episode=seen.episode,
                revision=seen.revision,
                actor="w",
            )
            kind, payload = Kind.COMMAND, encode(order)
        elif what == "receipt":
            id = draw(st.sampled_from([*notices, "n-unknown"]))
            outcome = draw(st.sampled_from(list(ReceiptKind)))
            receipt = Receipt(notice=id, kind=outcome, by=draw(st.sampled_from("pq")), attempt=1, at_ns=at)
            kind, payload = Kind.RECEIPT, encode(receipt)
        elif what == "poison":
            kind, payload = Kind.CHANGES, b"{]"
        record = (book.next_offset + draw(st.integers(0, 1)), at, str(kind), payload)
        records.append(record)
        outputs = book.apply(*record)
        notices += [notice.id for notice in outputs.notices]
        alarms += [transition.alarm for transition in outputs.transitions]
    return records


def in_bytes(outputs: Outputs) -> bytes:
    return b"\n".join(encode(payload) for group in outputs[:3] for payload in group)


@traces(500)
@given(events(), st.data())
def test_law_13_a_start_from_state_with_the_head_trimmed_goes_on_as_the_others(
    records: list[Record], data: st.DataObject
) -> None:
    """Writers of `state` come and go, and a zombie writes what it knew long ago, under its own name or another's."""
    book = routed_book()
    topic: list[tuple[bytes, bytes]] = []
    old: list[bytes] = []
    expected = []
    for record in records:
        expected.append(in_bytes(book.apply(*record)))
        if data.draw(st.sampled_from([True, False, False])):
            snapshot = book.snapshot()
            writer = data.draw(st.sampled_from(["rank-0", "rank-1", "zombie of rank-0", "cut"]))
            if writer.startswith("zombie") and old:
                snapshot = data.draw(st.sampled_from(old))
            old.append(snapshot)
            cut = len(snapshot) // 2 if writer == "cut" else len(snapshot)
            topic.append((state_key(0, writer.removeprefix("zombie of ")), snapshot[:cut]))
            topic.append((state_key(1, writer), snapshot))
    found = next(iter(furthest_first(topic, 0)), None)
    if found is None:
        return
    started = Book.restore(found)
    tail = [record for record in records if record[0] >= started.next_offset]
    went_on = [in_bytes(started.apply(*record)) for record in tail]
    assert went_on == expected[len(records) - len(tail) :]
    assert started.snapshot() == book.snapshot()


@traces(500)
@given(events(), st.data())
def test_law_14_no_bytes_stop_the_partition(records: list[Record], data: st.DataObject) -> None:
    """Records broken anywhere, of any kind: the book goes on, and what is unbroken is heard as ever."""
    book, clean = routed_book(), routed_book()
    kinds = st.sampled_from([*map(str, Kind), "", "hazwatch.changes.v9"])
    levels: list[list[tuple[str, int]]] = [[], []]
    for _, at, kind, value in records:
        broken = data.draw(st.one_of(st.binary(max_size=40), st.sampled_from([value[: len(value) // 2], value[:-1]])))
        for said, fold, record in (
            (levels[0], book, (data.draw(kinds), broken)),
            (levels[0], book, (kind, value)),
            (levels[1], clean, (kind, value)),
        ):
            transitions = fold.apply(fold.next_offset, at, *record).transitions
            said += [(t.alarm.id, t.alarm.level) for t in transitions if t.alarm.rule != RULE]
    assert levels[0] == levels[1]
    assert "events/0:unreadable" in {alarm.subject for alarm in book.alarms()}


@traces(500)
@given(events(), st.data())
def test_law_9_more_ticks_change_no_levels(records: list[Record], data: st.DataObject) -> None:
    """A timer may fire at the tick instead of the record behind it; the sequence is the same."""
    book, ticked = routed_book(), routed_book()
    levels: list[list[tuple[str, str, int]]] = [[], []]
    for _, at, kind, value in records:
        if kind != Kind.CHANGES:
            continue
        tick = (ticked, (str(Kind.TICK), encode(Tick(by="x"))), levels[1])
        ticks = [tick] * data.draw(st.integers(0, 2))
        for fold, record, said in (*ticks, (ticked, (kind, value), levels[1]), (book, (kind, value), levels[0])):
            transitions = fold.apply(fold.next_offset, at, *record).transitions
            said += [(t.alarm.id, str(t.change), t.alarm.level) for t in transitions if t.alarm.rule != RULE]
    assert levels[0] == levels[1]


@traces(500)
@given(events())
def test_refolding_and_restarting_after_every_record_give_the_same_bytes(records: list[Record]) -> None:
    book = routed_book()
    live = [in_bytes(book.apply(*record)) for record in records]
    again = routed_book()
    refolded = []
    for record in records:
        again = Book.restore(again.snapshot())
        refolded.append(in_bytes(again.apply(*record)))
    assert refolded == live
    assert msgspec.json.encode(again.freeze()) == msgspec.json.encode(book.freeze())


@traces(500)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 4), st.integers(0, 3), st.integers(1, 2)), min_size=1, max_size=12
    ),
    st.randoms(use_true_random=False),
)
def test_law_15_the_lags_of_partitions_change_no_first_out(
    points: list[tuple[int, int, int, int]], chance: random.Random
) -> None:
    """Each (partition, subject, onset, level) is said in the order of its partition, the partitions in any order."""
    streams: dict[int, list[ConditionChange]] = defaultdict(list)
    for partition, subject, onset, level in points:
        said = change(
            level,
            len(streams[partition]),
            subject=f"{partition}-{subject}",
            partition=partition,
            since_ns=START - onset * SECOND,
        )
        streams[partition].append(said)

    def shuffled() -> Alarm | None:
        left = {partition: list(said) for partition, said in streams.items()}
        order = []
        while any(left.values()):
            partition = chance.choice([partition for partition, said in left.items() if said])
            order.append((Kind.CHANGES, ConditionChanges(changes=(left[partition].pop(0),))))
        return first_out(play(order)[0].alarms())

    first = shuffled()
    assert first is not None
    for _ in range(3):
        assert shuffled() == first


def test_first_out_is_the_smallest_onset_then_the_smallest_cause() -> None:
    book, _ = play(
        [
            (Kind.CHANGES, ConditionChanges(changes=(change(1, 9, subject="B", since_ns=START - 5),))),
            (Kind.CHANGES, ConditionChanges(changes=(change(1, 8, subject="A", since_ns=START - 5),))),
            (Kind.CHANGES, ConditionChanges(changes=(change(1, 1, subject="C", since_ns=START),))),
        ]
    )
    first = first_out(book.alarms())
    assert first is not None
    assert (first.subject, first.onset_cause) == ("A", Cause(1, 8, 0))
    play([(Kind.CHANGES, ConditionChanges(changes=(change(2, 10, subject="C", since_ns=START - 9),)))], book)
    corrected = first_out(book.alarms())
    assert corrected is not None
    assert corrected.subject == "C"
    assert first_out([]) is None
    assert corrected.state is State.UNACKNOWLEDGED
