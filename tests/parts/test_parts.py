"""Each real part starts, answers, comes back after kill -9 with its data, and leaves no process and no port behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.parts.kafka import Kafka
from tests.parts.mosquitto import Mosquitto
from tests.parts.net import listening_inodes, listens, wait_until
from tests.parts.postgres import Postgres
from tests.parts.server import Server, alive, descendants, state


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


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(Mosquitto, marks=pytest.mark.part("mosquitto")),
        pytest.param(Kafka, marks=pytest.mark.part("kafka")),
        pytest.param(Postgres, marks=pytest.mark.part("postgres")),
    ],
)
def test_nothing_is_left_behind(part: type[Server]) -> None:
    server = part()
    with server:
        pids = family(server)
        server.pause()
    assert_gone(server, pids)


_ORPHAN = """
import sys
from tests.parts.mosquitto import Mosquitto
broker = Mosquitto().start()
print(broker.pid, broker.home, flush=True)
sys.stdin.read()
"""


@pytest.mark.part("mosquitto")
def test_a_killed_run_takes_its_servers_along() -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", _ORPHAN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert run.stdout is not None
    pid = int(run.stdout.readline().split()[0])
    run.send_signal(signal.SIGKILL)
    run.communicate()
    wait_until(lambda: not alive(pid), "the broker of a killed run is gone", within_s=10)
