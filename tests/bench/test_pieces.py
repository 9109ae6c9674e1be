"""The pieces of the bench that need no part: its account, its words, its publisher and receiver."""

from __future__ import annotations

import asyncio
import json
import os
import time

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hazwatch.bench.ledger import Account
from hazwatch.bench.load import Senders
from hazwatch.bench.machine import Machine
from hazwatch.bench.mqtt import _length
from hazwatch.bench.plan import VARIANTS, WIDTH, Load, Step, normal_values, over_limit, tag_name
from hazwatch.bench.procfs import snapshot, tree
from hazwatch.bench.report import markdown, targets, text
from hazwatch.bench.result import Account as Accounted
from hazwatch.bench.result import Latency, Report, Result
from hazwatch.bench.sink import Sink, hooks
from historian.frames import Rows
from historian.verify import ledger_of
from ingest.config import SourceConfig
from ingest.decoding import Decoded
from ingest.formats import FORMATS

TAGS = 2 * WIDTH


def load(shape: str) -> Load:
    return Load(
        port=1,
        shape="batch" if shape == "batch" else "single",
        rate=1_000,
        alarms_per_s=1,
        warm_up_s=0,
        seconds=1,
        numbers=list(range(1, TAGS + 1)),
    )


@pytest.mark.parametrize("shape", ["batch", "single"])
def test_the_account_is_what_ingest_reads_in_the_payloads(shape: str) -> None:
    plan = load(shape)
    senders = Senders(plan)
    column = 3 if shape == "batch" else 0
    senders.over[1] = {column: 1}
    source = SourceConfig(name="s", topic="t", format="columnar" if shape == "batch" else "flat")
    number = {tag_name(i): i + 1 for i in range(TAGS)}
    us: list[int] = []
    values: list[float] = []
    tags: list[int] = []
    for turn in range(2 * VARIANTS):
        for sender in range(2):
            time_ms, payload = senders.message(sender, 1_700_000_000_000_000_000 + turn)
            decoded = FORMATS[source.format].decode(payload, source)
            assert isinstance(decoded, Decoded)
            assert np.all(np.asarray(decoded.event_ns) == time_ms * 1_000_000)
            us += [time_ms * 1000] * plan.width
            values += decoded.value.tolist()
            tags += [number[key] for key in decoded.names.keys]
    read = Rows(np.array(us), np.array(values), np.array(tags, np.int32), np.zeros(len(us), np.int16))
    assert senders.account.readings == len(us)
    assert senders.account.ledger() == ledger_of(read)
    assert over_limit(plan.width + column) in values


def test_one_reading_less_or_changed_is_another_ledger() -> None:
    values = normal_values(TAGS, seed=1)

    def made(messages: int, change: bool) -> Account:
        account = Account(list(range(1, TAGS + 1)), values, WIDTH)
        for i in range(messages):
            account.message(i % 2, 1_700_000_000_000 + i, i % VARIANTS)
        if change:
            account.changed(7, 99.0)
        return account

    whole = made(40, False).ledger()
    assert whole.rows == 40 * WIDTH
    assert made(39, False).ledger() != whole
    assert made(40, True).ledger() != whole
    assert made(40, True).ledger().rows == whole.rows


def test_a_sender_never_uses_a_millisecond_twice() -> None:
    senders = Senders(load("batch"))
    times = [senders.message(0, 1_700_000_000_000_000_000)[0] for _ in range(5)]
    assert len(set(times)) == 5


@given(st.integers(0, 268_435_455))
def test_remaining_lengths_as_mqtt_has_them(size: int) -> None:
    data = _length(size)
    assert sum((byte & 127) << (7 * i) for i, byte in enumerate(data)) == size
    assert len(data) <= 4
    assert all(byte & 128 for byte in data[:-1]) and data[-1] < 128


async def test_the_receiver_takes_requests_in_pieces_and_tells_how_many() -> None:
    received: list[tuple[int, bytes]] = []
    server = await asyncio.get_running_loop().create_server(lambda: Sink(received), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    body = json.dumps({"data": {"notice": "n1", "alarm": {"tag": 7, "onset_ns": 5}}}).encode()
    request = b"POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    for piece in (request[:30], request[30:-4], request[-4:], b"GET / HTTP/1.1\r\n\r\n"):
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.01)
    async with asyncio.timeout(10):
        answer = await reader.readuntil(b"\r\n\r\n1")
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    ((tag, onset_ns, notice, arrived_ns),) = (msgspec.structs.astuple(hook) for hook in hooks(received))
    assert (tag, onset_ns, notice) == (7, 5, "n1")
    assert arrived_ns <= time.time_ns()
    writer.close()
    server.close()


