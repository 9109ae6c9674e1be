"""The bench in words: a table for the terminal, Markdown for the reference, and the targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hazwatch.bench.plan import WIDTH
from hazwatch.bench.result import Report, Result, Target

BATCH_RATE, SINGLE_RATE = 100_000, 5_000
P99_MS, CORES, LEAST_ALARMS = 50.0, 1.2, 500
_REACHED = 0.99
"""A rate counts as reached from this share on: the measured time does not begin and end with a commit."""


def targets(results: Sequence[Result]) -> list[Target]:
    """The promises that these runs could keep, in the order of the runs."""
    found: list[Target] = []
    for log in ("kafka", "embedded"):
        for shape, rate in (("batch", BATCH_RATE), ("single", SINGLE_RATE)):
            runs = [r for r in results if r.step.log == log and r.step.shape == shape and r.step.rate >= rate]
            if runs:
                found += _targets_of(min(runs, key=lambda r: r.step.rate), rate)
    if results:
        lost = [str(r.step) for r in results if not r.account.matches]
        found.append(Target("nothing lost, in any run", "equal ledgers", ", ".join(lost) or "all equal", not lost))
    return found


def _targets_of(run: Result, rate: int) -> list[Target]:
    what = str(run.step)
    sustained, latency = run.sustained_per_s, run.latency
    found = [
        Target(what, f"{rate} readings/s sustained", f"{sustained:.0f}", sustained >= _REACHED * rate),
        Target(what, f"p99 under {P99_MS:g} ms", f"{latency.p99_ms:.1f} ms", 0 < latency.p99_ms < P99_MS),
        Target(what, f"over at least {LEAST_ALARMS} alarms", str(latency.alarms), latency.alarms >= LEAST_ALARMS),
    ]
    if run.step.shape == "batch":
        cores = run.cores_per_100k
        wanted = f"at most {CORES:g} cores per 100 000 readings/s"
        found.append(Target(what, wanted, f"{cores:.2f}", 0 < cores <= CORES))
    return found


_COLUMNS: tuple[tuple[str, Callable[[Result], str]], ...] = (
    ("log", lambda r: r.step.log),
    ("load", lambda r: f"batches of {WIDTH}" if r.step.shape == "batch" else "single"),
    ("asked/s", lambda r: f"{r.step.rate}"),
    ("sustained/s", lambda r: f"{r.sustained_per_s:.0f}"),
    ("alarms", lambda r: f"{r.latency.alarms}"),
    ("p50 ms", lambda r: f"{r.latency.p50_ms:.1f}"),
    ("p99 ms", lambda r: f"{r.latency.p99_ms:.1f}"),
    ("max ms", lambda r: f"{r.latency.max_ms:.1f}"),
    ("CPU %", lambda r: f"{r.cpu_total:.0f}"),
    ("cores/100k", lambda r: f"{r.cores_per_100k:.2f}"),
    ("ledger", lambda r: "equal" if r.account.matches else "DIFFERS"),
)


def rows(results: Sequence[Result]) -> list[list[str]]:
    """The main table with its headings."""
    return [[name for name, _ in _COLUMNS], *([cell(r) for _, cell in _COLUMNS] for r in results)]


def cpu_rows(results: Sequence[Result]) -> list[list[str]]:
    """Percent of a core by part, a column per run."""
    parts = sorted({part for r in results for part in r.cpu}, key=lambda p: -max(r.cpu.get(p, 0.0) for r in results))
    head = ["CPU, % of a core", *(f"{r.step.log} {r.step.shape} {r.step.rate}" for r in results)]
    body = [[part, *(f"{r.cpu[part]:.1f}" if part in r.cpu else "-" for r in results)] for part in parts]
    total = ["all", *(f"{r.cpu_total:.1f}" for r in results)]
    others = ["others on this machine", *(f"{max(0.0, r.machine_busy - r.cpu_total):.0f}" for r in results)]
    return [head, *body, total, others]


def plain(table: Sequence[Sequence[str]]) -> str:
    """Columns side by side; the first is set left, the others right."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        for row in table
    )


