"""A second, slow alarm book, written from the rules and not from the code: it keeps everything that it ever heard and
works each alarm out anew from the beginning. It knows nothing of routes, receipts and its own faults."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.alarms import Command, CommandKind
from schemas.changes import AlarmClass, Basis, ConditionChange
from schemas.time import SECOND

MAY_LOWER = {
    AlarmClass.PROCESS: {Basis.READING, Basis.FIRST, Basis.RETIRED},
    AlarmClass.INSTRUMENT: set(Basis) - {Basis.RESTATEMENT},
    AlarmClass.COMMUNICATION: set(Basis) - {Basis.RESTATEMENT},
    AlarmClass.SYSTEM: set(Basis) - {Basis.RESTATEMENT},
}


@dataclass
class Shown:
    """What people see of an alarm."""

    state: str
    level: int
    revision: int
    unconfirmed: bool
    onset: tuple[int, int, int]


@dataclass
class Heard:
    """One thing that concerned a condition: at `now`, a change (with its cause), a command, or just time."""

    now: int
    change: ConditionChange | None = None
    command: Command | None = None


class Oracle:
    """Records in, what people see out."""

    def __init__(self) -> None:
        self.history: dict[tuple[str, str], list[Heard]] = {}
        self.now = 0

    def change(self, change: ConditionChange) -> None:
        self.history.setdefault((change.subject, change.side), []).append(Heard(self.now, change=change))

    def command(self, subject: str, side: str, command: Command) -> None:
        self.history.setdefault((subject, side), []).append(Heard(self.now, command=command))

    def pass_time(self, now: int) -> None:
        self.now = now
        for heard in self.history.values():
            heard.append(Heard(now))

    def shown(self) -> dict[tuple[str, str], Shown]:
        """Everything that is not normal, and every transition of it, by replaying the whole history."""
        found = {}
        for key, history in self.history.items():
            alarm = self._replay(history)[0]
            if alarm is not None:
                found[key] = alarm
        return found

    def transitions(self, key: tuple[str, str]) -> list[tuple[str, int, int]]:
        """(change, revision, level) of a condition so far."""
        return self._replay(self.history.get(key, []))[1]

    def _replay(self, history: list[Heard]) -> tuple[Shown | None, list[tuple[str, int, int]]]:
        alarm: Shown | None = None
        said: list[tuple[str, int, int]] = []
        accepted: list[ConditionChange] = []
        last_heard = 0
        attention = 0
        done: set[str] = set()

        def tell(name: str) -> None:
            assert alarm is not None
            alarm.revision += 1
            said.append((name, alarm.revision, alarm.level))

        for heard in history:
            if alarm is not None and alarm.level and not alarm.unconfirmed and heard.now - last_heard >= 90 * SECOND:
                alarm.unconfirmed = True
                tell("unconfirmed")
            change, command = heard.change, heard.command
            if change is not None:
                assert change.cause is not None
                same = [old for old in accepted if old.cause == change.cause]
                if any(old.cause is not None and old.cause > change.cause for old in accepted):
                    continue
                if same and change.level <= same[-1].level:
                    continue
                accepted.append(change)
                last_heard = heard.now
                if alarm is None:
                    if change.level:
                        alarm = Shown("unacknowledged", change.level, 0, False, change.cause)
                        tell("raise")
                        attention = alarm.revision
                elif alarm.level == 0:
                    if change.level:
                        alarm.level, alarm.state = change.level, "unacknowledged"
                        tell("reraise")
                        attention = alarm.revision
                elif change.level > alarm.level:
                    alarm.level, alarm.state, alarm.unconfirmed = change.level, "unacknowledged", False
                    tell("rise")
                    attention = alarm.revision
                elif change.level < alarm.level and change.basis in MAY_LOWER[change.alarm_class]:
                    alarm.level, alarm.unconfirmed = change.level, False
                    if change.level:
                        tell("fall")
                    else:
                        tell("retire" if change.basis is Basis.RETIRED else "return")
                        if alarm.state == "acknowledged":
                            alarm = None
                        else:
                            alarm.state = "returned_unacknowledged"
                elif change.level and alarm.unconfirmed:
                    alarm.unconfirmed = False
                    tell("confirmed")
            elif command is not None:
                if command.id in done:
                    continue
                done.add(command.id)
                fits = (
                    alarm is not None
                    and command.episode == str(tuple(alarm.onset))
                    and attention <= command.revision <= alarm.revision
                )
                if not fits or alarm is None:
                    continue
                if command.kind is CommandKind.ACKNOWLEDGE and alarm.state != "acknowledged":
                    ends = alarm.state == "returned_unacknowledged"
                    alarm.state = "acknowledged"
                    tell("acknowledge")
                    if ends:
                        alarm = None
                elif command.kind is CommandKind.CLOSE and alarm.unconfirmed:
                    alarm.level = 0
                    tell("close")
                    alarm = None
        return alarm, said
