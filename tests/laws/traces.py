"""Traces: small logs of `readings` with everything in them that has ever silenced a value or doubled an alarm.

A trace is a revision and a list of records of one partition. The generators are biased to limits, deadbands, delays and
the edges of batches, because random danger finds nothing there (LAWS.md, at its end). Limits: high 50, high-high 80.

Hypothesis draws lists of small tuples; `Writer` turns them into records deterministically, so traces shrink well.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from hypothesis import strategies as st

from rules.engine import Fold
from rules.rulebook import Rulebook, compile_rules
from schemas.batch import Batch, batch, encode
from schemas.changes import ConditionChange
from schemas.quality import Quality
from schemas.records import Activate, Kind, Link, Tick
from schemas.records import encode as encode_record
from schemas.registry import Enterprise, Limits, Measure, Park, Revision, Tag
from schemas.time import HOUR, MS, SECOND

START = 1_767_225_600 * SECOND
"""2026-01-01, when every trace begins."""
BOOTED_2024 = 1_704_067_200 * SECOND
BEAT_EVERY = 5 * SECOND
LINKS = ("ingest", "tank-gw")
HIGH, HIGH_HIGH, LOW, LOW_LOW = 50.0, 80.0, 10.0, 5.0
RANGE_HIGH = 100.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A record of `readings`. A batch is kept decoded; an activation carries the revision that it names."""

    append_ns: int
    kind: Kind
    value: bytes = b""
    batch: Batch | None = None
    revision: Revision | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """Records with offsets 0, 1, 2 ... under a first revision."""

    revision: Revision
    entries: tuple[Entry, ...]


# Registries


def revision(*tags: Tag, number: int = 1) -> Revision:
    """One park, one enterprise, these tags."""
    park, enterprise = Park(id="park"), Enterprise(id="works", park="park")
    return Revision(number=number, parks=(park,), enterprises=(enterprise,), tags=tags)


def gas_tag(number: int = 1, **changed: object) -> Tag:
    """A CO detector with two levels, no delays."""
    plain = Tag(
        number=number,
        name=f"CO-{number}",
        enterprise="works",
        measure=Measure.GAS,
        cas="630-08-0",
        unit="ppm",
        range_low=0.0,
        range_high=RANGE_HIGH,
        limits=Limits(high=HIGH, high_high=HIGH_HIGH),
        stale_s=15.0,
    )
    return msgspec.structs.replace(plain, **changed)


def level_tag(number: int = 2, **changed: object) -> Tag:
    """A tank level with all four limits, no delays, on a link of its own."""
    plain = Tag(
        number=number,
        name=f"L-{number}",
        enterprise="works",
        measure=Measure.LEVEL,
        unit="%",
        range_low=0.0,
        range_high=RANGE_HIGH,
        limits=Limits(low_low=LOW_LOW, low=LOW, high=HIGH, high_high=HIGH_HIGH),
        link="tank-gw",
        stale_s=12.0,
    )
    return msgspec.structs.replace(plain, **changed)


DEADBANDS = (0.0, 2.0)
ON_DELAYS = (0.0, 1.0, 3.0)
OFF_DELAYS = (0.0, 2.0, 5.0)

tunings = st.tuples(st.sampled_from(DEADBANDS), st.sampled_from(ON_DELAYS), st.sampled_from(OFF_DELAYS))


def tuned(tag: Tag, tuning: tuple[float, float, float]) -> Tag:
    deadband, on_delay_s, off_delay_s = tuning
    return msgspec.structs.replace(tag, deadband=deadband, on_delay_s=on_delay_s, off_delay_s=off_delay_s)


registries = st.builds(lambda a, b: revision(tuned(gas_tag(), a), tuned(level_tag(), b)), tunings, tunings)

# Values, times, clocks


def _around(value: float) -> tuple[float, ...]:
    return math.nextafter(value, -math.inf), value, math.nextafter(value, math.inf)


_EDGES = (HIGH, HIGH - 2, HIGH_HIGH, HIGH_HIGH - 2, LOW, LOW_LOW, LOW + 2)
VALUES: tuple[tuple[float, int], ...] = (
    *((v, Quality.GOOD) for edge in _EDGES for v in _around(edge)),
    *((v, Quality.GOOD) for v in (20.0, 20.0, 20.0, 30.0, 60.0, 60.0, 90.0, 90.0, 90.0, 7.0, 2.0)),
    *((v, Quality.GOOD) for v in (*_around(RANGE_HIGH), 104.0, 0.0, -1.0, -2.0, math.nan, math.inf, -math.inf)),
    *((v, q) for v in (20.0, 60.0, 90.0) for q in (Quality.UNCERTAIN, Quality.BAD)),
    (math.nan, Quality.OVER_RANGE),
    (20.0, Quality.OVER_RANGE),
    (20.0, Quality.STALE),
    (20.0, Quality.MAINTENANCE_REQUIRED),
)  # fmt: skip
STEPS = (
    0,
    0,
    MS,
    SECOND // 2,
    SECOND,
    SECOND,
    SECOND,
    SECOND,
    SECOND + 1,
    2 * SECOND,
    3 * SECOND,
    5 * SECOND,
    9 * SECOND,
)

