"""`hazwatch shadow`: a candidate rule set beside the live one, in a running system that does not notice."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec

from eventlog.port import EventLog, LogError
from hazwatch.backtest.html import page
from hazwatch.backtest.measures import POSITIONS
from hazwatch.backtest.text import lines
from hazwatch.clock import SystemClock
from hazwatch.commands.backtest import check_writable
from hazwatch.config import Config, ConfigProblems, load_config
from hazwatch.context import folder_of_log, open_log
from hazwatch.datadir import NoDataDir
from hazwatch.registry import RegistryView
from hazwatch.shadow.candidate import Candidate, candidate
from hazwatch.shadow.seek import append_time, newest_ns
from hazwatch.shadow.tell import line, whole
from hazwatch.shadow.watch import Shadow
from schemas.problems import Problem
from schemas.time import SECOND, from_iso, seconds

WAIT_S = 5.0
POLL_S = 0.2
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d)")
_PLACE = re.compile(r"(?:(\d+)/)?(\d+)")


class Duration(click.ParamType[float]):
    """A length of time in seconds: `90s`, `10m`, `8h`, `2d`."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        found = _DURATION.fullmatch(str(value).strip())
        if found is None:
            self.fail(f"{value!r} is no length of time; write 90s, 10m, 8h or 2d", param, ctx)
        return float(found[1]) * _UNITS[found[2]]


DURATION = Duration()


@dataclass(frozen=True, slots=True)
class Call:
    """What the command line asks for; times in seconds."""

    file: Path
    data: Path
    begin: str
    for_s: float | None
    warm_s: float
    every_s: float
    position: str
    as_json: bool
    html: Path | None


@click.command()
@click.argument("file", metavar="NEW", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), default=Path("data"), show_default=True)
@click.option(
    "--from",
    "begin",
    default="now",
    show_default=True,
    help="Where to begin: now, a time (2026-01-31T08:00:00+08:00), how long ago (2h), or an offset of `readings`, with "
    "its partition when there are several (1/3400).",
)
@click.option("--for", "for_s", type=DURATION, help="How long (90s, 10m, 8h) [default: until Ctrl-C].")
@click.option(
    "--warm-up",
    "warm_s",
    type=DURATION,
    default="1h",
    show_default=True,
    help="So much of the log before the beginning is read first, to fill windows and to know what stands.",
)
@click.option("--every", "every_s", type=DURATION, default="10s", show_default=True, help="How often to say a line.")
@click.option("--position", type=click.Choice(POSITIONS), default=POSITIONS[0], show_default=True, help="Of floods.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON; the lines go to standard error.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with plots as well.")
def shadow(
    file: Path,
    data: Path,
    begin: str,
    for_s: float | None,
    warm_s: float,
    every_s: float,
    position: str,
    as_json: bool,
    html: Path | None,
) -> None:
    """Run the configuration NEW beside the live one, over the live readings, and report what differs in alarms.

    It reads the log of the running system that NEW names (embedded in --data, or Kafka), folds NEW in memory through
    rules and alarm book, and compares with what the live rules wrote. It writes nothing, notifies nobody, and can be
    stopped at any time with Ctrl-C; then, or after --for, it reports as `hazwatch backtest` does, with LIVE as OLD.
    Exit codes: 0 done, whatever the difference; 1 problems were found; 2 the call was wrong.
    """
    if html is not None:
        check_writable(html)
    call = Call(file, data, begin, for_s, warm_s, max(POLL_S, every_s), position, as_json, html)
    try:
        config = load_config(file)
        asyncio.run(_run(config, call))
    except (ConfigProblems, NoDataDir, LogError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)


