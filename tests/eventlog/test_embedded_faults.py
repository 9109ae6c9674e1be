"""The embedded log when its process is killed, its disk is full or its disk fails: nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventlog.embedded import lane, spare, store
from eventlog.helpers import read_all
from eventlog.open import open_embedded_writer
from eventlog.port import EventLog, LogUnavailable, NewRecord, PositionGone, Record, TopicSpec
from tests.eventlog import hammer
from tests.parts.net import eventually, wait_until

ROUNDS = 20
REPOSITORY = Path(__file__).parents[2]


def noted(notes: Path) -> list[tuple[str, int, int, bytes]]:
    lines = notes.read_text().split("\n")[:-1]
    return [(topic, int(part), int(at), value.encode()) for topic, part, at, value in map(str.split, lines)]


def hammer_and_kill(directory: Path, notes: Path, round_number: int, dice: random.Random) -> None:
    before = notes.stat().st_size if notes.exists() else 0
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.eventlog.hammer", str(directory), str(notes), str(round_number)], cwd=REPOSITORY
    )
    try:
        enough = before + dice.choice((1, 2_000, 30_000))
        wait_until(
            lambda: process.poll() is not None or (notes.exists() and notes.stat().st_size > enough),
            "the hammer has written enough",
            within_s=60,
        )
        assert process.poll() is None, "the hammer ended by itself"
    finally:
        process.kill()
        process.wait()


async def kept(log: EventLog, topic: str, partition: int) -> list[Record]:
    """All records of a partition, also while retention works on it."""
    while True:
        try:
            return [record async for record in read_all(log, topic, partition)]
        except PositionGone:
            continue


async def check(log: EventLog, acknowledged: list[tuple[str, int, int, bytes]]) -> int:
    """Every acknowledged record is at its place, once, in its writer's order, and nothing is there that nobody
    wrote.
    """
    found = 0
    for spec in hammer.SPECS:
        for partition in range(spec.partitions):
            mine = {at: value for topic, part, at, value in acknowledged if (topic, part) == (spec.name, partition)}
            stored = {record.offset: record.value.split()[0] for record in await kept(log, spec.name, partition)}
            start = 0 if spec.compacted else min(stored, default=0)
            if spec.compacted:
                for at, value in mine.items():
                    assert any(other >= at and writer_of(there) == writer_of(value) for other, there in stored.items())
            else:
                assert list(stored) == list(range(start, start + len(stored)))
                expected = {at: value for at, value in mine.items() if at >= start}
                assert {at: stored.get(at) for at in expected} == expected
            check_order(list(stored.values()), gapless=not spec.compacted and start == 0)
            found += len(stored)
    return found


def writer_of(value: bytes) -> bytes:
    return value.split(b".")[1]


def check_order(values: list[bytes], *, gapless: bool) -> None:
    assert max(Counter(values).values(), default=1) == 1
    turns: dict[bytes, list[int]] = {}
    for value in values:
        writer, _, turn = value.rpartition(b".")
        turns.setdefault(writer, []).append(int(turn))
    for numbers in turns.values():
        assert numbers == sorted(numbers)
        assert not gapless or numbers == list(range(len(numbers)))


@pytest.mark.slow
async def test_kill_nine_at_any_moment_loses_nothing_acknowledged(tmp_path: Path) -> None:
    dice = random.Random(20)
    directory, notes = tmp_path / "log", tmp_path / "notes"
    for round_number in range(ROUNDS):
        hammer_and_kill(directory, notes, round_number, dice)
        async with open_embedded_writer(directory, hammer.SPECS) as log:
            assert await check(log, noted(notes)) > 0
            incarnation = await log.incarnation()
        assert incarnation == 1


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system that is small enough to fill")
    where = tmp_path / "tiny"
    where.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(where)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"mounting is not allowed here: {mounted.stderr.decode().strip()}")
    try:
        yield where
    finally:
        subprocess.run(["umount", "-l", str(where)], check=True)


async def fill(log: EventLog, acknowledged: list[bytes]) -> None:
    """Appends until the disk refuses."""
    with pytest.raises(LogUnavailable, match="topic plain could not be written"):
        while True:
            value = b"%d " % len(acknowledged) + b"x" * 50_000
            await log.append("plain", 0, [NewRecord(b"k", "fill", value)])
            acknowledged.append(value)


async def stored(log: EventLog) -> list[bytes]:
    return [record.value async for record in read_all(log, "plain", 0)]


async def test_a_full_disk_refuses_appends_until_there_is_room(tiny_disk: Path) -> None:
    ballast = tiny_disk / "ballast"
    ballast.write_bytes(b"x" * (1 << 20))
    acknowledged: list[bytes] = []
    specs = [TopicSpec("plain", 1)]
    async with open_embedded_writer(tiny_disk / "log", specs) as log:
        for _ in range(2):
            await fill(log, acknowledged)
            assert await stored(log) == acknowledged
            with pytest.raises(LogUnavailable):
                await log.append("plain", 0, [NewRecord(b"k", "fill", b"x" * 900_000)])
        ballast.unlink()

        async def recovered() -> bool:
            await log.append("plain", 0, [NewRecord(b"k", "fill", b"after")])
            return True

        await eventually(recovered, "the log takes appends again", retry=(LogUnavailable,))
        acknowledged.append(b"after")
        assert await stored(log) == acknowledged
    async with open_embedded_writer(tiny_disk / "log", specs) as log:
        assert await stored(log) == acknowledged


async def test_topics_with_a_retention_live_on_when_others_fill_the_disk(
    tiny_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the historian or anybody else writes beside the log must not stop an alarm."""
    monkeypatch.setattr(spare, "LOW_BYTES", 16 << 20)
    monkeypatch.setattr(spare, "CHECKPOINT_PAGES_LOW", 16)
    monkeypatch.setattr(store, "SPARE_BYTES", 256 << 10)
    monkeypatch.setattr(lane, "CLEAN_EVERY_S", 0.02)
    specs = [TopicSpec("readings", 2, retention_bytes=1 << 30), TopicSpec("events", 1, retention_ms=86_400_000)]
    async with open_embedded_writer(tiny_disk / "log", specs) as log:
        await log.append("readings", 0, [NewRecord(b"k", "t", b"first")])
        await eventually(lambda: log.disk_low, "the log has noticed the disk")
        await eventually(lambda: (tiny_disk / "log" / "events.db").stat().st_size > 256 << 10, "there is spare room")
        with pytest.raises(OSError, match="No space left"), (tiny_disk / "historian").open("wb", buffering=0) as others:
            while True:
                others.write(b"x" * 65_536)
        refused = 0
        for number in range(2_000):
            appends = [("readings", number % 2, NewRecord(b"k", "t", b"%d " % number + b"x" * 8_000))]
            if number % 10 == 0:
                appends.append(("events", 0, NewRecord(b"k", "t", b"%d" % number)))
            for topic, partition, record in appends:
                async with asyncio.timeout(10):
                    while True:
                        try:
                            await log.append(topic, partition, [record])
                            break
                        except (
                            LogUnavailable
                        ):  # the cleaner was not given the processor in time; every writer tries again
                            refused += 1
                            await asyncio.sleep(0.02)
        assert refused <= 40
        events = [int(record.value) async for record in read_all(log, "events", 0)]
        assert len(events) > 190
        assert events[-1] == 1_990
        for partition in (0, 1):
            newest = [int(record.value.split()[0]) for record in await kept(log, "readings", partition)]
            assert newest[-1] == 1_998 + partition
            assert newest  # how many depends on how far ahead the cleaner works; the newest one is never given up
        with pytest.raises(PositionGone):
            await log.read("readings", 0, 0)
    (tiny_disk / "historian").unlink()
    async with open_embedded_writer(tiny_disk / "log", specs) as log:
        assert [int(record.value) async for record in read_all(log, "events", 0)] == events


