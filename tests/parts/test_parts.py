"""Each real part starts, answers, comes back after kill -9 with its data, and leaves no process and no port behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from playwright.async_api import Browser

from tests.parts.kafka import Kafka
from tests.parts.mosquitto import Mosquitto
from tests.parts.net import listening_inodes, listens, wait_until
from tests.parts.postgres import Postgres
from tests.parts.server import Server, alive, descendants, state
from tests.parts.timescale import TimescaleServer


def assert_gone(server: Server, pids: list[int]) -> None:
    """No process of the server, no listener on its port and no file of it is left."""
    assert not [pid for pid in pids if alive(pid)]
    assert not listening_inodes(server.port)
    assert not server.home.exists()


def family(server: Server) -> list[int]:
    return [server.pid, *descendants(server.pid)]


def test_mosquitto_returns_after_kill(mosquitto: Mosquitto) -> None:
    killed = mosquitto.pid
    mosquitto.kill9()
    assert not listening_inodes(mosquitto.port)
    mosquitto.start()
    assert mosquitto.pid != killed
    assert listens(mosquitto.pid, mosquitto.port)


def test_mosquitto_answers_nobody_while_paused(mosquitto: Mosquitto) -> None:
    mosquitto.pause()
    with pytest.raises(TimeoutError):
        mosquitto.answers()
    mosquitto.resume()
    assert mosquitto.answers()


async def test_kafka_keeps_records_over_a_kill(kafka_alone: Kafka) -> None:
    topic = await kafka_alone.create_topic(partitions=2)
    producer = AIOKafkaProducer(bootstrap_servers=kafka_alone.bootstrap, acks="all")
    await producer.start()
    sent = await producer.send_and_wait(topic, b"before", partition=1, timestamp_ms=1)
    await producer.stop()
    kafka_alone.kill9()
    kafka_alone.start()
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka_alone.bootstrap)
    await consumer.start()
    consumer.assign([TopicPartition(topic, 1)])
    consumer.seek(TopicPartition(topic, 1), 0)
    record = await consumer.getone()
    await consumer.stop()
    assert (record.value, record.offset) == (b"before", sent.offset)
    assert record.timestamp > 1, "the broker stamps the record, not the producer"


async def test_kafka_makes_no_topic_by_itself(kafka: Kafka) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap)
    await consumer.start()
    try:
        assert "never-created" not in await consumer.topics()
        consumer.assign([TopicPartition("never-created", 0)])
        assert "never-created" not in await consumer.topics()
    finally:
        await consumer.stop()


def test_postgres_keeps_rows_over_a_kill(postgres_alone: Postgres) -> None:
    with psycopg.connect(postgres_alone.dsn(), autocommit=True) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 1 AS n")
    postgres_alone.kill9()
    postgres_alone.start()
    with psycopg.connect(postgres_alone.dsn(), autocommit=True) as conn:
        assert conn.execute("SELECT n FROM kept").fetchone() == (1,)


def test_postgres_wants_the_password(postgres: Postgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.dsn(), password="wrong").close()


def test_postgres_paused_backends_answer_nothing(postgres_alone: Postgres) -> None:
    with psycopg.connect(postgres_alone.dsn(), autocommit=True) as conn:
        conn.execute("SELECT 1")
        postgres_alone.pause()
        assert {state(pid) for pid in family(postgres_alone)} == {"T"}
        conn.pgconn.send_query(b"SELECT 2")
        readable = socket.socket(fileno=os.dup(conn.pgconn.socket))
        readable.settimeout(0.3)
        with pytest.raises(TimeoutError):
            readable.recv(1, socket.MSG_PEEK)
        postgres_alone.resume()
        assert readable.recv(1, socket.MSG_PEEK)
        readable.close()
        while conn.pgconn.get_result():
            pass


def test_each_database_is_fresh(database: str, postgres: Postgres) -> None:
    with psycopg.connect(database) as conn:
        conn.execute("CREATE TABLE mine ()")
    with postgres.fresh_database() as other, psycopg.connect(postgres.dsn(other)) as conn:
        assert conn.execute("SELECT count(*) FROM pg_tables WHERE tablename = 'mine'").fetchone() == (0,)


async def test_two_consoles_of_one_browser_share_nothing(browser: Browser) -> None:
    pages = [await (await browser.new_context()).new_page() for _ in range(2)]
    for number, page in enumerate(pages):
        await page.set_content(f"<p>{number}</p><script>document.title = 'ran ' + {number}</script>")
    assert [await page.inner_text("p") for page in pages] == ["0", "1"]
    assert [await page.title() for page in pages] == ["ran 0", "ran 1"]


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(Mosquitto, marks=pytest.mark.part("mosquitto")),
        pytest.param(Kafka, marks=pytest.mark.part("kafka")),
        pytest.param(Postgres, marks=pytest.mark.part("postgres")),
        pytest.param(TimescaleServer, marks=pytest.mark.part("timescaledb")),
    ],
)
def test_nothing_is_left_behind(part: type[Server]) -> None:
    server = part()
    with server:
        pids = family(server)
        server.pause()
    assert_gone(server, pids)


_SERVERS = """
import sys
from tests.parts.{module} import {part}
server = {part}().start()
print(server.pid, flush=True)
sys.stdin.read()
"""

_BROWSER = """
import asyncio, os, sys
from tests.parts.chromium import chromium
from tests.parts.server import descendants

async def main():
    async with chromium():
        print(*descendants(os.getpid()), flush=True)
        sys.stdin.read()

asyncio.run(main())
"""


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A temporary directory that other users may enter, unlike pytest's."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(_SERVERS.format(module="mosquitto", part="Mosquitto"), marks=pytest.mark.part("mosquitto")),
        pytest.param(_SERVERS.format(module="kafka", part="Kafka"), marks=pytest.mark.part("kafka")),
        pytest.param(_SERVERS.format(module="postgres", part="Postgres"), marks=pytest.mark.part("postgres")),
        pytest.param(
            _SERVERS.format(module="timescale", part="TimescaleServer"), marks=pytest.mark.part("timescaledb")
        ),
        pytest.param(_BROWSER, marks=pytest.mark.part("chromium")),
    ],
    ids=["mosquitto", "kafka", "postgres", "timescaledb", "chromium"],
)
def test_a_killed_run_takes_its_parts_along(program: str, open_dir: Path) -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"TMPDIR": str(open_dir)},
    )
    assert run.stdout is not None
    pids = [int(pid) for pid in run.stdout.readline().split()]
    assert pids
    assert all(alive(pid) for pid in pids)
    run.kill()
    run.communicate()
    wait_until(lambda: not any(alive(pid) for pid in pids), "the parts of a killed run are gone", within_s=20)
