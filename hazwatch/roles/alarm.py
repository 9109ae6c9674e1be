"""The role alarm: a keeper of the book and a dispatcher per partition of `events`, and the guard of the chain."""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from alerting.channels import kinds
from alerting.channels._base import Context as ChannelContext
from alerting.contacts import Contacts
from alerting.dispatch.chain import ChainGuard
from alerting.dispatch.dispatcher import Dispatcher
from alerting.dispatch.ports import Channel
from alerting.sending import Verdict
from eventlog.port import EventLog, NewRecord
from hazwatch.chain import ChainState, LogAway
from hazwatch.clock import Clock
from hazwatch.config import Config
from hazwatch.context import Context
from hazwatch.disk import watch_disk
from hazwatch.folding import persist
from hazwatch.keeper import Keeper, start_book
from hazwatch.lag import LagWatch
from hazwatch.metrics import Metrics
from hazwatch.snapshots import SnapshotFolder
from schemas.alarms import Change, Notice, Receipt
from schemas.records import Kind, encode
from schemas.time import SECOND


class ReceiptWriter:
    """The dispatcher's way into `events`."""

    def __init__(self, target: EventLog, partition: int) -> None:
        self._log = target
        self._partition = partition

    async def append(self, receipt: Receipt) -> int:
        record = NewRecord(receipt.notice.encode(), Kind.RECEIPT, encode(receipt, source=receipt.by))
        (position,) = await self._log.append("events", self._partition, [record])
        return position.offset


class DispatchMeter:
    """The dispatcher's counters among the process's metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def outcome(self, channel: str, verdict: Verdict) -> None:
        self._metrics.count("hazwatch_notice_outcomes_total", channel=channel, outcome=str(verdict))

    def accepted(self, notice: Notice, at_ns: int) -> None:
        """Only an alarm's raise tells how long the way is: the onset of a return lies as far back as the alarm."""
        if notice.reason is Change.RAISE and notice.alarm.onset_ns:
            took_s = max(0, at_ns - notice.alarm.onset_ns) / SECOND
            self._metrics.observe("hazwatch_event_to_dispatch_seconds", took_s, tier=str(notice.tier))


def open_channels(config: Config, stack: AsyncExitStack) -> dict[str, Channel]:
    """Every channel of the configuration, closed with the stack."""
    shown = ChannelContext(console_url=f"http://{config.console.host}:{config.console.port}")
    channels: dict[str, Channel] = {}
    for table in config.channels:
        channels[table.name] = channel = kinds()[table.kind].open(table, shown)
        stack.push_async_callback(channel.close)
    return channels


async def guard_without_log(config: Config, name: str, clock: Clock) -> None:
    """Say over every channel that the log cannot be reached, until cancelled: for a start in the midst of an outage."""
    async with AsyncExitStack() as stack:
        channels = open_channels(config, stack)
        await ChainGuard(channels, Contacts(config.contacts), LogAway(clock), name=name, clock=clock).run()


async def workers(context: Context, stack: AsyncExitStack) -> dict[str, Coroutine[Any, Any, None]]:
    """A keeper and a dispatcher per partition of `events`, the chain guard, and who watches the disk."""
    config, faults = context.config, context.faults
    channels = open_channels(config, stack)
    folder = context.data.snapshots / "alarm" / context.name
    out: dict[str, Coroutine[Any, Any, None]] = {}
    contacts = Contacts(config.contacts)
    meter = DispatchMeter(context.metrics)
    keepers: list[Keeper] = []
    dispatchers: list[Dispatcher] = []
    for partition in range(await context.log.partitions("events")):
        name = f"{context.name}/book/{partition}"
        snapshots = SnapshotFolder(folder / str(partition))
        start = partial(start_book, context.log, snapshots, partition, context.registry.current, faults)
        book = await persist(name, start)
        dispatcher = Dispatcher(
            channels,
            contacts,
            book.outbox,
            ReceiptWriter(context.log, partition),
            name=context.name,
            rank=context.rank,
            clock=context.clock,
            failpoint=context.failpoint,
            concurrency={table.name: table.concurrency for table in config.channels},
            deadline_s={table.name: table.deadline_s for table in config.channels},
            meter=meter,
        )
        keeper = Keeper(
            context.log,
            context.registry,
            snapshots,
            book,
            dispatcher,
            name=name,
            clock=context.clock,
            failpoint=context.failpoint,
            metrics=context.metrics,
            faults=faults,
        )
        keepers.append(keeper)
        dispatchers.append(dispatcher)
        out[f"book/{partition}"] = keeper.run()
        out[f"dispatch/{partition}"] = dispatcher.run()
    state = ChainState([keeper.heard for keeper in keepers], dispatchers)
    out["chain"] = ChainGuard(channels, contacts, state, name=context.name, clock=context.clock).run()
    out["alarm lag"] = LagWatch(context.log, [k.backlog for k in keepers], context.metrics, faults).run()
    out["disk"] = watch_disk(context.data.root, faults)
    return out
