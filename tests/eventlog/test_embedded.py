"""The contract in the process that writes the embedded log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eventlog.embedded.log import EmbeddedLog
from eventlog.embedded.store import TopicReader
from eventlog.open import open_embedded_writer
from eventlog.port import NewRecord, Record
from tests.eventlog.contract import COMPACTED, SPECS, LogContract, values
from tests.parts.net import eventually


class EmbeddedStand:
    """The log under test is the writing process's own."""

    def __init__(self, log: EmbeddedLog) -> None:
        self.log = log

    def name(self, topic: str) -> str:
        return topic

    async def trim(self, topic: str) -> None:
        """Retention does it by itself."""


@pytest.mark.usefixtures("quick_cleaning")
class TestEmbedded(LogContract):
    @pytest.fixture
    async def stand(self, tmp_path: Path) -> AsyncIterator[EmbeddedStand]:
        async with open_embedded_writer(tmp_path / "log", SPECS) as log:
            yield EmbeddedStand(log)

    async def test_compaction_keeps_the_newest_of_every_key(self, stand: EmbeddedStand) -> None:
        for number in range(30):
            await stand.log.append(COMPACTED, 0, [NewRecord(b"%d" % (number % 3), "s", b"%d" % number)])

        async def compacted() -> bool:
            return values(await stand.log._pool.run(COMPACTED, _stored)) == [b"27", b"28", b"29"]

        await eventually(compacted, "superseded records are gone")
        bounds = await stand.log.bounds(COMPACTED, 0)
        assert (bounds.start, bounds.end) == (0, 30)


def _stored(reader: TopicReader) -> list[Record]:
    """What is in the file, whatever the memory still holds."""
    return reader.read(0, 0, max_records=1_000, max_bytes=1 << 20)
