"""`hazwatch bench-rules`: readings per second and core of every rule kind, and what others need for the same work."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import click
import msgspec

from hazwatch.bench.machine import Machine, this_machine
from hazwatch.bench.report import markdown_table, plain
from hazwatch.bench.rules.measure import BYTEWAX, MIX_NAME, PLAIN, Case, SnapshotCase, measured, snapshots
from hazwatch.bench.rules.plant import MIX, Draw
from rules.engine import warm_up
from rules.kinds import kinds

COUNTS_OF_ALL = (10_000,)
"""So many tags every kind is measured with; the other numbers of tags are for `limits` and the park mix."""
TAGS, ROWS = (1_000, 10_000, 100_000, 500_000), (100, 1_000, 10_000, 100_000)
QUICK_TAGS, QUICK_ROWS = (1_000, 10_000), (100, 10_000)
LEAST_ROWS, QUICK_LEAST_ROWS = 1_000_000, 100_000
M = 1e6


class Target(msgspec.Struct, frozen=True):
    """A promise and what was found."""

    wanted: str
    found: str
    met: bool


class Report(msgspec.Struct, frozen=True):
    """All figures of a run, with the machine."""

    at: str
    machine: Machine
    cases: list[Case]
    snapshot: SnapshotCase
    targets: list[Target]


@click.command(name="bench-rules")
@click.option("--kind", "names", multiple=True, help="Only this rule kind; may be repeated.")
@click.option("--tags", "tag_counts", type=click.IntRange(1), multiple=True, help="Tags; may be repeated.")
@click.option(
    "--rows", "row_counts", type=click.IntRange(1), multiple=True, help="Readings per batch; may be repeated."
)
@click.option("--quick", is_flag=True, help="A short form: few sizes, a tenth of the readings.")
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the results as JSON.")
@click.option("--markdown", "markdown_file", type=click.Path(path_type=Path, dir_okay=False), help="... as Markdown.")
def bench_rules(
    names: tuple[str, ...],
    tag_counts: tuple[int, ...],
    row_counts: tuple[int, ...],
    quick: bool,
    json_file: Path | None,
    markdown_file: Path | None,
) -> None:
    """Measure the rules on one core of this machine: every kind alone, a park's mix, and plain Python beside them.

    The readings are healthy noise, as nearly all readings of a plant are, decoded already. "skewed" means that four
    fifths of them come from a fifth of the tags. Unless --kind or --tags say otherwise, every kind is measured with
    10 000 tags, `limits` and the mix with 1 000 to 500 000. Ends with 0 when everything was measured, whatever the
    figures.
    """
    unknown = sorted(set(names) - set(kinds()))
    if unknown:
        raise click.UsageError(f"there is no rule kind {', '.join(unknown)}; there are {', '.join(kinds())}")
    chosen = tag_counts or (QUICK_TAGS if quick else TAGS)
    row_counts = row_counts or (QUICK_ROWS if quick else ROWS)
    click.echo("compiling every kernel", err=True)
    warm_up()
    cases = []
    least = QUICK_LEAST_ROWS if quick else LEAST_ROWS
    usual = {count: tuple(kinds()) if tag_counts or count in COUNTS_OF_ALL else ("limits",) for count in chosen}
    plan = {count: names or usual[count] for count in chosen}
    for case in measured(plan, row_counts, get_args(Draw), least):
        cases.append(case)
        click.echo("  ".join(_row(case)), err=True)
    with tempfile.TemporaryDirectory() as folder:
        machine = this_machine(Path(folder))
    found = snapshots(max(chosen))
    report = Report(datetime.now(UTC).isoformat(timespec="seconds"), machine, cases, found, _targets(cases, found))
    click.echo(plain([_HEAD, *map(_row, cases)]))
    for target in report.targets:
        click.echo(f"{'met   ' if target.met else 'MISSED'} {target.wanted}: {target.found}")
    if json_file:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
    if markdown_file:
        markdown_file.write_text(_markdown(report))


_HEAD = ["what", "tags", "batch", "draw", "M readings/s", "bytes/tag"]


def _row(case: Case) -> list[str]:
    speed = f"{case.readings_per_s / M:.2f}" if case.readings_per_s > 0.1 * M else f"{case.readings_per_s / M:.4f}"
    return [case.what, f"{case.tags}", f"{case.rows}", case.draw, speed, f"{case.bytes_per_tag:.0f}"]


def _best(cases: Sequence[Case], what: str, tags: int) -> float:
    """Readings/s with uniform draws and the batch size that suits it best."""
    return max((c.readings_per_s for c in cases if (c.what, c.tags, c.draw) == (what, tags, "uniform")), default=0.0)


def _targets(cases: Sequence[Case], found: SnapshotCase) -> list[Target]:
    """The promises that these cases could keep."""
    targets = []
    for what, tags, wanted in (("limits", 10_000, 20.0), ("limits", 500_000, 8.0), (MIX_NAME, 10_000, 4.0)):
        if speed := _best(cases, what, tags):
            text = f"{what}, {tags} tags: at least {wanted:g} M readings/s"
            targets.append(Target(text, f"{speed / M:.1f}", speed >= wanted * M))
    small, large, slow = (_best(cases, *w) for w in (("limits", 10_000), ("limits", 500_000), (PLAIN, 10_000)))
    if small and slow:
        targets.append(Target("at least 20 times plain Python", f"{small / slow:.0f} times", small >= 20 * slow))
    if small and (other := _best(cases, BYTEWAX, 10_000)):
        targets.append(Target("faster than Bytewax at the same work", f"{small / other:.0f} times", small > other))
    if small and large:
        ratio = small / large
        targets.append(Target("cost at 500 k tags at most 2.5 times that at 10 k", f"{ratio:.2f}", ratio <= 2.5))
    if found.tags >= 500_000:
        took = found.snapshot_s + found.restore_s
        targets.append(Target("snapshot and restore of 500 k tags under 3 s", f"{took:.2f} s", took < 3.0))
    return targets


_INTRODUCTION = """\
# Speed of the rules

