"""One run: start a system, warm it up, measure it, and compare what was published with what was stored."""

from __future__ import annotations

import asyncio
import sys
import time
import urllib.request
from collections.abc import Callable

import msgspec
import numpy as np
import psycopg

from hazwatch.bench.load import LoadResult, Raised
from hazwatch.bench.plan import Load, Step, tag_name
from hazwatch.bench.probe import Probe
from hazwatch.bench.procfs import Snapshot, snapshot, title
from hazwatch.bench.result import Account, Latency, Result
from hazwatch.bench.sink import Hook
from hazwatch.bench.system import System
from historian.verify import Ledger, ledger

LOOK_S = 5.0
STORED_S = 300.0
STALLED_S = 30.0
LOOK_STORED_S = 0.2
HOOKS_S = 15.0
READY_S = 60.0
LOAD_END_S = 300.0
FULL_CORE = 90.0
"""A process over this percentage of a core is saturated: it has one thread that matters."""


class Settings(msgspec.Struct, frozen=True):
    """How long and how hard; the same for all runs of a bench."""

    warm_up_s: float
    seconds: float
    tags: int
    alarms_per_s: float


def measure(step: Step, settings: Settings, running: System, say: Callable[[str], None]) -> Result:
    """Load a running system and measure it. Raises `PartFailed`."""
    load = _load(step, settings, running)
    parts = running.parts
    plan, outcome = running.folder / "load.json", running.folder / "load.result.json"
    plan.write_bytes(msgspec.json.encode(load))
    generator = parts.start("load", [sys.executable, "-m", "hazwatch.bench.load", str(plan), str(outcome)])
    parts.wait("the load is connected", lambda: generator.has_said("ready"), READY_S)
    generator.say("go")
    say(f"  warming up for {settings.warm_up_s:g} s")
    parts.sleep(settings.warm_up_s)
    probe = Probe(running.metrics_ports)
    probe.look()
    probe.forget()
    first, counts_before = snapshot(time.monotonic(), parts.pids), probe.counts
    say(f"  measuring for {settings.seconds:g} s")
    _watch(running, probe, settings.seconds)
    last = snapshot(time.monotonic(), parts.pids)
    probe.look()
    taken_s = last.at_s - first.at_s
    rate = {name: (count - counts_before.get(name, 0.0)) / taken_s for name, count in probe.counts.items()}
    depths = {name: depth for name, depth in sorted(probe.depths.items()) if depth}
    names = {pid: title(pid) for pid in last.processes}
    parts.wait("the load has published", lambda: generator.has_said("published"), LOAD_END_S)
    ended = time.monotonic()
    say("  waiting until everything is stored, and counting it")
    parts.wait("the load has made its account", lambda: generator.has_said("done"), LOAD_END_S)
    parts.stop("load")
    made = msgspec.json.decode(outcome.read_bytes(), type=LoadResult)
    stored, stored_s = _stored(running, probe, made.rows)
    raised = [r for r in made.raised if r.measured]
    hooks = _hooks(running, made.raised)
    cpu, busiest = _cpu(first, last, names)
    total = sum(cpu.values())
    machine = (last.machine[0] - first.machine[0]) / taken_s * 100
    return Result(
        step=step,
        tags=settings.tags,
        seconds=settings.seconds,
        warm_up_s=settings.warm_up_s,
        published_per_s=made.measured_readings / settings.seconds,
        ingested_per_s=rate.get("ingested", 0.0),
        evaluated_per_s=rate.get("evaluated", 0.0),
        stored_per_s=rate.get("stored", 0.0),
        readings_per_record=rate.get("evaluated", 0.0) / max(1.0, rate.get("records", 0.0)),
        behind_ms=made.behind_ms,
        blocked=made.blocked,
        latency=_latency(raised, hooks),
        cpu=cpu,
        cpu_total=total,
        machine_busy=machine,
        busiest=busiest[:6],
        depths=depths,
        stored_after_s=max(0.0, stored_s - ended),
        account=_account(made, stored, hooks),
        saturated=_saturated(busiest, machine, first, last),
    )


def _load(step: Step, settings: Settings, running: System) -> Load:
    numbers = {tag.name: tag.number for tag in running.config.revision.tags}
    return Load(
        port=running.mqtt_port,
        shape=step.shape,
        rate=step.rate,
        alarms_per_s=settings.alarms_per_s,
        warm_up_s=settings.warm_up_s,
        seconds=settings.seconds,
        numbers=[numbers[tag_name(index)] for index in range(settings.tags)],
    )


