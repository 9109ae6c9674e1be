"""Commands of people: appended to `events`, answered by a record in `alarms`."""

from __future__ import annotations

from console.answers import Answers
from console.ports import Clock
from eventlog.port import EventLog, NewRecord
from schemas.alarms import Alarm, Answer, Command
from schemas.partitioning import partition_of
from schemas.records import Kind, encode


class Commands:
    """Asks the alarm book. A repeat under the same id is harmless, so whoever got no answer may ask again."""

    def __init__(self, source: EventLog, answers: Answers, clock: Clock, answer_s: float) -> None:
        self.clock = clock
        self._log = source
        self._answers = answers
        self._answer_s = answer_s

    async def ask(self, command: Command, alarm: Alarm | None) -> Answer | None:
        """The answer, or None when there was none in time. Raises `LogError`: it may or may not have been written.

        The command goes to the partition of the alarm's park, where the book that holds the alarm reads.
        """
        known = self._answers.get(command.id)
        if known is not None:
            return known
        park = alarm.place.park if alarm else ""
        partition = partition_of(park, await self._log.partitions("events"))
        value = encode(command, id=command.id, source="hazwatch/console", at_ns=command.at_ns, subject=command.alarm)
        await self._log.append("events", partition, [NewRecord(park.encode(), Kind.COMMAND, value)])
        return await self._answers.wait(command.id, self._answer_s)
