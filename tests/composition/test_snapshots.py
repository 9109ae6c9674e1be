"""Snapshot files: written in a thread, never in the way, and never an end of the process."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from hazwatch.snapshots import PERIOD_S, SnapshotFolder, Snapshots
from tests.composition.helpers import StoppedClock
from tests.parts.net import eventually


def test_three_are_kept_newest_first(tmp_path: Path) -> None:
    folder = SnapshotFolder(tmp_path / "s")
    for offset in range(5):
        folder.write(offset, b"%d" % offset)
    assert list(folder.contents()) == [b"4", b"3", b"2"]


def test_drafts_of_a_killed_process_are_cleared_away(tmp_path: Path) -> None:
    (tmp_path / "00000000000000000001.draft").write_bytes(b"half")
    folder = SnapshotFolder(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert list(folder.contents()) == []


async def test_a_snapshot_is_due_every_ten_seconds_and_only_after_progress(tmp_path: Path) -> None:
    clock, folder = StoppedClock(), SnapshotFolder(tmp_path)
    snapshots = Snapshots(folder, clock, 5)
    snapshots.offer(6, lambda: lambda: b"too early")
    clock.go(PERIOD_S)
    snapshots.offer(5, lambda: lambda: b"nothing new")
    snapshots.offer(7, lambda: lambda: b"seven")
    await eventually(lambda: list(folder.contents()) == [b"seven"], "the due snapshot is written")
    snapshots.offer(8, lambda: lambda: b"too early again")
    await snapshots.last(7, lambda: lambda: b"not needed")
    assert list(folder.contents()) == [b"seven"]


async def test_a_slow_disk_holds_up_nothing(tmp_path: Path) -> None:
    """While one snapshot is being written the loop runs, and no second one begins."""
    clock, folder = StoppedClock(), SnapshotFolder(tmp_path)
    snapshots = Snapshots(folder, clock, 0)
    goes = threading.Event()
    frozen: list[int] = []

    def slowly() -> bytes:
        goes.wait(20)
        return b"slow"

    clock.go(PERIOD_S)
    snapshots.offer(1, lambda: slowly)
    for offset in (2, 3, 4):
        clock.go(PERIOD_S)
        await asyncio.sleep(0)
        snapshots.offer(offset, lambda: frozen.append(1) or (lambda: b"second"))  # type: ignore[func-returns-value]
    assert frozen == []
    goes.set()
    await eventually(lambda: list(folder.contents()) == [b"slow"], "the slow one is written")


async def test_the_last_snapshot_of_a_stop(tmp_path: Path) -> None:
    folder = SnapshotFolder(tmp_path)
    await Snapshots(folder, StoppedClock(), 3).last(4, lambda: lambda: b"last")
    assert list(folder.contents()) == [b"last"]


async def test_a_disk_that_fails_is_said_and_ends_nothing(tmp_path: Path) -> None:
    clock = StoppedClock()
    said: list[str] = []
    folder = SnapshotFolder(tmp_path / "s")
    snapshots = Snapshots(folder, clock, 0, trouble=said.append)
    (tmp_path / "s").rmdir()
    clock.go(PERIOD_S)
    snapshots.offer(1, lambda: lambda: b"lost")
    await eventually(lambda: bool(said) and "No such file" in said[-1], "the trouble is said")
    (tmp_path / "s").mkdir()
    clock.go(PERIOD_S)
    snapshots.offer(2, lambda: lambda: b"kept")
    await eventually(lambda: said[-1] == "", "the trouble is over")
    assert list(folder.contents()) == [b"kept"]


async def test_a_bug_in_a_snapshot_is_not_swallowed(tmp_path: Path) -> None:
    clock = StoppedClock()
    snapshots = Snapshots(SnapshotFolder(tmp_path), clock, 0)

    def bug() -> bytes:
        raise KeyError("a bug")

    clock.go(PERIOD_S)
    snapshots.offer(1, lambda: bug)
    clock.go(PERIOD_S)
    with pytest.raises(KeyError):
        for offset in range(2, 2000):
            await asyncio.sleep(0.005)
            snapshots.offer(offset, lambda: bug)
