"""`Ingest`: from MQTT to the log, and the acknowledgement only once all of a message is in the log.

What may repeat and what may be lost: a message that was appended but not acknowledged (a crash, an outage of the log,
a reconnect) comes again and stands twice in the log. A message of QoS 0 may be lost; nothing else is.

When the log cannot be reached, the connection is condemned: nothing more of it is acknowledged, what came of it is
forgotten (the receive maximum bounds how much that can be), and once the log answers again a new connection makes the
broker send it all again. The broker never sends a message twice over one connection, so waiting would be for ever.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice

import msgspec

from eventlog.port import EventLog, LogUnavailable, NewRecord
from ingest.acks import Acks, Message, Ticket
from ingest.batcher import Lane, appended
from ingest.config import MqttConfig, SourceConfig
from ingest.directory import Directory
from ingest.intake import READINGS, Intake, Letter
from ingest.mqtt import Mqtt
from ingest.ports import Clock, Metrics
from ingest.topics import filled
from ingest.voice import APPEND_S, HEARTBEAT_S, Voice
from schemas import batch, records
from schemas.records import Kind
from schemas.time import SECOND

log = logging.getLogger(__name__)

WINDOW_S = 0.002
WIDE_WINDOW_S = 0.005
MANY = 4
"""From so many messages in the last record on, the next one gathers for the wide window: every record costs all who
read it a millisecond of CPU together, so under load fewer and larger ones leave more room than 3 ms of waiting take."""

RETRY_S = (0.2, 0.5, 1.0, 2.0)
QUIET_S = 30.0
"""An outage that follows the last one sooner than this is waited out longer."""

STATUSES_S = 1.0
"""So long the retained statuses have, after the first connection, before the first heartbeat tells them. Without it
every start would say of a gateway that is down that it is up: its fault would end, and be raised again."""

DRAIN_S = 3.0
_LETTERS = Lane("deadletter", 0)


class Ingest:
    """One ingest process. `run` ends only by `stop`, by cancellation, or by an exception that must end the process."""

    def __init__(
        self,
        mqtt: MqttConfig,
        directory: Directory,
        log: EventLog,
        clock: Clock,
        metrics: Metrics,
        *,
        failpoint: Callable[[str], None] = lambda name: None,
        window_s: float = WINDOW_S,
    ) -> None:
        self.name = mqtt.client_id
        self._log = log
        self._clock = clock
        self._metrics = metrics
        self._failpoint = failpoint
        self._window_s = window_s
        self._merged = 0
        self._intake = Intake(directory)
        self._acks = Acks()
        self._mqtt = Mqtt(
            mqtt,
            [source.topic for source in directory.sources],
            retained=directory.links.status_filters,
            begin=self._begin,
            deliver=self._deliver,
            acked=lambda: failpoint("after-mqtt-ack"),
        )
        self._voice = Voice(self.name, self._intake, log, clock, lambda: self._mqtt.up)
        self._window: asyncio.TimerHandle | None = None
        self._busy: dict[Lane, asyncio.Task[None]] = {}
        self._failed = asyncio.Event()
        self._failure: BaseException | None = None
        self._ended = False
        self._stranger_told = False
        self._down = asyncio.Event()
        self._stopping = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()
        self._paused = False
        self._told_misplaced: tuple[Directory, int] = directory, 0
        self._taken: Counter[str] = Counter()
        self._readings: Counter[str] = Counter()

    @property
    def connected(self) -> bool:
        """Whether the broker is connected and all sources are subscribed."""
        return self._mqtt.up

    @property
    def log_reachable(self) -> bool:
        return not self._down.is_set()

    def swap(self, directory: Directory) -> None:
        """From the next message on, `directory` tells what names mean. Its topics must be those of the first one."""
        old, new = self._intake.directory, directory
        if (old.partitions, _topics(old)) != (new.partitions, _topics(new)):
            raise ValueError("another number of partitions or other topics need a restart of ingest")
        self._intake.directory = directory

    async def run(self) -> None:
        """Take messages in until `stop`.

        Raises what ended a task of ours: `SubscriptionRefused`, a `LogError` that no waiting mends, a bug.
        """
        if not await self._check_log():
            return
        works = {
            "mqtt": self._mqtt.run(),
            "heartbeat": self._beat(),
            "conditions": self._speak(),
            "recovery": self._recover(),
            "failure": self._failed.wait(),
        }
        workers = {asyncio.create_task(work, name=f"ingest-{name}") for name, work in works.items()}
        stopping = asyncio.create_task(self._stopping.wait(), name="ingest-stop")
        try:
            done, _ = await asyncio.wait({*workers, stopping}, return_when=asyncio.FIRST_COMPLETED)
            for task in done & workers:
                raise task.exception() or self._failure or RuntimeError(f"{task.get_name()} ended by itself")
            await self._drain()
        finally:
            self._ended = True
            if self._window is not None:
                self._window.cancel()
            rest = {*workers, stopping, *self._busy.values()}
            for task in rest:
                task.cancel()
            await asyncio.wait(rest, timeout=DRAIN_S)

    async def stop(self) -> None:
        """Read nothing more, give what is on its way 3 s to reach the log and be acknowledged, and end `run`."""
        self._stopping.set()

    async def _check_log(self) -> bool:
        """Wait until the log answers, False when `stop` came first.

        Raises ValueError when its partitions are not those of the directory.
        """
        while True:
            try:
                found = await self._log.partitions(READINGS)
                break
            except LogUnavailable as error:
                log.warning("waiting for the log: %s", error)
                with suppress(TimeoutError):
                    async with asyncio.timeout(RETRY_S[-1]):
                        return not await self._stopping.wait()
        if found != self._intake.directory.partitions:
            raise ValueError(
                f"readings has {found} partitions, the configuration says {self._intake.directory.partitions}: "
                "the number of partitions cannot be changed afterwards"
            )
        return True

    # Messages

    def _begin(self, epoch: int) -> None:
        self._paused = False
        if self._down.is_set():
            self._acks.condemn()
        else:
            self._acks.begin(epoch)

    def _deliver(self, messages: list[Message]) -> None:
        now_ns, received_ns = self._clock.monotonic_ns(), self._clock.now_ns()
        for message in messages:
            if message.epoch != self._acks.epoch:
                continue
            ticket = Ticket(message)
            self._acks.arrived(ticket)
            source = self._intake.take_in(ticket, now_ns, received_ns)
            if source is None and not self._stranger_told:
                self._stranger_told = True
                log.warning("no source listens to topic %r: an old subscription of this client id?", message.topic)
            self._taken[source.name if source else ""] += 1
            if not ticket.open_parts:
                self._complete([ticket])
        self._schedule()
        self._note_whether_settled()
        if self._intake.batcher.full and not self._paused:
            self._paused = True
            self._mqtt.pause()

    def _schedule(self) -> None:
        if self._window is None and not self._ended and (self._intake.batcher.rows or self._intake.letters):
            wait_s = WIDE_WINDOW_S if self._merged >= MANY else self._window_s
            self._window = asyncio.get_running_loop().call_later(wait_s, self._flush)
            self._mqtt.rest()

    def _note_whether_settled(self) -> None:
        """Settled: nothing is on its way to the log, and nothing in the log waits for its acknowledgement."""
        if self._window is None and not self._busy and not len(self._acks):
            self._settled.set()
        else:
            self._settled.clear()

    def _flush(self) -> None:
        """The end of the window: read what came meanwhile, all at once, and append."""
        self._mqtt.gather()
        self._window = None
        for lane in [*self._intake.batcher.lanes(), *([_LETTERS] if self._intake.letters else [])]:
            if lane not in self._busy:
                task = asyncio.create_task(self._append(lane), name=f"append-{lane.topic}-{lane.partition}")
                self._busy[lane] = task
                task.add_done_callback(self._append_ended)

    def _append_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
            self._failed.set()

    async def _append(self, lane: Lane) -> None:
        """Append what waits in the lane; one append at a time per lane keeps the order."""
        try:
            if lane is _LETTERS:
                await self._append_letters()
            else:
                await self._append_rows(lane)
        except (LogUnavailable, TimeoutError) as error:
            self._condemn(error)
        finally:
            del self._busy[lane]
        self._schedule()
        self._note_whether_settled()
        if self._paused and not self._intake.batcher.full:
            self._paused = False
            self._mqtt.resume()

    async def _append_rows(self, lane: Lane) -> None:
        taken = self._intake.batcher.take(lane)
        if taken is None:
            return
        self._merged = len(taken.tickets)
        values = [NewRecord(self.name.encode(), Kind.READINGS, batch.encode(one)) for one in taken.batches]
        await self._to_log(lane, values)
        self._complete(appended(taken))

    async def _append_letters(self) -> None:
        letters, self._intake.letters = self._intake.letters, []
        await self._to_log(_LETTERS, [self._letter(one) for one in letters])
        complete = []
        for _, ticket in letters:
            ticket.open_parts -= 1
            if not ticket.open_parts:
                complete.append(ticket)
        self._complete(complete)

    def _letter(self, one: Letter) -> NewRecord:
        letter = one.letter
        value = records.encode(letter, source=self.name, at_ns=letter.received_ns, subject=letter.source)
        return NewRecord(letter.source.encode(), Kind.DEADLETTER, value)

    async def _to_log(self, lane: Lane, values: Sequence[NewRecord]) -> None:
        started = self._clock.monotonic_ns()
        async with asyncio.timeout(APPEND_S):
            await self._log.append(lane.topic, lane.partition, values)
        self._metrics.observe("hazwatch_ingest_append_seconds", (self._clock.monotonic_ns() - started) / SECOND)
        self._failpoint("after-append")

    def _complete(self, tickets: Sequence[Ticket]) -> None:
        """These messages are in the log, or need not be: acknowledge what may be acknowledged in order."""
        for ticket in tickets:
            source = self._intake.directory.source_of(ticket.message.topic or "")
            if source is not None:
                self._readings[source.name] += ticket.readings
                if source.platform_ack and ticket.sequence:
                    self._platform_ack(source, ticket)
            self._mqtt.acknowledge(self._acks.done(ticket))

    def _platform_ack(self, source: SourceConfig, ticket: Ticket) -> None:
        boot, seq = ticket.sequence >> 32, ticket.sequence & 0xFFFF_FFFF
        topic = filled(source.platform_ack, ticket.message.topic or "")
        self._mqtt.publish(topic, msgspec.json.encode({"boot_id": boot, "seq": seq}))

    async def _drain(self) -> None:
        """Read nothing more, and wait for what is on its way to be appended and acknowledged."""
        self._mqtt.pause()
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._settled.wait()
        except TimeoutError:
            log.warning("%d messages were not acknowledged in time; the broker will send them again", len(self._acks))

    # The log is gone and comes back

    def _condemn(self, error: BaseException) -> None:
        """Something was not appended: nothing of this connection is acknowledged any more."""
        self._intake.clear()
        self._acks.condemn()
        if not self._down.is_set():
            log.error("the log cannot be reached, nothing is acknowledged until it can: %s", error)
            self._metrics.gauge("hazwatch_log_reachable", 0)
            self._down.set()

    async def _recover(self) -> None:
        """While the log is away, try it; when it is back, have the broker send again what was not acknowledged."""
        loop, tries, back_at = asyncio.get_running_loop(), 0, 0.0
        while True:
            await self._down.wait()
            tries = tries + 1 if loop.time() - back_at < QUIET_S else 0
            await asyncio.sleep(RETRY_S[min(tries, len(RETRY_S) - 1)])
            if not await self._voice.heartbeat():
                back_at = loop.time()
                continue
            log.warning("the log answers again; the broker sends again what was not acknowledged")
            back_at = loop.time()
            self._down.clear()
            self._metrics.gauge("hazwatch_log_reachable", 1)
            self._mqtt.reconnect()

    # What ingest says of itself

    async def _beat(self) -> None:
        """A link record to every partition that we feed, every 5 s (LAWS T5), from the first connection on."""
        with suppress(TimeoutError):
            async with asyncio.timeout(HEARTBEAT_S):
                await self._mqtt.came_up.wait()
                if self._intake.directory.links.status_filters:
                    await asyncio.sleep(STATUSES_S)
        while True:
            if not self._down.is_set() and not await self._voice.heartbeat():
                self._condemn(LogUnavailable("a heartbeat could not be appended"))
            await asyncio.sleep(HEARTBEAT_S)

    async def _speak(self) -> None:
        """Once a second: metrics, and the conditions that are due."""
        self._metrics.gauge("hazwatch_log_reachable", 1)
        while True:
            self._report()
            if not self._down.is_set() and not await self._voice.state_conditions():
                self._condemn(LogUnavailable("a condition could not be appended"))
            await asyncio.sleep(1.0)

    def _report(self) -> None:
        self._voice.link_is_up()
        while self._intake.statuses.news:
            link, up, by = self._intake.statuses.news.popleft()
            log.warning("the gateway of link %r is %s (by %s)", link, "up" if up else "down", by)
        self._tell_misplaced()
        for name, counter in (("hazwatch_messages_total", self._taken), ("hazwatch_readings_total", self._readings)):
            for source, amount in counter.items():
                self._metrics.count(name, amount, source=source)
            counter.clear()
        for (source, reason), amount in self._intake.rejected.items():
            self._metrics.count("hazwatch_rejected_total", amount, source=source, reason=reason)
        self._intake.rejected.clear()
        self._metrics.gauge("hazwatch_ingest_in_flight", len(self._acks))
        self._metrics.gauge("hazwatch_mqtt_connected", int(self._mqtt.up))

    def _tell_misplaced(self) -> None:
        """Tags whose silence is judged by the heartbeats of another path than the one that their readings come by."""
        directory = self._intake.directory
        told = self._told_misplaced[1] if self._told_misplaced[0] is directory else 0
        for name, (came, given) in islice(directory.misplaced.items(), told, None):
            log.warning("readings of %r come over link %r, but the tag list says %r: correct one", name, came, given)
        self._told_misplaced = directory, len(directory.misplaced)


def _topics(directory: Directory) -> tuple[list[str], tuple[str, ...]]:
    """All that is subscribed."""
    return [source.topic for source in directory.sources], directory.links.status_filters
