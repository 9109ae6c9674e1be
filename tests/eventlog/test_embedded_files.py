"""Opening the embedded log: one writer, what is refused and with which words, and what survives a restart."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from eventlog.embedded import lane, log
from eventlog.embedded.cleaning import AgeClock
from eventlog.embedded.directory import bump_incarnation, partitions_of
from eventlog.embedded.log import EmbeddedLog
from eventlog.embedded.store import TopicWriter
from eventlog.helpers import read_all
from eventlog.open import open_embedded_client, open_embedded_writer
from eventlog.port import LogError, LogUnavailable, NewRecord, PositionGone, TopicMissing, TopicSpec, topic_specs
from tests.parts.net import eventually

REPOSITORY = Path(__file__).parents[2]
PLAIN = (TopicSpec("plain", 2),)


def one(value: bytes = b"v") -> list[NewRecord]:
    return [NewRecord(b"k", "t", value)]


async def test_a_restart_keeps_records_positions_and_incarnation(tmp_path: Path) -> None:
    async with open_embedded_writer(tmp_path, topic_specs()) as opened:
        written = [(await opened.append("events", 0, one(b"%d" % number)))[0] for number in range(10)]
        incarnation = await opened.incarnation()
    async with open_embedded_writer(tmp_path, topic_specs()) as opened:
        records = [record async for record in read_all(opened, "events", 0)]
        assert [(r.offset, r.append_ns, r.value) for r in records] == [
            (p.offset, p.append_ns, b"%d" % number) for number, p in enumerate(written)
        ]
        assert (await opened.append("events", 0, one()))[0].offset == 10
        assert await opened.incarnation() == incarnation == 1


async def test_records_survive_the_loss_of_power_as_far_as_sqlite_is_told(tmp_path: Path) -> None:
    writer = TopicWriter(tmp_path / "plain.db", PLAIN[0])
    try:
        settings = [writer._con.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode")]
    finally:
        writer.close()
    assert settings == [2, "wal"]


async def test_a_second_writer_is_told_who_is_first(tmp_path: Path) -> None:
    async with open_embedded_writer(tmp_path, PLAIN):
        with pytest.raises(LogError, match=rf"already written by process {os.getpid()} \(.*"):
            async with open_embedded_writer(tmp_path, PLAIN):
                pass
    async with open_embedded_writer(tmp_path, PLAIN) as opened:
        assert await opened.append("plain", 0, one())


def test_a_killed_writer_leaves_no_lock(tmp_path: Path) -> None:
    hold = (
        "import asyncio, sys; from pathlib import Path; from eventlog.open import open_embedded_writer\n"
        "from eventlog.port import TopicSpec\n"
        "async def main():\n"
        "  async with open_embedded_writer(Path(sys.argv[1]), [TopicSpec('plain', 2)]):\n"
        "    print('ready', flush=True); await asyncio.sleep(600)\n"
        "asyncio.run(main())"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "ready\n"

        async def open_it() -> None:
            async with open_embedded_writer(tmp_path, PLAIN) as opened:
                await opened.append("plain", 0, one())

        with pytest.raises(LogError, match=rf"process {holder.pid} "):
            asyncio.run(open_it())
        holder.kill()
        holder.wait()
        asyncio.run(open_it())
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


async def test_what_does_not_fit_is_refused_all_at_once(tmp_path: Path) -> None:
    async with open_embedded_writer(tmp_path, [TopicSpec("a", 1), TopicSpec("b", 2), TopicSpec("c", 1)]):
        pass
    (tmp_path / "c.db").unlink()
    wrong = [
        TopicSpec("a", 1, compacted=True),
        TopicSpec("b", 3),
        TopicSpec("c", 1),
        TopicSpec("../d", 1),
        TopicSpec("meta", 1),
        TopicSpec("e", 1, compacted=True, retention_ms=1),
    ]
    with pytest.raises(TopicMissing) as refused:
        await EmbeddedLog.open(tmp_path, wrong)
    text = str(refused.value)
    for problem in (
        "topic a was made with compacted=False",
        "topic b has 2 partitions but 3 are configured",
        "c.db is missing",
        "'../d' is not allowed",
        "'meta' is not allowed",
        "topic e is compacted and has a retention",
    ):
        assert problem in text
    assert not (tmp_path.parent / "d.db").exists()


async def test_new_topics_and_other_limits_are_taken_over(tmp_path: Path) -> None:
    async with open_embedded_writer(tmp_path, PLAIN) as opened:
        await opened.append("plain", 0, one(b"x" * 100))
    async with open_embedded_writer(
        tmp_path, [TopicSpec("plain", 2, max_record_bytes=50), TopicSpec("more", 1)]
    ) as opened:
        await opened.append("more", 0, one())
        async with open_embedded_client(tmp_path) as client:
            with pytest.raises(LogError, match="at most 50"):
                await client.append("plain", 0, one(b"x" * 100))
        assert len([r async for r in read_all(opened, "plain", 0)]) == 1


async def test_a_log_tells_how_many_partitions_it_was_made_with(tmp_path: Path) -> None:
    assert partitions_of(tmp_path) == {}
    async with open_embedded_writer(tmp_path, PLAIN):
        assert partitions_of(tmp_path) == {spec.name: spec.partitions for spec in PLAIN}


async def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "plain.db")) as other:
        other.execute("PRAGMA application_id = 7")
    with pytest.raises(LogError, match="database of another program"):
        await EmbeddedLog.open(tmp_path, PLAIN)
    (tmp_path / "plain.db").write_bytes(b"not a database at all" * 300)
    with pytest.raises(LogError, match="not a database"):
        await EmbeddedLog.open(tmp_path, PLAIN)
    (tmp_path / "plain.db").unlink()
    async with open_embedded_writer(tmp_path, PLAIN) as opened:
        await opened.append("plain", 0, one())


async def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    async with open_embedded_writer(tmp_path, PLAIN):
        pass
    with closing(sqlite3.connect(tmp_path / "plain.db")) as con:
        con.execute("PRAGMA user_version = 99")
    with pytest.raises(LogError, match="newer version"):
        await EmbeddedLog.open(tmp_path, PLAIN)


async def test_damaged_records_are_not_handed_out(tmp_path: Path) -> None:
    async with open_embedded_writer(tmp_path, PLAIN) as opened:
        await opened.append("plain", 0, one(b"good"))
        await opened.append("plain", 0, one(b"flipped"))
    data = (tmp_path / "plain.db").read_bytes()
    (tmp_path / "plain.db").write_bytes(data.replace(b"flipped", b"flopped"))
    async with open_embedded_writer(tmp_path, PLAIN) as opened:
        assert [r.value for r in await opened.read("plain", 0, 0, max_records=1)] == [b"good"]
        with pytest.raises(LogError, match="offset 1 to 1 are damaged") as damaged:
            await opened.read("plain", 0, 1)
        assert not isinstance(damaged.value, LogUnavailable)


async def test_a_restored_log_gets_the_next_incarnation(tmp_path: Path) -> None:
    live, backup = tmp_path / "live", tmp_path / "backup"
    async with open_embedded_writer(live, PLAIN, first_incarnation=7) as opened:
        await opened.append("plain", 0, one())
        with pytest.raises(LogError, match="already written"):
            await asyncio.to_thread(bump_incarnation, live)
    shutil.copytree(live, backup)
    assert bump_incarnation(backup) == 8
    assert bump_incarnation(backup) == 9
    async with open_embedded_writer(backup, PLAIN, first_incarnation=1) as opened:
        assert await opened.incarnation() == 9
        async with open_embedded_client(backup) as client:
            assert await client.incarnation() == 9
    with pytest.raises(LogUnavailable, match="no log yet"):
        bump_incarnation(tmp_path / "nothing-here-yet")


async def test_a_disk_that_does_not_answer_is_unavailable_and_then_works_again(tmp_path: Path) -> None:
    async with open_embedded_writer(tmp_path, PLAIN, append_deadline_s=0.2) as opened:
        await opened.append("plain", 0, one(b"0"))
        with closing(sqlite3.connect(tmp_path / "plain.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(LogUnavailable, match=r"did not confirm an append within 0\.2 s"):
                await opened.append("plain", 0, one(b"1"))
            other.execute("ROLLBACK")

        async def works() -> bool:
            return bool(await opened.append("plain", 0, one(b"2")))

        await eventually(works, "the log takes appends again", retry=(LogUnavailable,))
        found = [record.value async for record in read_all(opened, "plain", 0)]
        assert found[0] == b"0"
        assert found[-1] == b"2"
        assert set(found[1:-1]) <= {b"1", b"2"}


@pytest.fixture
def short_queue() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lane, "QUEUE_BYTES", 1_000)
        yield


@pytest.mark.usefixtures("short_queue")
async def test_a_full_queue_holds_appends_back_in_order(tmp_path: Path) -> None:
    async with open_embedded_writer(tmp_path, PLAIN) as opened, asyncio.TaskGroup() as group:
        # Every other one would still find room where a larger one waits.
        sizes = [110, 1] * 30
        appends = [
            group.create_task(opened.append("plain", 0, one(b"%03d" % number * size)))
            for number, size in enumerate(sizes)
        ]
        await asyncio.sleep(0)
        for given_up in appends[5::7]:
            given_up.cancel()
        await asyncio.wait(appends)
        found = [int(record.value[:3]) async for record in read_all(opened, "plain", 0)]
        assert found == sorted(found)
        assert set(found) >= {number for number in range(60) if number not in range(5, 60, 7)}
        assert await opened.append("plain", 0, one(b"x" * 5_000))


async def test_a_writer_that_dies_of_a_bug_is_reported_and_refuses_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths: list[BaseException] = []
    monkeypatch.setattr("threading.excepthook", lambda _: None)
    async with open_embedded_writer(tmp_path, PLAIN, on_failure=deaths.append) as opened:
        waiting = asyncio.create_task(opened.read("plain", 0, 0, wait_s=60))
        await asyncio.sleep(0)
        monkeypatch.setattr(TopicWriter, "append", lambda *_: 1 / 0)
        with pytest.raises(LogError, match="ZeroDivisionError"):
            await opened.append("plain", 0, one())
        with pytest.raises(LogError, match="ZeroDivisionError"):
            await waiting
        with pytest.raises(LogError, match="ZeroDivisionError"):
            await opened.append("plain", 1, one())
        assert [type(error) for error in deaths] == [ZeroDivisionError]


async def test_retention_by_time(tmp_path: Path, quick_cleaning: None) -> None:
    async with open_embedded_writer(tmp_path, [TopicSpec("brief", 2, retention_ms=300)]) as opened:
        await opened.append("brief", 0, one(b"old"))

        async def emptied() -> bool:
            return (await opened.bounds("brief", 0)).start == 1

        await eventually(emptied, "the old record is gone")
        with pytest.raises(PositionGone):
            await opened.read("brief", 0, 0)
        assert (await opened.append("brief", 0, one(b"new")))[0].offset == 1
    async with open_embedded_writer(tmp_path, [TopicSpec("brief", 2)]) as opened:
        bounds = await opened.bounds("brief", 0)
        assert (bounds.start, bounds.end) in ((1, 2), (2, 2))
        assert (await opened.append("brief", 0, one()))[0].offset == 2


def test_a_clock_that_jumps_ahead_ages_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time_ns
    newest_ns = real() - 5_000_000_000
    clock = AgeClock(newest_ns)
    monkeypatch.setattr(time, "time_ns", lambda: real() + 10 * 365 * 86_400_000_000_000)
    assert 0 <= clock.now_ns() - newest_ns < 60_000_000_000


def test_a_record_from_the_future_ages_nothing() -> None:
    assert AgeClock(time.time_ns() + 10**18).now_ns() <= time.time_ns() + 1_000_000


async def test_retention_keeps_up_with_appends(tmp_path: Path, quick_cleaning: None) -> None:
    async with open_embedded_writer(tmp_path, [TopicSpec("bounded", 1, retention_bytes=200_000)]) as opened:
        for _ in range(40):
            await asyncio.gather(*(opened.append("bounded", 0, one(b"x" * 10_000)) for _ in range(20)))

        async def kept_is_bounded() -> bool:
            bounds = await opened.bounds("bounded", 0)
            return bounds.end == 800 and bounds.end - bounds.start <= 40

        await eventually(kept_is_bounded, "retention has caught up")
        assert (tmp_path / "bounded.db").stat().st_size < 800 * 10_000


async def test_the_memory_for_the_newest_records_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "RING_BYTES", 100_000)
    async with open_embedded_writer(tmp_path, PLAIN) as opened:
        for number in range(300):
            await opened.append("plain", 0, one(b"%03d" % number * 300))
        tail = opened._lanes["plain"].tails[0]
        assert tail.read(0, 1, 1) is None
        assert tail.read(299, 1, 1)
        assert tail._bytes <= 50_000
        assert [int(r.value[:3]) async for r in read_all(opened, "plain", 0)] == list(range(300))


async def test_a_hot_read_never_opens_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_embedded_writer(tmp_path, PLAIN) as opened:
        monkeypatch.setattr(opened, "_pool", None)
        for number in range(50):
            (position,) = await opened.append("plain", 0, one(b"%d" % number))
            (record,) = await opened.read("plain", 0, position.offset)
            assert record.value == b"%d" % number
        monkeypatch.undo()
