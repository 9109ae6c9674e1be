"""`hazwatch simulate SCENARIO`: a process and an MQTT client of its own, or files."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import click

from sensors_sim.durations import Duration
from sensors_sim.faults import Shown, kinds
from sensors_sim.gateway import gateways
from sensors_sim.plant import Plant
from sensors_sim.publisher import BrokerAddress, Publisher, PublishError, Stream
from sensors_sim.recording import CSV, PARQUET, Trips, faults, write, write_events
from sensors_sim.scenario import Scenario, ScenarioError, load, names, plant_of, play
from sensors_sim.sites import DEMO, sites
from sensors_sim.taglist import thinned

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
NEW_FILE = click.Path(path_type=Path, dir_okay=False)


def _listed() -> Iterator[str]:
    """What the scan of the folders finds, a line per scenario."""
    for name in names():
        scenario = load(name)
        where = "" if scenario.site == DEMO else f" [{scenario.site}]"
        yield f"{name}: {scenario.title.en}{where}"


def _members() -> str:
    """The epilog of the help."""
    return "\n\n".join(["\b\nScenarios:\n  " + "\n  ".join(_listed()), f"Kinds of effects: {', '.join(kinds())}."])


def _list(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    for name in names():
        scenario = load(name)
        click.echo(f"{name} [{scenario.site}]: {scenario.title.en} ({scenario.title.zh})")
        for text in (scenario.about.en, scenario.about.zh):
            if text:
                click.echo(f"    {text}")
    ctx.exit()


@click.command(epilog=_members())
@click.argument("scenario", default="quiet")
@click.option("--list", is_flag=True, is_eager=True, expose_value=False, callback=_list, help="Tell of every scenario.")
@click.option("--tags", "tag_file", type=FILE, help="Tag list (CSV) [default: that of the scenario's site].")
@click.option("--host", default="127.0.0.1", show_default=True, help="Broker.")
@click.option("--port", type=click.IntRange(1, 65535), default=1883, show_default=True, help="Port of the broker.")
@click.option("--username", default="", help="User at the broker.")
@click.option("--password-file", type=FILE, help="File with that user's password.")
@click.option("--mqtt", "version", type=click.Choice(["5", "3.1.1"]), default="5", show_default=True)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Same seed and start, same stream.")
@click.option("--start", type=float, help="Start of simulated time, seconds since 1970 [default: now].")
@click.option(
    "--for",
    "seconds",
    type=Duration(),
    help="Stop after so much simulated time: 90, 15min, 12h, 7d [default: never; with --to: the scenario's length].",
)
@click.option(
    "--speed",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    help="Simulated seconds per second; 0 is as fast as the broker takes them.",
)
@click.option("--stdout", is_flag=True, help="Print `topic payload` lines instead of publishing.")
@click.option("--to", "target", type=NEW_FILE, help="Write a recording (.csv or .parquet) instead of publishing.")
@click.option("--every", "every_s", type=Duration(), default=0.0, help="With --to: only one moment in so much time.")
@click.option("--events", "events_file", type=NEW_FILE, help="With --to: write what went wrong as start,end,label.")
@click.option("--trips", "trips_file", type=NEW_FILE, help="With --to: write the outermost limits crossed, likewise.")
@click.option(
    "--site-to",
    "site_folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Copy the tag list (for --every, with its periods) and configuration of the scenario's site to this folder; "
    "alone: only that.",
)
def simulate(
    scenario: str,
    tag_file: Path | None,
    host: str,
    port: int,
    username: str,
    password_file: Path | None,
    version: str,
    seed: int,
    start: float | None,
    seconds: float | None,
    speed: float,
    stdout: bool,
    target: Path | None,
    every_s: float,
    events_file: Path | None,
    trips_file: Path | None,
    site_folder: Path | None,
) -> None:
    """Publish a simulated plant over MQTT, or write a recording of it.

    SCENARIO is one of those below or a .toml file of your own. Exit codes: 0 done, 1 it cannot be played or the broker
    refuses it, 2 the call was wrong.
    """
    _check(target, stdout, every_s, events_file, trips_file)
    begin = round(time.time()) if start is None else round(start)
    try:
        what = load(scenario)
        if site_folder is not None:
            _copy_site(what, site_folder, every_s)
            if not (target or stdout):
                return
        plant = plant_of(what, seed, begin, tag_file)
        begin = round(plant.time_s)
        if target is not None:
            _record(plant, what, target, begin + (seconds or what.lasts_s), every_s, events_file, trips_file)
            return
        stream = _messages(plant, what, begin, seconds)
        if stdout:
            _print(stream)
            return
        password = password_file.read_text(encoding="utf-8").strip() if password_file else None
        Publisher(BrokerAddress(host, port, username, password, version)).run(stream, begin, speed)
    except (ScenarioError, PublishError, ValueError, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)


def _check(target: Path | None, stdout: bool, every_s: float, *beside: Path | None) -> None:
    if target is None and (every_s or any(beside)):
        raise click.UsageError("--every, --events and --trips belong to a recording; give --to FILE")
    if target is not None and stdout:
        raise click.UsageError("give --to or --stdout, not both")
    if target is not None and target.suffix not in (CSV, PARQUET):
        raise click.UsageError(f"{target}: a recording is a {CSV} or {PARQUET} file")


def _record(
    plant: Plant,
    what: Scenario,
    target: Path,
    end_s: float,
    every_s: float,
    events_file: Path | None,
    trips_file: Path | None,
) -> None:
    begin_s = plant.time_s
    trips = Trips(plant.instruments)
    rows = write(target, plant.instruments, _until(play(plant, what), end_s), every_s, trips)
    if not rows:
        target.unlink(missing_ok=True)
        raise ScenarioError(f"{target}: no instrument reads within --for; make it longer, or --every shorter")
    click.echo(f"{target}: {rows} rows of {len(plant.instruments)} tags", err=True)
    for file, events in ((events_file, faults(what, begin_s, end_s)), (trips_file, trips.found())):
        if file is not None:
            write_events(file, events)
            click.echo(f"{file}: {len(events)} events", err=True)


def _copy_site(what: Scenario, folder: Path, every_s: float) -> None:
    """With the periods of a recording that has one moment in `every_s` (s); 0: as they are. Never over something else
    that is there. Raises `ScenarioError`, OSError."""
    if what.site not in sites():
        raise ScenarioError(f"{what.name}: there is no site {what.site!r}; known are {', '.join(sites())}")
    site = sites()[what.site]
    files = {folder / file.name: file.read_bytes() for file in site.files}
    if every_s:
        files[folder / site.tags.name] = thinned(site.tags, every_s)
    taken = [new for new, content in files.items() if new.exists() and new.read_bytes() != content]
    if taken:
        raise ScenarioError("\n".join(f"{new}: another file lies there; choose another folder" for new in taken))
    folder.mkdir(parents=True, exist_ok=True)
    for new, content in files.items():
        new.write_bytes(content)


def _until(moments: Iterator[tuple[float, Shown]], end_s: float) -> Iterator[tuple[float, Shown]]:
    return takewhile(lambda moment: moment[0] < end_s, moments)


def _messages(plant: Plant, scenario: Scenario, boot_id: int, seconds: float | None) -> Stream:
    """Step by step. Raises `ScenarioError` at once."""
    senders = gateways(plant.instruments, boot_id)
    moments = play(plant, scenario)
    if seconds:
        moments = _until(moments, plant.time_s + seconds)
    return ((now_s, [m for sender in senders for m in sender.second(now_s, shown)]) for now_s, shown in moments)


def _print(stream: Stream) -> None:
    try:
        for _, batch in stream:
            for message in batch:
                print(message.topic, message.payload.decode())
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
