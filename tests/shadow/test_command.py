"""`hazwatch shadow` over a real embedded log that holds what a live system would have written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from click.testing import CliRunner, Result

from eventlog.open import open_embedded_writer
from eventlog.port import EventLog, NewRecord, topic_specs
from hazwatch.backtest.report import Report
from hazwatch.cli import main
from hazwatch.registry import RegistryView
from hazwatch.shadow.seek import newest_ns, offset_at
from rules.engine import ActivationNeeded, Fold
from rules.rulebook import compile_rules
from schemas.changes import ConditionChanges
from schemas.records import Kind, Tick, encode
from schemas.registry import Revision
from tests.composition.helpers import everything, reading

SITE = """
[park]
id = "park"
[[enterprise]]
id = "works"
park = "park"
[tags]
list = \"\"\"
name,enterprise,measure,unit,range_low,range_high,high,deadband,on_delay_s,off_delay_s,stale_s
A,works,level,m,0,100,{high},0,0,0,86400
C,works,level,m,0,100,50,0,{delay},0,86400
{more}\"\"\"
"""
VALUES = ((1, 10.0), (2, 10.0), (1, 47.0), (2, 60.0), (1, 10.0), (2, 10.0))
"""A goes above 45 once and C above 50 once."""


async def live(log: EventLog, revision: Revision) -> None:
    """Readings, and in `events` what an evaluator says of them."""
    for number, value in VALUES:
        await log.append("readings", 0, [reading(number, value)])
    fold = Fold(compile_rules(Revision(number=0, parks=()), 0, 1), 0, await log.incarnation())
    for record in await everything(log, "readings"):
        try:
            said = fold.apply(record.offset, record.append_ns, record.kind, record.value)
        except ActivationNeeded:
            said = fold.activate(record.offset, record.append_ns, compile_rules(revision, 0, 1), record.value)
        if said:
            value = encode(ConditionChanges(changes=tuple(said)), source="test/evaluate/0")
            await log.append("events", 0, [NewRecord(b"park", Kind.CHANGES, value)])
    await asyncio.sleep(4.5)  # what is cut two seconds behind the newest reading must be behind it
    for topic in ("readings", "events"):
        await log.append(topic, 0, [NewRecord(b"", Kind.TICK, encode(Tick(by="test")))])


def _write_sites() -> None:
    for name, high, delay, more in (
        ("site", 50, 0, ""),
        ("lower", 45, 0, "B,works,level,m,0,100,50,0,0,0,86400\n"),
        ("slower", 50, 60, ""),
    ):
        Path(f"{name}.toml").write_text(SITE.format(high=high, delay=delay, more=more))
    Path("unit.toml").write_text(SITE.format(high=50, delay=0, more="").replace(",m,0,", ",cm,0,"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def log(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EventLog]:
    folder = tmp_path_factory.mktemp("shadow")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "data").mkdir()
        _write_sites()
        async with open_embedded_writer(folder / "data" / "log", topic_specs(1)) as opened:
            assert (await called("shadow", "site.toml")).stderr.startswith(
                "1 problem:\n  registry: nothing is in force"
            )
            assert (await called("apply", "--config", "site.toml")).exit_code == 0
            view = RegistryView(opened)
            await view.catch_up()
            await live(opened, view.current)
            yield opened


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def called(*words: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, main, list(words))


async def told(file: str, *words: str) -> Report:
    ran = await called("shadow", file, "--from", "1", "--for", "2s", "--json", *words)
    assert ran.exit_code == 0, ran.output
    return msgspec.json.decode(ran.stdout, type=Report)


def mine(whole: Report) -> tuple[list[float], list[float | None], list[float | None]]:
    """Of limits: the shifts of what both raised, the limits of what was missed, of what is new."""
    return (
        [both.shift_s for both in whole.matched if both.rule == "limits"],
        [one.limit for one in whole.missed if one.rule == "limits"],
        [one.limit for one in whole.fresh if one.rule == "limits"],
    )


async def test_the_live_rules_themselves(log: EventLog) -> None:
    assert mine(await told("site.toml")) == ([0.0], [], [])


async def test_a_lower_limit(log: EventLog) -> None:
    whole = await told("lower.toml")
    assert mine(whole) == ([0.0], [], [45.0])
    assert whole.old == "LIVE, revision 1"
    assert whole.recording.files == (f"live readings of data, {len(VALUES)} of them",)
    assert "no readings come for B before they are in force (new, or in another cell)" in whole.notes


async def test_a_longer_delay(log: EventLog) -> None:
    assert mine(await told("slower.toml")) == ([], [50.0], [])


async def test_nothing_is_written(log: EventLog) -> None:
    before = [await log.bounds(spec.name, 0) for spec in topic_specs(1)]
    await told("lower.toml")
    assert [await log.bounds(spec.name, 0) for spec in topic_specs(1)] == before


async def test_the_text(log: EventLog) -> None:
    ran = await called("shadow", "slower.toml", "--from", "0/1", "--for", "2s", "--every", "1s", "--html", "page.html")
    assert ran.exit_code == 0
    assert "missed, raised by OLD only: 1 (limits 1)" in ran.stdout
    assert "<h1>Shadow</h1>" in await asyncio.to_thread(Path("page.html").read_text)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("unit.toml",), 1, "tags[A].unit: readings come in m, the unit in force, and not in cm"),
        (("site.toml", "--data", "elsewhere"), 1, "there is no data directory"),
        (("site.toml", "--from", "yesterday"), 2, "or write now, 2h, or an offset"),
        (("site.toml", "--from", "100000"), 2, "readings/0 holds 0 to"),
        (("site.toml", "--from", "3/1"), 2, "readings has partitions 0 to 0"),
        (("site.toml", "--for", "long"), 2, "'long' is no length of time; write 90s, 10m, 8h or 2d"),
        (("site.toml", "--html", "no/page.html"), 2, "no/page.html cannot be written"),
    ],
)
async def test_wrong_calls(log: EventLog, words: tuple[str, ...], code: int, said: str) -> None:
    ran = await called("shadow", *words)
    assert (ran.exit_code, ran.stdout) == (code, "")
    assert said in ran.stderr


async def test_a_time_is_found_among_the_records(log: EventLog) -> None:
    """Against a look at every record: the first one appended then or later."""
    records = await everything(log, "readings")
    times = [record.append_ns for record in records]
    assert await newest_ns(log, "readings", [0]) == times[-1]
    for at in [times[0] - 1, *(t + d for t in times for d in (-1, 0, 1))]:
        expected = next((r.offset for r in records if r.append_ns >= at), records[-1].offset + 1)
        assert await offset_at(log, "readings", 0, at) == expected