async def _run(config: Config, call: Call) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(ValueError, RuntimeError):  # a thread that is not the main one gets no signals
            loop.add_signal_handler(number, stop.set)
    folder = folder_of_log(config, call.data.absolute())
    async with open_log(config, folder, writer=False, wait_s=WAIT_S) as log:
        view = RegistryView(log)
        await view.catch_up()
        live = view.current
        if not live.number:
            raise ConfigProblems([Problem.of("registry", "nothing is in force yet", "start the system first")])
        found, problems = candidate(config.revision, live)
        if found is None:
            raise ConfigProblems(problems)
        newest = await newest_ns(log, "readings", range(await log.partitions("readings")))
        if not newest:
            raise ConfigProblems([Problem.of("readings", "the log holds no record", "start the system first")])
        begin_ns = await _begin(log, call.begin, newest)
        beside = Shadow(
            log,
            found.revision,
            warm_ns=begin_ns - seconds(call.warm_s),
            begin_ns=begin_ns,
            newest_ns=newest,
            clock=SystemClock(),
            traced=call.html is not None,
        )
        until_ns = None if call.for_s is None else begin_ns + seconds(call.for_s)
        end_ns = await _follow(beside, call, until_ns, stop)
    _tell(beside, call, found, live.number, end_ns)


async def _follow(beside: Shadow, call: Call, until_ns: int | None, stop: asyncio.Event) -> int:
    """Read on until the end, a line now and then. Returns the time at which live and candidate are cut.

    Asked to stop it still reads what was said until then; asked again it ends at once.
    """
    work = asyncio.gather(*await beside.start())
    due_s, asked = call.every_s, False
    try:
        while until_ns is None or not beside.done(until_ns):
            await asyncio.wait({work}, timeout=POLL_S)
            if work.done():
                work.result()
            if stop.is_set():
                if asked:
                    break
                asked, until_ns = True, min(until_ns or beside.now_ns, beside.now_ns)
                stop.clear()
            due_s -= POLL_S
            if due_s <= 0:
                due_s = call.every_s
                _line(beside, call)
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    end_ns = beside.now_ns if until_ns is None else until_ns
    return min(end_ns, beside.read_ns) if beside.read_ns else end_ns


def _line(beside: Shadow, call: Call) -> None:
    end_ns = beside.read_ns
    if end_ns:
        behind_s = max(0.0, (beside.now_ns - end_ns) / SECOND)
        click.echo(line(beside.told(end_ns), beside.tallies.readings, behind_s), err=call.as_json)


def _tell(beside: Shadow, call: Call, found: Candidate, live: int, end_ns: int) -> None:
    told = beside.told(end_ns)
    notes = [*found.notes, *beside.tallies.notes]
    if not beside.tallies.readings:
        notes.append("no reading came: does the system run?")
    place = f"live readings of {call.data}, {beside.tallies.readings} of them"
    report, comparison = whole(
        told, live=f"LIVE, revision {live}", new=str(call.file), place=place, position=call.position, notes=notes
    )
    if call.html is not None:
        traces = [] if beside.traces is None else [beside.traces]
        call.html.write_text(page(report, comparison, told, traces, [], title="Shadow"), encoding="utf-8")
    if call.as_json:
        click.echo(msgspec.json.encode(report).decode())
    else:
        for text in lines(report):
            click.echo(text)


async def _begin(log: EventLog, asked: str, newest: int) -> int:
    """The time of the log at which to begin to compare. Raises `click.UsageError`."""
    if asked == "now":
        return newest
    if found := _DURATION.fullmatch(asked):
        return newest - seconds(float(found[1]) * _UNITS[found[2]])
    if found := _PLACE.fullmatch(asked):
        return await _time_of_offset(log, int(found[1] or 0), int(found[2]), several=found[1] is None)
    try:
        return from_iso(asked)
    except ValueError as error:
        raise click.UsageError(f"--from {asked!r}: {error}; or write now, 2h, or an offset") from None


async def _time_of_offset(log: EventLog, partition: int, offset: int, *, several: bool) -> int:
    partitions = await log.partitions("readings")
    if several and partitions > 1:
        raise click.UsageError(f"--from {offset}: readings has {partitions} partitions; write PARTITION/{offset}")
    if partition >= partitions:
        raise click.UsageError(f"--from {partition}/{offset}: readings has partitions 0 to {partitions - 1}")
    bounds = await log.bounds("readings", partition)
    if not bounds.start <= offset < bounds.end:
        raise click.UsageError(f"--from {offset}: readings/{partition} holds {bounds.start} to {bounds.end - 1}")
    at_ns = await append_time(log, "readings", partition, offset)
    assert at_ns is not None
    return at_ns