Clock = str
CLOCKS: tuple[Clock, ...] = (
    "true",
    "standing",
    "1970",
    "2024",
    "+1h",
    "-1h",
    "-300s",
    "-20s",
    "+4s",
    "none",
)
_AWAY = {"true": 0, "+1h": HOUR, "-1h": -HOUR, "-300s": -300 * SECOND, "-20s": -20 * SECOND, "+4s": 4 * SECOND}


def event_time(clock: Clock, now_ns: int, standing_ns: int = START - 2 * SECOND) -> int:
    """What a sensor with such a clock says when it is `now_ns`."""
    match clock:
        case "standing":
            return standing_ns
        case "1970":
            return now_ns - START + SECOND
        case "2024":
            return BOOTED_2024 + now_ns - START
        case "none":
            return 0
    return now_ns + _AWAY[clock]


SHIFTS = (0, 0, 0, 0, -MS, -SECOND, -5 * SECOND, -10 * SECOND, -10 * SECOND - 1, -12 * SECOND, -61 * SECOND)
"""How far behind its clock a reading comes: out of order, at the edge of lateness, older than a hold."""

# Writing


@dataclass(slots=True)
class Writer:
    """Writes records as time goes by; links beat every 5 s while they are `up`."""

    links: Sequence[str]
    now_ns: int = START
    entries: list[Entry] = field(default_factory=list)
    up: dict[str, bool] = field(default_factory=dict)
    boot: int = 0
    """The boot number of the gateways, 0 while they send no sequence; see `next_sequence`."""
    _beat_ns: int = START
    _seq: int = 0

    def next_sequence(self) -> int:
        """`boot << 32 | seq` of the next message."""
        self._seq += 1
        return self.boot << 32 | self._seq if self.boot else 0

    def start_boot(self, boot: int) -> None:
        """The gateways start again, with this boot number (0: they send no sequence from now on)."""
        self.boot, self._seq = boot, 0

    def pass_time(self, ns: int) -> None:
        until = self.now_ns + ns
        while self._beat_ns <= until:
            self.now_ns = max(self.now_ns, self._beat_ns)
            for name in self.links:
                if self.up.get(name, True):
                    self.beat(name, True)
            self._beat_ns += BEAT_EVERY
        self.now_ns = until

    def beat(self, name: str, up: bool) -> None:
        self._add(Kind.LINK, encode_record(Link(name=name, up=up)))

    def tick(self, by: str = "process") -> None:
        self._add(Kind.TICK, encode_record(Tick(by=by)))

    def poison(self) -> None:
        self._add(Kind.READINGS, b"no batch at all")

    def activate(self, new: Revision) -> None:
        activation = encode_record(Activate(revision=new.number, hash=""))
        self.entries.append(Entry(self.now_ns, Kind.ACTIVATE, activation, revision=new))

    def read(self, rows: Iterable[tuple[int, int, float, int]], sequence: int = 0) -> None:
        """A batch of (tag number, event time, value, quality)."""
        tag, event, value, quality = zip(*rows, strict=True)
        readings = batch(tag, event, value, quality, np.full(len(tag), sequence))
        self.entries.append(Entry(self.now_ns, Kind.READINGS, batch=readings))

    def again(self, entry: Entry) -> None:
        """A copy of an earlier record, as a zombie or a restarted ingest appends it."""
        self.entries.append(Entry(self.now_ns, entry.kind, entry.value, entry.batch, entry.revision))

    def again_recent(self, spare: int) -> None:
        """A copy of one of the last three batches, if there are any."""
        earlier = [entry for entry in self.entries if entry.batch is not None][-3:]
        if earlier:
            self.again(earlier[spare % len(earlier)])

    def step_broker(self, ns: int) -> None:
        """The clock of the log is set; nothing else happens."""
        self.now_ns += ns
        self._beat_ns += ns

    def _add(self, kind: Kind, value: bytes) -> None:
        self.entries.append(Entry(self.now_ns, kind, value))


# Strategies

STEP_BYTES = 9
"""A step is drawn as bytes: action, wait, spare with the number of rows, and three rows of value and tag with shift.
Bytes are one draw however long the trace, and shrink well."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One step of a trace, not yet written."""

    action: int
    wait_ns: int
    spare: int
    rows: tuple[tuple[int, int, int], ...]


def steps_of(drawn: bytes) -> Iterator[Drawn]:
    for at in range(0, len(drawn) - STEP_BYTES + 1, STEP_BYTES):
        action, wait, spare, *rows = drawn[at : at + STEP_BYTES]
        count = 1 + spare % 3
        pairs = zip(rows[::2], rows[1::2], strict=True)
        decoded = tuple((1 + (b & 1), a % len(VALUES), (b >> 1) % len(SHIFTS)) for a, b in pairs)
        yield Drawn(action, STEPS[wait % len(STEPS)], spare, decoded[:count])


