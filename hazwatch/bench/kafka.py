"""A Kafka broker for a run: one KRaft node on this machine, from the jars of the checkout or of an installed Kafka."""

from __future__ import annotations

import base64
import os
import re
import shutil
import socket
import struct
from contextlib import suppress
from pathlib import Path

from hazwatch.bench.parts import Parts
from hazwatch.broker import free_port

HOME_VARIABLE = "HAZWATCH_KAFKA_HOME"
HEAP_MB = 512
READY_S = 60.0
_CHECKOUT = Path(__file__).parents[2] / ".cache" / "kafka" / "jars"
_API_VERSIONS = struct.pack(">ihhih", 14, 18, 0, 1, 4) + b"test"

# Durability is the broker's default: an append is acknowledged when it is in the page cache of all replicas (one here),
# and the kernel writes it to the disk. What else is here makes a broker of one node.
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
num.network.threads=2
num.io.threads=2
"""


class NoKafka(RuntimeError):
    """There is no Kafka or no Java on this machine; the message says what to do."""


def find_jars() -> Path:
    """The folder of Kafka's jars. Raises `NoKafka`."""
    home = os.environ.get(HOME_VARIABLE)
    folder = Path(home) / "libs" if home else _CHECKOUT
    if not any(folder.glob("kafka_2.13-*.jar")):
        raise NoKafka(
            f"no Kafka in {folder}: fetch its jars with scripts/kafka_jars.sh, or unpack a Kafka and give its folder "
            f"in {HOME_VARIABLE}"
        )
    if shutil.which("java") is None:
        raise NoKafka(
            "there is no java; Kafka 4 needs a Java runtime 17 or newer (apt-get install default-jre-headless)"
        )
    return folder


def version(jars: Path) -> str:
    """Of the broker, by the name of its jar."""
    found = [re.fullmatch(r"kafka_2\.13-(.+)\.jar", jar.name) for jar in jars.glob("kafka_2.13-*.jar")]
    return next((match[1] for match in found if match), "?")


def start_kafka(parts: Parts, jars: Path) -> str:
    """Format its storage, start it, wait until it serves; returns `bootstrap`. Raises `PartFailed`."""
    port, controller_port = free_port(0), free_port(0)
    properties = parts.folder / "kafka.properties"
    properties.write_text(
        _PROPERTIES.format(port=port, controller_port=controller_port, data=parts.folder / "kafka-data")
    )
    java = shutil.which("java")
    assert java is not None
    log = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Djava.net.preferIPv4Stack=true"]
    command = [java, f"-Xmx{HEAP_MB}m", f"-Xms{HEAP_MB}m", "-XX:+UseSerialGC", "-XX:-UsePerfData", *log]
    command += ["-cp", f"{jars}/*"]
    cluster = base64.urlsafe_b64encode(os.urandom(16)).rstrip(b"=").decode().replace("-", "A")
    storage = ["kafka.tools.StorageTool", "format", "--standalone", "-t", cluster, "-c", str(properties)]
    parts.call("formatting Kafka's storage", [*command, *storage])
    parts.start("kafka", [*command, "kafka.Kafka", str(properties)])
    parts.wait("Kafka serves", lambda: _serves(port), READY_S)
    return f"127.0.0.1:{port}"


def _serves(port: int) -> bool:
    """It listens before it serves; it says which requests it knows once it does."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as conn:
        conn.settimeout(5)
        conn.sendall(_API_VERSIONS)
        head = conn.recv(10)
        return len(head) == 10 and struct.unpack(">iih", head)[1:] == (1, 0)
    return False