def test_cpu_is_counted_by_part() -> None:
    before = snapshot(time.monotonic(), {"me": os.getpid()}, below=())
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    after = snapshot(time.monotonic(), {"me": os.getpid()}, below=())
    assert 0.1 <= after.parts["me"] - before.parts["me"] <= 5
    assert os.getpid() in tree(os.getppid())


def result(**changed: object) -> Result:
    step = Step("kafka", "batch", 100_000)
    account = Accounted(1_000, "a", 1_000, "a", 0, 900, 0, 0)
    made = Result(
        step=step,
        tags=10_000,
        seconds=60,
        warm_up_s=30,
        published_per_s=100_000,
        ingested_per_s=100_000,
        evaluated_per_s=100_000,
        stored_per_s=99_900,
        readings_per_record=500,
        behind_ms=1,
        blocked=0,
        latency=Latency(900, 4.0, 12.0, 20.0),
        cpu={"kafka": 30.0, "ingest": 70.0},
        cpu_total=100.0,
        machine_busy=120.0,
        busiest=[("ingest", 70.0)],
        depths={"messages in ingest": 12.0},
        stored_after_s=0.5,
        account=account,
        saturated="nothing",
    )
    return msgspec.structs.replace(made, **changed)


def test_targets_are_met_or_missed_by_the_figures() -> None:
    assert all(target.met for target in targets([result()]))
    slow = targets([result(latency=Latency(900, 4.0, 51.0, 60.0), cpu_total=130.0)])
    assert [t.met for t in slow] == [True, False, True, False, True]
    few = targets([result(latency=Latency(499, 4.0, 12.0, 20.0), stored_per_s=98_000.0)])
    assert [t.met for t in few] == [False, True, False, True, True]
    lost = targets([result(account=Accounted(1_000, "a", 999, "b", 0, 900, 0, 0))])
    assert [t.met for t in lost] == [True, True, True, True, False]
    assert targets([result(step=Step("kafka", "batch", 50_000))])[0].what == "nothing lost, in any run"


@pytest.mark.parametrize(
    "account",
    [
        Accounted(1_000, "a", 999, "a", 0, 900, 0, 0),
        Accounted(1_000, "a", 1_000, "b", 0, 900, 0, 0),
        Accounted(1_000, "a", 1_000, "a", 1, 900, 0, 0),
        Accounted(1_000, "a", 1_000, "a", 0, 900, 1, 0),
    ],
    ids=["a row less", "another hash", "a message without acknowledgement", "an alarm without webhook"],
)
def test_whatever_is_missing_is_not_good(account: Accounted) -> None:
    assert not account.matches
    assert not report(result(account=account)).good


def report(*results: Result, failures: dict[str, str] | None = None) -> Report:
    machine = Machine(2, "a processor", 23.5, "6.1", "Debian", 120.0, {"Python": "3.11"})
    return Report(
        at="2026-01-01T00:00:00+00:00",
        version="0.1.0",
        commit="abc",
        machine=machine,
        durability={"PostgreSQL": "fsync on"},
        partitions=1,
        results=list(results),
        failures=failures or {},
        targets=targets(results),
    )


def test_a_run_that_came_to_nothing_is_not_good() -> None:
    assert report(result()).good
    assert not report().good
    failed = report(result(), failures={"a step": "kafka ended with exit code 1"})
    assert not failed.good
    assert "kafka ended with exit code 1" in text(failed)


def test_the_words_hold_the_figures() -> None:
    made = report(result(), result(account=Accounted(1_000, "a", 999, "b", 0, 900, 0, 0)))
    for words in (text(made), markdown(made)):
        for figure in ("a processor", "fsync on", "99900", "12.0", "1.00", "DIFFERS", "equal", "stored 999"):
            assert figure in words
    assert "MISSED nothing lost" in text(made)
    assert "**missed**" in markdown(made)
