"""A real Kafka 4.3.1: one KRaft node on 127.0.0.1, from the jars that `scripts/kafka_jars.sh` fetches."""

from __future__ import annotations

import base64
import os
import socket
import struct
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError

from tests.parts import PartMissing
from tests.parts.net import eventually, free_port
from tests.parts.server import Server, ServerFailed, require_program

JARS = Path(__file__).parents[2] / ".cache" / "kafka" / "jars"

_API_VERSIONS = struct.pack(">ihhih", 14, 18, 0, 1, 4) + b"test"

# A broker that was killed may register again only when its session has run out: 9 s by default, 3 s here.
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=CLIENTS://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=CLIENTS://127.0.0.1:{port}
listener.security.protocol.map=CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=CLIENTS
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
log.segment.bytes=16777216
num.network.threads=2
num.io.threads=2
"""


class Kafka(Server):
    """A broker with automatic topic creation off. `bootstrap` is what clients take as `bootstrap_servers`."""

    name = "kafka"
    ready_s: ClassVar[float] = 120.0
    stop_s: ClassVar[float] = 60.0

    def __init__(self, heap_mb: int = 512) -> None:
        self._java = require_program("kafka", "java", "openjdk-17-jre-headless")
        if not any(JARS.glob("kafka_2.13-*.jar")):
            raise PartMissing("kafka", "its jars are not in .cache/kafka/jars (scripts/kafka_jars.sh, needs Maven)")
        super().__init__()
        self._heap_mb = heap_mb
        self._properties = self.home / "server.properties"
        self._properties.write_text(
            _PROPERTIES.format(port=self.port, controller_port=free_port(), data=self.home / "data")
        )

    def prepare(self) -> None:
        super().prepare()
        cluster = base64.urlsafe_b64encode(os.urandom(16)).rstrip(b"=").decode().replace("-", "A")
        command = self._command(
            "kafka.tools.StorageTool", "format", "--standalone", "-t", cluster, "-c", str(self._properties)
        )
        done = subprocess.run(command, capture_output=True, text=True, timeout=self.ready_s, env=dict(self.env()))
        if done.returncode:
            raise ServerFailed(f"formatting Kafka's storage failed\n{done.stdout}{done.stderr}")

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def argv(self) -> Sequence[str]:
        return self._command("kafka.Kafka", str(self._properties))

    def env(self) -> Mapping[str, str]:
        # A JVM prints what it finds in these variables and may take settings of another program from them.
        return {k: v for k, v in super().env().items() if k not in ("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS")}

    def answers(self) -> bool:
        """The broker listens before it serves; it says which requests it knows once it does."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as conn:
            conn.settimeout(5)
            conn.sendall(_API_VERSIONS)
            head = conn.recv(10)
            return len(head) == 10 and struct.unpack(">iih", head)[1:] == (1, 0)

    async def create_topic(self, name: str = "", *, partitions: int = 1, **config: str) -> str:
        """Create a topic whose records are stamped by the broker (`LogAppendTime`); returns its name.

        Without a name, a new one is made up. `config` takes Kafka's settings with `_` for `.`, such as
        `retention_ms="1000"`. Returns when the broker has a leader for every partition.
        """
        topic = name or f"t-{uuid.uuid4().hex[:12]}"
        settings = {"message.timestamp.type": "LogAppendTime"} | {k.replace("_", "."): v for k, v in config.items()}
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:

            async def made() -> bool:
                """Not at once if the controller has not heard from the broker for a while, as on a busy machine."""
                response = await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=settings)])
                return response.topic_errors[0][1] in (0, TopicAlreadyExistsError.errno)

            async def led() -> bool:
                (found,) = await admin.describe_topics([topic])
                leaders = [p["leader"] for p in found["partitions"]]
                return len(leaders) == partitions and -1 not in leaders

            await eventually(made, f"topic {topic} is made")
            await eventually(led, f"topic {topic} has a leader for each of {partitions} partitions")
        finally:
            await admin.close()
        return topic

    def _command(self, main: str, *args: str) -> list[str]:
        """Serial collector and first compiler only: a broker that starts fast and leaves the cores to others."""
        classpath = f"{JARS}/*"
        options = [
            f"-Xmx{self._heap_mb}m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:-UsePerfData",
            "-Djava.net.preferIPv4Stack=true",
        ]
        log = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true"]
        return [self._java, *options, *log, "-cp", classpath, main, *args]