def markdown_table(table: Sequence[Sequence[str]]) -> str:
    head, *body = table
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def details(r: Result) -> list[str]:
    """What one run has to say beside its figures, a line each."""
    account = r.account
    depths = "; ".join(f"{name} {value:.3g}" for name, value in r.depths.items()) or "all empty"
    lines = [
        f"published {account.published} readings, stored {account.stored} distinct rows; hashes "
        f"{account.published_digest} and {account.stored_digest}; {account.unacknowledged} messages without "
        "acknowledgement",
        f"{account.alarms_raised} alarms raised, {account.alarms_lost} without a webhook, "
        f"{account.alarms_doubled} with two",
        f"{r.readings_per_record:.0f} readings per record of the log; complete in the database "
        f"{r.stored_after_s:.1f} s after the last publish",
        f"deepest queues: {depths}",
        f"saturated first: {r.saturated}",
    ]
    if r.behind_ms > 20 or r.blocked:
        lines.append(f"the load itself was up to {r.behind_ms:.0f} ms late, and had to wait {r.blocked} times")
    return lines


def text(report: Report) -> str:
    """The whole report for the terminal."""
    machine = report.machine
    out = [
        f"Machine: {machine.cores} cores, {machine.model}, {machine.memory_gb} GB, {machine.system}, "
        f"Linux {machine.kernel}; sync of 4 KiB {machine.sync_us:.0f} us",
        "Versions: " + ", ".join(f"{name} {value}" for name, value in machine.versions.items()),
        *(f"Durability: {name}: {value}" for name, value in report.durability.items()),
    ]
    if report.results:
        out += ["", plain(rows(report.results)), "", plain(cpu_rows(report.results))]
    for r in report.results:
        out += ["", f"{r.step}:", *(f"  {line}" for line in details(r))]
    for step, reason in report.failures.items():
        out += ["", f"{step}: FAILED", f"  {reason}"]
    out += ["", "Targets:"]
    out += [f"  {'met   ' if t.met else 'MISSED'} {t.what}: {t.wanted}: {t.found}" for t in report.targets]
    return "\n".join(out)


_INTRODUCTION = """\
# Performance

`make bench` (or `hazwatch bench`) drives the whole pipeline on the machine it runs on. Every run starts a system of its
own: Mosquitto, the log, the roles, PostgreSQL. A load in a process of its own publishes over MQTT and keeps account; a
receiver of webhooks notes when each alarm came. Latency is from the publish of a reading over its limit to the last
byte of its webhook. CPU is of all processes, the load included, in percent of one core. The ledger is equal when the
distinct rows in PostgreSQL are those that the load published, by count and by hash, and every alarm has its webhook.
"""


def markdown(report: Report) -> str:
    """The reference page."""
    machine, first = report.machine, report.results[0]
    alarms = sum(r.account.alarms_raised for r in report.results)
    out = [
        _INTRODUCTION,
        f"Measured on {report.at[:10]} with version {report.version} ({report.commit}): {first.warm_up_s:g} s of "
        f"warm-up, {first.seconds:g} s measured per run, {first.tags} tags, {report.partitions} partition(s) of "
        f"`readings`, {alarms} alarms in all.",
        "",
        f"- Machine: {machine.cores} cores of {machine.model}, {machine.memory_gb} GB, {machine.system}, Linux "
        f"{machine.kernel}; writing and syncing 4 KiB takes {machine.sync_us:.0f} us",
        "- " + ", ".join(f"{name} {value}" for name, value in machine.versions.items()),
        *(f"- {name}: {value}" for name, value in report.durability.items()),
        "",
        markdown_table(rows(report.results)),
        "",
        markdown_table(cpu_rows(report.results)),
        "",
        "| target | wanted | found | |",
        "|---|---|---:|---|",
        *(f"| {t.what} | {t.wanted} | {t.found} | {'met' if t.met else '**missed**'} |" for t in report.targets),
        "",
    ]
    for r in report.results:
        out += [f"## {r.step}", "", *(f"- {line}" for line in details(r)), ""]
    return "\n".join(out)