`make bench-rules` (or `hazwatch bench-rules`) measures the rules on one core, over readings that are decoded already
and healthy, as nearly all of a plant are. Every tag has read for a quarter of an hour before anything is measured, and
goes on at its period, on average. A kind is measured alone, without the filter that recognises copies and late
readings; that filter is a line of its own, and the park mix is the whole fold with it. "skewed" means that four fifths
of the readings come from a fifth of the tags. Plain Python does the work of `limits` with a dictionary and an object
per tag; Bytewax does it in a dataflow of one worker that is fed from memory. Bytes per tag are the state that is kept,
windows included. The park mix as 60 rules has ten of each kind over a tenth of its tags, as where every enterprise has
rules of its own, and gets every reading in a record of its own.
"""


def _markdown(report: Report) -> str:
    machine, snapshot = report.machine, report.snapshot
    watched = ", ".join(f"{name} on {share:.0%}" for name, share in MIX.items() if name in kinds())
    return "\n".join(
        [
            _INTRODUCTION,
            f"Measured on {report.at[:10]}: {machine.model}, {machine.system}, Linux {machine.kernel}, Python "
            f"{machine.versions['Python']}, numba {machine.versions['numba']}, numpy {machine.versions['numpy']}.",
            "",
            f"The park mix: {watched} of the tags. Its snapshot at {snapshot.tags} tags has {snapshot.megabytes:.0f} "
            f"MB, is taken in {snapshot.snapshot_s:.2f} s and restored in {snapshot.restore_s:.2f} s.",
            "",
            "| target | found | |",
            "|---|---:|---|",
            *(f"| {t.wanted} | {t.found} | {'met' if t.met else '**missed**'} |" for t in report.targets),
            "",
            markdown_table([_HEAD, *map(_row, report.cases)]),
            "",
        ]
    )
