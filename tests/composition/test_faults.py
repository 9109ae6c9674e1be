"""What a process says of itself: raised, said again, ended; and what the book makes of it."""

from __future__ import annotations

from pathlib import Path

from alerting.book import Book
from eventlog.port import EventLog
from hazwatch.faults import REMEMBERED_S, Fault, Faults
from hazwatch.registry import RegistryView
from schemas.alarms import Alarm
from schemas.changes import ConditionChange, ConditionChanges
from schemas.records import Kind
from schemas.registry import Park, Revision
from schemas.text import Text
from tests.composition.helpers import FlakyLog, StoppedClock, everything, payloads, small_log


def speaker(log: EventLog, clock: StoppedClock, *parks: str) -> Faults:
    view = RegistryView(log)
    view.revisions[1] = Revision(number=1, parks=tuple(Park(id=p, name=Text(p, p)) for p in parks or ("p",)))
    return Faults("alarm@here", log, view, clock)


async def said(log: EventLog) -> list[ConditionChange]:
    found: list[ConditionChange] = []
    for one in await payloads(log, "events", Kind.CHANGES):
        assert isinstance(one, ConditionChanges)
        found += one.changes
    return found


async def listed(log: EventLog) -> list[Alarm]:
    """What a book makes of `events`."""
    book = Book(0, 1)
    for record in await everything(log, "events"):
        book.apply(record.offset, record.append_ns, record.kind, record.value)
    return list(book.alarms())


async def test_a_fault_is_raised_said_again_and_ended(tmp_path: Path) -> None:
    async with small_log(tmp_path) as log:
        clock = StoppedClock()
        faults = speaker(log, clock)
        faults.stand(Fault.LATE, "readings/0", "9 s")
        for _ in range(3):
            await faults._speak()
            clock.go(10)
        assert len(await said(log)) == 1
        await faults._speak()
        first, again = await said(log)
        assert (first.level, again.level, first.cause) == (1, 1, None)
        assert first.subject == "alarm@here:late:readings/0"
        (alarm,) = await listed(log)
        assert alarm.text.en == "behind the log: alarms may be late: readings/0 9 s"
        assert alarm.place.park == "p"
        faults.end(Fault.LATE, "readings/0")
        await faults._speak()
        await faults._speak()
        assert [c.level for c in await said(log)] == [1, 1, 0]
        (alarm,) = await listed(log)
        assert not alarm.active


async def test_what_happened_once_stands_for_a_while(tmp_path: Path) -> None:
    async with small_log(tmp_path) as log:
        clock = StoppedClock()
        faults = speaker(log, clock)
        faults.stand(Fault.GAP, "readings/1", "offsets 3 to 9", for_s=REMEMBERED_S)
        await faults._speak()
        clock.go(REMEMBERED_S + 1)
        await faults._speak()
        assert [c.level for c in await said(log)] == [1, 0]


async def test_what_an_earlier_life_left_behind_is_ended_after_a_minute(tmp_path: Path) -> None:
    async with small_log(tmp_path) as log:
        clock = StoppedClock()
        before = speaker(log, clock)
        before.stand(Fault.DISK, "", "3 MB")
        await before._speak()
        after = speaker(log, clock)
        after.watch(Fault.DISK)
        await after._speak()
        assert (await listed(log))[0].active
        clock.go(61)
        await after._speak()
        await after._speak()
        assert not (await listed(log))[0].active
        assert len(await said(log)) == 2


async def test_an_unreachable_log_loses_nothing_that_stands(tmp_path: Path) -> None:
    async with small_log(tmp_path) as log:
        flaky = FlakyLog(log)
        faults = speaker(flaky, StoppedClock())
        flaky.cut = True
        faults.stand(Fault.REVISION, "", "7")
        await faults._speak()
        flaky.cut = False
        await faults._speak()
        assert [c.level for c in await said(log)] == [1]


async def test_every_control_room_hears_it(tmp_path: Path) -> None:
    async with small_log(tmp_path) as log:
        faults = speaker(log, StoppedClock(), "north", "south")
        faults.stand(Fault.DISK)
        await faults._speak()
        assert {(c.place.park, c.subject) for c in await said(log)} == {
            ("north", "alarm@here:disk/north"),
            ("south", "alarm@here:disk/south"),
        }


async def test_short_trouble_that_nobody_heard_of_is_not_said(tmp_path: Path) -> None:
    async with small_log(tmp_path) as log:
        faults = speaker(log, StoppedClock())
        faults.stand(Fault.LATE)
        faults.end(Fault.LATE)
        await faults._speak()
        assert await said(log) == []