def drawn_steps(most: int) -> st.SearchStrategy[list[Drawn]]:
    return st.binary(min_size=STEP_BYTES * min(8, most), max_size=STEP_BYTES * most).map(lambda b: list(steps_of(b)))


def read_rows(writer: Writer, rows: Sequence[tuple[int, int, int]], clock: Clock, gap_ns: int = 100 * MS) -> None:
    """Append the drawn rows as one batch, the last one being read at the writer's present."""
    readings = []
    for place, (tag, value, shift) in enumerate(rows):
        event = event_time(clock, writer.now_ns - gap_ns * (len(rows) - 1 - place))
        number, quality = VALUES[value]
        readings.append((tag, event + SHIFTS[shift] if event else 0, number, int(quality)))
    writer.read(readings, writer.next_sequence())


_CALM = ("read",) * 14 + ("down", "up")
_WILD = (*_CALM, "clock", "again", "tick", "poison", "activate", "broker", "boot", "boot")


def write(writer: Writer, first: Revision, steps: Iterable[Drawn], clocks: Sequence[Clock], *, wild: bool) -> None:
    """Write the drawn steps, beginning with the first clock; `wild` ones may change it, and much else."""
    actions = _WILD if wild else _CALM
    clock = clocks[0]
    current = first
    writer.pass_time(0)
    for step in steps:
        writer.pass_time(step.wait_ns)
        match actions[step.action % len(actions)]:
            case "read":
                read_rows(writer, step.rows, clock)
            case "down" | "up" as state:
                writer.up[writer.links[step.spare % len(writer.links)]] = state == "up"
            case "clock":
                clock = clocks[step.spare % len(clocks)]
            case "boot":
                writer.start_boot(step.spare % 4)
            case "again":
                writer.again_recent(step.spare)
            case "tick":
                writer.tick()
            case "poison":
                writer.poison()
            case "activate":
                current = shifted(current, step.spare)
                writer.activate(current)
            case "broker":
                writer.step_broker((HOUR, -HOUR, 30 * SECOND, -30 * SECOND)[step.spare % 4])


@st.composite
def traces(draw: st.DrawFn, *, clocks: Sequence[Clock] = CLOCKS, wild: bool = True, steps: int = 40) -> Trace:
    """Anything at all. Not `wild`: readings, waits and link faults only, with one clock."""
    first = draw(registries)
    writer = Writer(LINKS)
    start = draw(st.integers(0, len(clocks) - 1))
    write(writer, first, draw(drawn_steps(steps)), (*clocks[start:], *clocks[:start]), wild=wild)
    return Trace(first, tuple(writer.entries))


def shifted(before: Revision, spare: int) -> Revision:
    """The next revision: a limit moved by a unit, a tag retired for good, or nothing changed but the number."""
    tags = list(before.tags)
    match spare % 3:
        case 1:
            moved = msgspec.structs.replace(tags[0].limits, high=HIGH + spare % 2)
            tags[0] = msgspec.structs.replace(tags[0], limits=moved)
        case 2:
            tags[1] = msgspec.structs.replace(tags[1], retired=True)
    return revision(*tags, number=before.number + 1)


# Folding


def rulebook(of: Revision) -> Rulebook:
    return compile_rules(of, 0, 1)


def new_fold(trace: Trace, incarnation: int = 1) -> Fold:
    return Fold(rulebook(trace.revision), 0, incarnation)


def fold_entry(fold: Fold, offset: int, entry: Entry) -> list[ConditionChange]:
    if entry.batch is not None:
        return fold.apply_readings(offset, entry.append_ns, entry.batch)
    if entry.revision is not None:
        return fold.activate(offset, entry.append_ns, rulebook(entry.revision), entry.value)
    return fold.apply(offset, entry.append_ns, entry.kind, entry.value)


def fold_all(trace: Trace, fold: Fold | None = None, start: int = 0) -> list[ConditionChange]:
    fold = fold or new_fold(trace)
    return [
        change
        for offset, entry in enumerate(trace.entries[start:], start)
        for change in fold_entry(fold, offset, entry)
    ]


def encoded(entry: Entry) -> bytes:
    """The record's value as the log holds it."""
    return entry.value if entry.batch is None else encode(entry.batch)


Identity = tuple[str, str, str]


def identity(change: ConditionChange) -> Identity:
    return change.rule, change.subject, change.side


def levels(changes: Iterable[ConditionChange]) -> dict[Identity, list[tuple[int, int]]]:
    """Each condition's sequence of (level, onset), without what only repeats the level."""
    found: dict[Identity, list[tuple[int, int]]] = {}
    for change in changes:
        sequence = found.setdefault(identity(change), [])
        if not sequence or sequence[-1][0] != change.level:
            sequence.append((change.level, change.onset_ns if change.level else 0))
    return found
