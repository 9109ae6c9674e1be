"""What tests of the alarm room share: changes in few words, and a log of `events` in a list with a book behind it."""

from __future__ import annotations

from dataclasses import dataclass, field

from alerting.book import Book, Outputs
from schemas.alarms import Alarm, Answer, Command, CommandKind, Notice, Receipt, ReceiptKind, Transition
from schemas.causes import Cause
from schemas.changes import AlarmClass, Basis, ConditionChange, ConditionChanges, Guidance, Place, Side
from schemas.records import Kind, Tick, encode
from schemas.registry import Enterprise, HazardSource, Park, Revision, Route, Struct
from schemas.text import Text
from schemas.time import SECOND, from_iso

START = from_iso("2026-03-01T08:00:00Z")
LEVEL_NAMES = ("normal", "high", "high_high", "level_3")
TIER_OF_LEVEL = (0, 2, 1, 1)
PLACE = Place(
    park="demo",
    enterprise="metal",
    hazard_source="foundry",
    park_name=Text("示范化工园区", "Demo chemical park"),
    enterprise_name=Text("某金属厂", "Metal works"),
    hazard_source_name=Text("铸造车间", "Foundry"),
    tag_title=Text("1号炉一氧化碳", "CO at furnace 1"),
)


def change(
    level: int,
    offset: int,
    row: int = 0,
    *,
    subject: str = "CO-101",
    side: Side = Side.HIGH,
    alarm_class: AlarmClass = AlarmClass.PROCESS,
    basis: Basis = Basis.READING,
    partition: int = 0,
    value: float | None = None,
    tier: int | None = None,
    since_ns: int = START,
    **more: object,
) -> ConditionChange:
    """A change of a CO point to `level`, caused at (1, offset, row) of `readings`."""
    return ConditionChange(
        rule="limits",
        kind="limits",
        subject=subject,
        side=side,
        level=level,
        level_name=LEVEL_NAMES[level],
        tier=TIER_OF_LEVEL[level] if tier is None else tier,
        alarm_class=alarm_class,
        basis=basis,
        cause=Cause(1, offset, row),
        partition=partition,
        onset_ns=since_ns,
        since_ns=since_ns if level else 0,
        event_ns=START,
        value=20.0 * level + 5.0 if value is None else value,
        limit=(None, 20.0, 40.0, 60.0)[level],
        unit="ppm",
        gas="630-08-0",
        text=Text("1号炉一氧化碳高", "CO at furnace 1 is high") if level else Text(),
        place=PLACE,
        guidance=Guidance(action=Text("撤离并通风", "Evacuate and ventilate")),
        registry_revision=1,
        **more,  # type: ignore[arg-type]
    )


def own_change(level: int, subject: str = "alarm@host: channel", **more: object) -> ConditionChange:
    """A process's own fault, whose cause is its position in `events`."""
    return ConditionChange(
        rule="self",
        kind="self",
        subject=subject,
        side=Side.FAULT,
        level=level,
        level_name="fault" if level else "normal",
        tier=2 if level else 0,
        alarm_class=AlarmClass.SYSTEM,
        basis=Basis.SELF,
        cause=None,
        **more,  # type: ignore[arg-type]
    )


def revision(*routes: Route, number: int = 1) -> Revision:
    return Revision(
        number=number,
        parks=(Park(id="demo"),),
        enterprises=(Enterprise(id="metal", park="demo"), Enterprise(id="chlorine", park="demo")),
        hazard_sources=(HazardSource(id="foundry", enterprise="metal", grade=3),),
        routes=routes,
    )


DUTY = Route(id="duty", channel="hook", recipients=("officer",))


def routed_book() -> Book:
    """A new book whose revision 1 sends everything to the duty officer."""
    book = Book(0, 1)
    book.start_at(0, revision(DUTY))
    return book


@dataclass
class Desk:
    """A book behind a log of `events`: every record is numbered, stamped and applied; what comes out is kept.

    `after_s` lets time pass before the record.
    """

    book: Book = field(default_factory=routed_book)
    at_ns: int = START
    records: list[tuple[int, int, str, bytes]] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    commands: int = 0

    def put(self, payload: Struct, after_s: float = 0.0) -> Outputs:
        return self.raw(
            str(
                {
                    ConditionChanges: Kind.CHANGES,
                    Command: Kind.COMMAND,
                    Receipt: Kind.RECEIPT,
                    Tick: Kind.TICK,
                }[type(payload)]
            ),
            encode(payload),
            after_s,
        )

    def raw(self, kind: str, value: bytes, after_s: float = 0.0) -> Outputs:
        self.at_ns += round(after_s * SECOND)
        record = (self.book.next_offset, self.at_ns, kind, value)
        self.records.append(record)
        return self._keep(self.book.apply(*record))

    def activate(self, content: Revision) -> Outputs:
        return self._keep(self.book.activate(self.book.next_offset, self.at_ns, content))

    def say(self, *changes: ConditionChange, after_s: float = 0.0) -> Outputs:
        return self.put(ConditionChanges(changes=changes), after_s)

    def tick(self, after_s: float = 1.0) -> Outputs:
        return self.put(Tick(by="alarm"), after_s)

    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.tick()

    def order(
        self,
        kind: CommandKind,
        alarm: Alarm,
        *,
        revision: int | None = None,
        id: str = "",
        actor: str = "wang",
        comment: str = "",
    ) -> Answer:
        self.commands += 1
        command = Command(
            id=id or f"c-{self.commands}",
            kind=kind,
            alarm=alarm.id,
            episode=alarm.episode,
            revision=alarm.revision if revision is None else revision,
            actor=actor,
            comment=comment,
        )
        return self.put(command).answers[-1]

    def acknowledge(self, alarm: Alarm, **more: object) -> Answer:
        return self.order(CommandKind.ACKNOWLEDGE, alarm, **more)  # type: ignore[arg-type]

    def receipt(
        self, notice: str, kind: ReceiptKind, detail: str = "", by: str = "alarm-0", attempt: int = 1
    ) -> Outputs:
        return self.put(Receipt(notice=notice, kind=kind, by=by, attempt=attempt, at_ns=self.at_ns, detail=detail))

    @property
    def last(self) -> Transition:
        return self.transitions[-1]

    @property
    def alarm(self) -> Alarm:
        """The alarm of the last transition."""
        return self.last.alarm

    def said(self) -> list[str]:
        """The names of the transitions so far."""
        return [str(transition.change) for transition in self.transitions]

    def _keep(self, outputs: Outputs) -> Outputs:
        self.transitions += outputs.transitions
        self.notices += outputs.notices
        self.answers += outputs.answers
        return outputs
