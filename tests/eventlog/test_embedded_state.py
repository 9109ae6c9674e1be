"""The embedded log against a list of records, through crashes and restarts, seen by the writer and by a client."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from eventlog.embedded import lane, log
from eventlog.embedded.store import CHUNK_BYTES
from eventlog.open import open_embedded_client, open_embedded_writer
from eventlog.port import EventLog, NewRecord, PositionBeyond, PositionGone, TopicSpec

T = TypeVar("T")
PARTITIONS = 2
RETENTION_BYTES = 40_000

contents = st.one_of(st.binary(max_size=8), st.integers(0, 9_000).map(lambda size: b"%d" % size * (size // 4)))
records = st.lists(st.builds(NewRecord, st.binary(max_size=3), st.sampled_from(("", "a", "ü")), contents), max_size=6)


@dataclass
class Model:
    """What a partition must hold: `kept[0]` has the offset `start`."""

    start: int = 0
    kept: list[NewRecord] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.start + len(self.kept)

    def trim(self, start: int) -> None:
        assert self.start <= start <= self.end
        self.kept = self.kept[start - self.start :]
        self.start = start


class EmbeddedLogMachine(RuleBasedStateMachine):
    """Drives one log directory; a crash is a copy of the files taken while the log is in use."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.home = Path(tempfile.mkdtemp(prefix="hazwatch-log-"))
        self.directory = self.home / "0"
        self.crashes = 0
        self.models = [Model() for _ in range(PARTITIONS)]
        self.specs = [TopicSpec("plain", PARTITIONS)]
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(lane, "CLEAN_EVERY_S", 0.005)
        # Small, so that reads also come from the file.
        self.patch.setattr(log, "RING_BYTES", 30_000)

    def run(self, work: Awaitable[T]) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(60):
                return await work

        return self.runner.run(bounded())

    async def open(self) -> None:
        self.open_logs = AsyncExitStack()
        self.writer: EventLog = await self.open_logs.enter_async_context(
            open_embedded_writer(self.directory, self.specs)
        )
        self.client: EventLog = await self.open_logs.enter_async_context(open_embedded_client(self.directory))

    @initialize()
    def begin(self) -> None:
        self.run(self.open())

    @rule(partition=st.integers(0, PARTITIONS - 1), new=records, by_client=st.booleans())
    def append(self, partition: int, new: list[NewRecord], by_client: bool) -> None:
        opened = self.client if by_client else self.writer
        model = self.models[partition]
        positions = self.run(opened.append("plain", partition, new))
        assert [position.offset for position in positions] == list(range(model.end, model.end + len(new)))
        model.kept += new

    @rule(calls=st.lists(st.tuples(st.integers(0, PARTITIONS - 1), records), min_size=2, max_size=6))
    def append_at_once(self, calls: list[tuple[int, list[NewRecord]]]) -> None:
        async def all_at_once() -> None:
            async with asyncio.TaskGroup() as group:
                for partition, new in calls:
                    group.create_task(self.writer.append("plain", partition, new))

        self.run(all_at_once())
        for partition, new in calls:
            self.models[partition].kept += new

    @rule(
        partition=st.integers(0, PARTITIONS - 1),
        back=st.integers(-2, 40),
        most=st.integers(1, 20),
        size=st.sampled_from((1, 5_000, CHUNK_BYTES)),
        by_client=st.booleans(),
    )
    def read(self, partition: int, back: int, most: int, size: int, by_client: bool) -> None:
        opened = self.client if by_client else self.writer
        model = self.models[partition]
        start = max(0, model.end - back)
        work = opened.read("plain", partition, start, max_records=most, max_bytes=size)
        if start > model.end:
            with pytest.raises(PositionBeyond):
                self.run(work)
            return
        try:
            found = self.run(work)
        except PositionGone as gone:
            assert start < gone.bounds.start
            model.trim(gone.bounds.start)
            return
        at = start - model.start
        assert [NewRecord(r.key, r.kind, r.value) for r in found] == model.kept[at : at + len(found)]
        assert [r.offset for r in found] == list(range(start, start + len(found)))
        assert len(found) <= most
        assert found or start == model.end
        assert len(found) == 1 or sum(len(r.key) + len(r.value) for r in found) <= size

    @rule(retention=st.booleans())
    def restart(self, retention: bool) -> None:
        self.specs = [TopicSpec("plain", PARTITIONS, retention_bytes=RETENTION_BYTES if retention else -1)]
        self.run(self.open_logs.aclose())
        self.run(self.open())

    @rule(partition=st.integers(0, PARTITIONS - 1), new=records, steps=st.integers(0, 40))
    def crash(self, partition: int, new: list[NewRecord], steps: int) -> None:
        """The files as they are while an append is under way become the log; that append may have been lost."""

        async def crash() -> bool:
            appending = asyncio.create_task(self.writer.append("plain", partition, new))
            for _ in range(steps):
                await asyncio.sleep(0)
            acknowledged = appending.done()
            self.crashes += 1
            after = self.home / str(self.crashes)
            shutil.copytree(self.directory, after, ignore=shutil.ignore_patterns("*.sock", "*-shm"))
            await appending
            await self.open_logs.aclose()
            shutil.rmtree(self.directory)
            self.directory = after
            await self.open()
            return acknowledged

        acknowledged = self.run(crash())
        model = self.models[partition]
        if self.run(self.writer.bounds("plain", partition)).end != model.end or acknowledged:
            model.kept += new

    @invariant()
    def bounds_agree(self) -> None:
        if not hasattr(self, "writer"):
            return
        for partition, model in enumerate(self.models):
            for opened in (self.writer, self.client):
                bounds = self.run(opened.bounds("plain", partition))
                assert bounds.end == model.end
                if bounds.start > model.start:
                    model.trim(bounds.start)

    def teardown(self) -> None:
        if hasattr(self, "open_logs"):
            self.run(self.open_logs.aclose())
        self.runner.close()
        self.patch.undo()
        shutil.rmtree(self.home)


EmbeddedLogMachine.TestCase.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAgainstAList = pytest.mark.long(EmbeddedLogMachine.TestCase)
