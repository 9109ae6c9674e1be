"""`python -m tests.ingest.process PORT DIRECTORY`: ingest over an embedded log, until killed or told to stop."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from eventlog.open import open_embedded_writer
from eventlog.port import topic_specs
from hazwatch.failpoints import failpoint_from_environment
from ingest.config import MqttConfig, SourceConfig
from ingest.directory import Directory
from ingest.service import Ingest
from tests.ingest.registry import revision
from tests.ingest.running import NAMES, PARTITIONS, Clock, Metrics
from tests.parts.net import eventually

SOURCE = SourceConfig(name="one", topic="one/+", format="number", tag="{2}")


async def main(port: int, directory: Path) -> None:
    async with open_embedded_writer(directory, topic_specs(readings_partitions=PARTITIONS)) as log:
        config = MqttConfig(port=port, client_id="ingest-process")
        who = Directory.of(revision(*NAMES), [SOURCE], PARTITIONS)
        ingest = Ingest(config, who, log, Clock(), Metrics(), failpoint=failpoint_from_environment())
        run = asyncio.create_task(ingest.run())
        await eventually(lambda: ingest.connected or run.done(), "ingest is connected")
        print("connected", flush=True)
        await run


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