def _watch(running: System, probe: Probe, seconds: float) -> None:
    """Sleep through the measured time, looking at the queues now and then."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        running.parts.sleep(min(LOOK_S, left))
        if left > LOOK_S:
            probe.look()


def _stored(running: System, probe: Probe, rows: int) -> tuple[Ledger, float]:
    """The database's ledger once the historian has stored as many rows as were published, or stores nothing more.

    Returns it with the time (monotonic) at which the last rows came.
    """
    until = time.monotonic() + STORED_S
    stored, grew_s = -1.0, time.monotonic()
    while stored < rows and time.monotonic() < min(until, grew_s + STALLED_S):
        running.parts.sleep(LOOK_STORED_S)
        probe.look()
        if (now := probe.counts.get("stored", 0.0)) != stored:
            stored, grew_s = now, time.monotonic()
    return asyncio.run(_ledger(running.database_url)), grew_s


async def _ledger(url: str) -> Ledger:
    async with await psycopg.AsyncConnection.connect(url) as conn:
        return await ledger(conn)


def _hooks(running: System, raised: list[Raised]) -> list[Hook]:
    """Every webhook that came, once there is one per alarm, or no more have come for long."""
    count, grew_s = -1, time.monotonic()
    while count < len(raised) and time.monotonic() < grew_s + HOOKS_S:
        running.parts.sleep(0.2)
        with urllib.request.urlopen(f"http://127.0.0.1:{running.sink_port}/", timeout=5) as answer:
            now = int(answer.read())
        if now != count:
            count, grew_s = now, time.monotonic()
    running.parts.stop("sink")
    return msgspec.json.decode((running.folder / "sink.json").read_bytes(), type=list[Hook])


def _latency(raised: list[Raised], hooks: list[Hook]) -> Latency:
    arrived: dict[tuple[int, int], int] = {}
    for hook in hooks:
        arrived.setdefault((hook.tag, hook.onset_ns // 1_000_000), hook.arrived_ns)
    pairs = ((arrived.get((r.number, r.time_ms)), r.sent_ns) for r in raised)
    took = np.array([(at - sent) / 1e6 for at, sent in pairs if at is not None])
    if not len(took):
        return Latency(0, 0.0, 0.0, 0.0)
    p50, p99 = np.percentile(took, [50, 99])
    return Latency(len(took), round(float(p50), 2), round(float(p99), 2), round(float(took.max()), 2))


def _account(made: LoadResult, stored: Ledger, hooks: list[Hook]) -> Account:
    notices: dict[tuple[int, int], set[str]] = {}
    for hook in hooks:
        notices.setdefault((hook.tag, hook.onset_ns // 1_000_000), set()).add(hook.notice)
    alarms = [(r.number, r.time_ms) for r in made.raised]
    return Account(
        published=made.rows,
        published_digest=made.digest,
        stored=stored.rows,
        stored_digest=f"{stored.digest:016x}",
        unacknowledged=made.unacknowledged,
        alarms_raised=len(alarms),
        alarms_lost=sum(alarm not in notices for alarm in alarms),
        alarms_doubled=sum(len(notices.get(alarm, ())) > 1 for alarm in alarms),
    )


def _cpu(first: Snapshot, last: Snapshot, titles: dict[int, str]) -> tuple[dict[str, float], list[tuple[str, float]]]:
    """Percent of a core by part, and the single busiest processes."""
    taken = last.at_s - first.at_s
    parts = {part: (used - first.parts.get(part, 0.0)) / taken * 100 for part, used in last.parts.items()}
    single = [
        (_label(part, titles.get(pid, "")), (used - first.processes.get(pid, (part, 0.0))[1]) / taken * 100)
        for pid, (part, used) in last.processes.items()
    ]
    busiest = sorted(((name, round(used, 1)) for name, used in single), key=lambda entry: -entry[1])
    return {part: round(used, 1) for part, used in parts.items()}, busiest


def _label(part: str, command: str) -> str:
    """PostgreSQL's processes say what they do in their command line."""
    if part == "postgres" and command.startswith("postgres: "):
        return "postgres: " + " ".join(word for word in command.split()[1:] if not word.startswith("127.0.0.1"))
    return part


def _saturated(busiest: list[tuple[str, float]], machine: float, first: Snapshot, last: Snapshot) -> str:
    """What was at its limit, or came closest to it."""
    cores = (last.machine[1] - first.machine[1]) / (last.at_s - first.at_s)
    if machine >= 95.0 * cores:
        return f"the cores: {machine:.0f} of {cores * 100:.0f} % busy"
    name, used = busiest[0]
    if used >= FULL_CORE:
        return f"{name}: {used:.0f} % of a core"
    return (
        f"nothing; the busiest was {name} with {used:.0f} % of a core, the machine {machine:.0f} of {cores * 100:.0f} %"
    )
