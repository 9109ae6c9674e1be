"""`hazwatch bench`: how much this machine carries, how fast an alarm is, and whether anything is lost."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import click
import msgspec

from hazwatch.bench import report as words
from hazwatch.bench.durability import durability
from hazwatch.bench.kafka import NoKafka, find_jars
from hazwatch.bench.machine import this_machine
from hazwatch.bench.parts import PartFailed
from hazwatch.bench.plan import WIDTH, Shape, Step
from hazwatch.bench.result import Report, Result
from hazwatch.bench.run import Settings, measure
from hazwatch.bench.system import NoMosquitto, system

BATCH_RATES, SINGLE_RATES = (50_000, 100_000, 200_000), (2_500, 5_000)
QUICK_BATCH_RATES, QUICK_SINGLE_RATES = (20_000,), (1_000,)
QUICK_WARM_UP_S, QUICK_S = 5.0, 10.0


@click.command()
@click.option("--log", "logs", type=click.Choice(["kafka", "embedded", "both"]), default="both", show_default=True)
@click.option(
    "--batch-rate", "batch_rates", type=int, multiple=True, help="Readings/s in batches of 100; may be repeated."
)
@click.option("--single-rate", "single_rates", type=int, multiple=True, help="Single readings/s; may be repeated.")
@click.option("--warm-up", type=float, default=30.0, show_default=True, help="Seconds before the measured time.")
@click.option("--seconds", type=float, default=60.0, show_default=True, help="Measured seconds per run.")
@click.option("--quick", is_flag=True, help="A short form: low rates, 5 s of warm-up, 10 s measured.")
@click.option("--tags", type=int, default=10_000, show_default=True, help="Tags of the park; a multiple of 100.")
@click.option("--alarms", type=float, default=15.0, show_default=True, help="Alarms per second over all sources.")
@click.option("--partitions", type=int, default=1, show_default=True, help="Partitions of `readings`.")
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the results as JSON.")
@click.option("--markdown", "markdown_file", type=click.Path(path_type=Path, dir_okay=False), help="... as Markdown.")
@click.option(
    "--folder", type=click.Path(path_type=Path, file_okay=False), help="Keep data and process logs of the runs here."
)
def bench(
    logs: str,
    batch_rates: tuple[int, ...],
    single_rates: tuple[int, ...],
    warm_up: float,
    seconds: float,
    quick: bool,
    tags: int,
    alarms: float,
    partitions: int,
    json_file: Path | None,
    markdown_file: Path | None,
    folder: Path | None,
) -> None:
    """Drive the whole pipeline on this machine at rising rates, and measure it.

    Every run starts a system of its own: Mosquitto, the log (Kafka or embedded), the roles, PostgreSQL; a load and a
    receiver of webhooks in processes of their own. Latency is publish to webhook, CPU is of all processes, and the
    load's own ledger is compared with the rows in PostgreSQL by count and hash.

    Ends with 0 only if every run came to its end and every ledger matches.
    """
    if tags % WIDTH or tags <= 0:
        raise click.UsageError(f"--tags must be a multiple of {WIDTH}")
    if quick:
        warm_up, seconds = QUICK_WARM_UP_S, QUICK_S
    settings = Settings(warm_up, seconds, tags, alarms)
    chosen = bool(batch_rates or single_rates)
    if not chosen:
        batch_rates = QUICK_BATCH_RATES if quick else BATCH_RATES
        single_rates = QUICK_SINGLE_RATES if quick else SINGLE_RATES
    steps = _steps(logs, batch_rates, single_rates)
    home = folder or Path(tempfile.mkdtemp(prefix="hazwatch-bench-"))
    home.mkdir(parents=True, exist_ok=True)
    # PostgreSQL runs as an unprivileged user where we are root, and must be able to pass through.
    home.chmod(0o755)
    try:
        report = _bench(steps, settings, partitions, home.absolute(), keep=folder is not None)
    finally:
        if folder is None:
            shutil.rmtree(home, ignore_errors=True)
    click.echo(words.text(report))
    if json_file:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(_with_derived(report)), indent=1) + b"\n")
    if markdown_file and report.results:
        markdown_file.write_text(words.markdown(report))
    sys.exit(0 if report.good else 1)


def _steps(logs: str, batch_rates: tuple[int, ...], single_rates: tuple[int, ...]) -> list[Step]:
    """Rising rates per log and shape. Raises click.UsageError when Kafka is asked for and missing."""
    kinds = [kind for kind in ("embedded", "kafka") if logs in (kind, "both")]
    if "kafka" in kinds:
        try:
            find_jars()
        except NoKafka as error:
            raise click.UsageError(f"{error}; or measure the embedded log only: --log embedded") from None
    shapes: tuple[tuple[Shape, tuple[int, ...]], ...] = (("batch", batch_rates), ("single", single_rates))
    return [
        Step("kafka" if kind == "kafka" else "embedded", shape, rate)
        for kind in kinds
        for shape, rates in shapes
        for rate in sorted(rates)
    ]


def _bench(steps: list[Step], settings: Settings, partitions: int, home: Path, *, keep: bool) -> Report:
    results: list[Result] = []
    failures: dict[str, str] = {}
    settings_in_use: dict[str, str] = {}

    def say(line: str) -> None:
        click.echo(line, err=True)

    for number, step in enumerate(steps, 1):
        say(f"[{number}/{len(steps)}] {step}")
        folder = home / f"{number:02d}-{step.log}-{step.shape}-{step.rate}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            with system(step, folder, tags=settings.tags, partitions=partitions) as running:
                settings_in_use |= durability(running, step)
                result = measure(step, settings, running, say)
        except (PartFailed, NoMosquitto) as error:
            failures[str(step)] = str(error)
            say(f"  failed: {error}")
            continue
        finally:
            if not keep:
                shutil.rmtree(folder, ignore_errors=True)
        results.append(result)
        say(f"  {_short(result)}")
    return Report(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        version=version("hazwatch"),
        commit=_commit(),
        machine=this_machine(home),
        durability=settings_in_use,
        partitions=partitions,
        results=results,
        failures=failures,
        targets=words.targets(results),
    )


def _short(r: Result) -> str:
    return (
        f"{r.sustained_per_s:.0f} readings/s, p50 {r.latency.p50_ms:.1f} ms, p99 {r.latency.p99_ms:.1f} ms, "
        f"max {r.latency.max_ms:.1f} ms over {r.latency.alarms} alarms, {r.cpu_total:.0f} % CPU, "
        f"ledger {'equal' if r.account.matches else 'DIFFERS'}"
    )


def _with_derived(report: Report) -> dict[str, object]:
    """The report as plain data, with the figures that follow from others."""
    data: dict[str, object] = msgspec.to_builtins(report)
    data["good"] = report.good
    data["results"] = [
        msgspec.to_builtins(r)
        | {
            "sustained_per_s": r.sustained_per_s,
            "cores_per_100k": r.cores_per_100k,
            "ledger_matches": r.account.matches,
        }
        for r in report.results
    ]
    return data


def _commit() -> str:
    with suppress(OSError, subprocess.CalledProcessError):
        argv = ["git", "rev-parse", "--short", "HEAD"]
        done = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=Path(__file__).parent)
        return done.stdout.strip()
    return "no commit"