FAILING_DISK = """
import asyncio, resource, sys
from pathlib import Path
from eventlog.open import open_embedded_writer
from eventlog.port import TopicSpec, LogUnavailable, NewRecord
from tests.eventlog.test_embedded_faults import fill, stored

async def main():
    acknowledged = []
    async with open_embedded_writer(Path(sys.argv[1]), [TopicSpec("plain", 1)]) as log:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        for limit in (2_000_000, 2_300_000):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
            await fill(log, acknowledged)
            assert await stored(log) == acknowledged
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        (position,) = await log.append("plain", 0, [NewRecord(b"k", "fill", b"after")])
        acknowledged.append(b"after")
        assert await stored(log) == acknowledged
        assert position.offset == len(acknowledged) - 1
    async with open_embedded_writer(Path(sys.argv[1]), [TopicSpec("plain", 1)]) as log:
        assert await stored(log) == acknowledged
    print("done", len(acknowledged))

asyncio.run(main())
"""


def test_failing_writes_refuse_appends_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    """Writes beyond a size limit fail in the kernel, as those to a failing disk do."""
    done = subprocess.run(
        [sys.executable, "-c", FAILING_DISK, str(tmp_path / "log")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[1]) > 20


FAILING_CALLS = """
import asyncio, sys
from pathlib import Path
from eventlog.open import open_embedded_writer
from eventlog.port import LogUnavailable, NewRecord, TopicSpec

async def main():
    refused = 0
    async with open_embedded_writer(Path(sys.argv[1]), [TopicSpec("plain", 1)]) as log:
        for number in range(1_000):
            value = b"%d " % number + b"x" * 20_000
            try:
                (position,) = await log.append("plain", 0, [NewRecord(b"k", "t", value)])
            except LogUnavailable:
                refused += 1
            else:
                print(position.offset, number)
    print("refused", refused)

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace makes the calls fail: apt-get install strace")
@pytest.mark.parametrize("fault", ["fdatasync:error=EIO:when=20+17", "pwrite64:error=EIO:when=90+101"])
async def test_a_disk_that_fails_now_and_then_loses_nothing_acknowledged(tmp_path: Path, fault: str) -> None:
    """The kernel forgets what it could not write after it has said so once: an append that failed must be written
    anew."""
    call = fault.partition(":")[0]
    strace = ["strace", "-f", "-o", str(tmp_path / "trace"), "-e", f"trace={call}", "-e", f"inject={fault}"]
    done = await asyncio.to_thread(
        subprocess.run,
        [*strace, sys.executable, "-c", FAILING_CALLS, str(tmp_path / "log")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    *acknowledged, (_, refused) = map(str.split, done.stdout.splitlines())
    assert int(refused) > 3
    assert len(acknowledged) > 500
    async with open_embedded_writer(tmp_path / "log", [TopicSpec("plain", 1)]) as log:
        found = {record.offset: int(record.value.split()[0]) async for record in read_all(log, "plain", 0)}
    expected = {int(offset): int(number) for offset, number in acknowledged}
    assert {offset: found.get(offset) for offset in expected} == expected
    numbers = list(found.values())
    assert numbers == sorted(set(numbers))
