"""The whole way in, over a real Mosquitto and the embedded log: from a stranger's publish to the log."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from ingest import deadletters
from ingest.config import MAX_PAYLOAD_BYTES, MqttConfig, SourceConfig
from ingest.directory import Directory
from ingest.mqtt import Mqtt
from schemas import batch
from schemas.quality import Quality
from schemas.records import Kind
from schemas.time import from_iso
from tests.ingest.registry import revision, tag
from tests.ingest.running import (
    PARTITIONS,
    Clock,
    changes,
    letters,
    links,
    mosquitto_pub,
    publisher,
    running,
    stored,
    values,
)
from tests.parts.mosquitto import Mosquitto
from tests.parts.net import eventually, free_port

PAYLOADS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data" / "payloads.json").read_text())
GATEWAY = SourceConfig(
    name="gw",
    topic="park/metal/+/up",
    format="columnar",
    enterprise="metal",
    gateway="{3}",
    platform_ack="park/{2}/{3}/ack",
)
HISTORY = SourceConfig(name="old", topic="park/metal/+/backfill", format="columnar", history=True, gateway="{3}")
ONE = SourceConfig(name="one", topic="one/+", format="number", tag="{2}")
FLAT = SourceConfig(name="flat", topic="flat/+", format="flat")


def columnar(seq: int, **values: float | None) -> str:
    tags = [name.replace("_", "-") for name in values]
    return json.dumps(
        {"v": 1, "boot_id": 1, "seq": seq, "time_ms": 1767225600000, "tags": tags, "values": list(values.values())}
    )


async def test_payloads_of_other_systems_arrive_or_can_be_read_as_dead_letters(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """Published by mosquitto_pub, on the topics that those systems use, or a place of their own where two share one."""
    topics = [f"{row['id']}/{row['topic']}" for row in PAYLOADS]
    sources = [
        msgspec.convert(
            {
                "name": row["id"],
                "topic": topic,
                "format": row["format"],
                "tag": row["id"] + ":" + _shifted(row["source"]),
            },
            SourceConfig,
        )
        for row, topic in zip(PAYLOADS, topics, strict=True)
    ]
    names = dict.fromkeys(f"{row['id']}:{r['tag']}" for row in PAYLOADS for r in row["readings"])
    numbers = {name: number for number, name in enumerate(names, 1)}
    expected = sorted(
        (numbers[f"{row['id']}:{r['tag']}"], float(r["value"]), from_iso(r["time"]) if r["time"] else 0)
        for row in PAYLOADS
        for r in row["readings"]
    )
    async with running(mosquitto.port, tmp_path, sources, registry=revision(*names)) as world:
        for row, topic in zip(PAYLOADS, topics, strict=True):
            await asyncio.to_thread(mosquitto_pub, mosquitto.port, topic, row["payload"], "-q", "1")
        await world.wait_for(len(expected))
        found = [batch.decode(r.value) for r in await stored(world.log, "readings") if r.kind == Kind.READINGS]
        rows = [(int(t), float(v), int(e)) for b in found for t, v, e in zip(b.tag, b.value, b.event_ns, strict=True)]
        assert sorted(rows) == expected
        rejected = {row["id"]: row for row in PAYLOADS if row["rejected"]}
        kept = await eventually(lambda: _as_many(world.log, len(rejected)), "the dead letters are kept")
        assert kept is not None
        for one in kept:
            row = rejected[one.letter.source]
            assert one.letter.payload.decode() == row["payload"] and one.letter.reason == row["rejected"]
            assert one.letter.detail and one.letter.received_ns > 0
            assert await deadletters.read(world.log, one.offset) == one


def _shifted(source: dict[str, str]) -> str:
    """The template with its levels one further right, behind the place of its own."""
    template = source.get("tag", "{key}")
    for level in range(8, 0, -1):
        template = template.replace(f"{{{level}}}", f"{{{level + 1}}}")
    return template


async def _as_many(log: Any, count: int) -> list[deadletters.Kept] | None:
    kept = await deadletters.kept(log)
    return kept if len(kept) >= count else None


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_gateway_is_told_what_is_in_the_log(mosquitto: Mosquitto, tmp_path: Path, protocol: str) -> None:
    async with (
        running(mosquitto.port, tmp_path, [GATEWAY], mqtt=protocol) as world,
        publisher(mosquitto.port) as gateway,
    ):
        gateway.subscribe("park/metal/gw1/ack")
        for seq in range(1, 21):
            await asyncio.to_thread(gateway.publish, "park/metal/gw1/up", columnar(seq, co_1=float(seq), co_2=None))
        await eventually(lambda: len(gateway.heard) >= 20, "every message is acknowledged by the platform")
        acks = [json.loads(payload) for _, payload in gateway.heard]
        assert acks == [{"boot_id": 1, "seq": seq} for seq in range(1, 21)]
        found = [batch.decode(r.value) for r in await stored(world.log, "readings") if r.kind == Kind.READINGS]
        assert [int(s) for b in found for s in b.sequence] == [1 << 32 | seq for seq in range(1, 21) for _ in range(2)]
        one = found[0].rows(slice(2))
        assert one.tag.tolist() == [1, 2] and one.quality.tolist() == [Quality.GOOD, Quality.NO_VALUE]
        assert math.isnan(one.value[1]) and one.event_ns.tolist() == [1767225600000 * 1_000_000] * 2
        await eventually(lambda: ("hazwatch_readings_total", "gw") in world.metrics.numbers, "metrics are reported")
        assert world.metrics.numbers["hazwatch_readings_total", "gw"] == 40
        assert world.metrics.numbers["hazwatch_messages_total", "gw"] == 20


async def test_a_by_hand_publish_without_options_is_taken(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async with running(mosquitto.port, tmp_path, [ONE]) as world:
        await asyncio.to_thread(mosquitto_pub, mosquitto.port, "one/co-1", "40")
        assert await world.wait_for(1) == [(1, 40.0)]


async def test_declared_history_goes_to_backfill(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async with running(mosquitto.port, tmp_path, [GATEWAY, HISTORY]) as world, publisher(mosquitto.port) as gateway:
        await asyncio.to_thread(gateway.publish, "park/metal/gw1/backfill", columnar(1, co_1=99.0))
        untimed = '{"v":1,"tags":["co-1"],"values":[98]}'
        await asyncio.to_thread(gateway.publish, "park/metal/gw1/backfill", untimed)
        assert await world.wait_for(1, "backfill") == [(1, 99.0)]
        kept = await eventually(lambda: _as_many(world.log, 1), "a letter is kept")
        assert kept is not None and "history needs a time" in kept[0].letter.detail
        assert await values(world.log) == []


async def test_bad_input_has_its_reason(mosquitto: Mosquitto, tmp_path: Path) -> None:
    sources = [GATEWAY, FLAT, ONE]
    registry = revision("co-1", "co-2", tags=(tag(3, "cl2-1", enterprise="chlorine"),))
    too_large = " " * MAX_PAYLOAD_BYTES + "1"
    async with running(mosquitto.port, tmp_path, sources, registry=registry) as world:
        async with publisher(mosquitto.port) as gateway:
            for topic, payload in [
                ("one/co-1", too_large),
                ("one/co-1", "NaN"),
                ("one/co-77", "5"),
                ("flat/a", '{"co-1": 1, "co-1": 90}'),
                ("flat/a", '{"co-1": 1, "co-88": 91.5}'),
                ("park/metal/gw1/up", '{"v":1,"tags":["co-1","co-2"],"values":[7,8],"units":["ppm","kPa"]}'),
                ("park/metal/gw1/up", '{"v":1,"tags":["cl2-1"],"values":[3]}'),
                ("one/co-2", "6"),
            ]:
                await asyncio.to_thread(gateway.publish, topic, payload)
        assert sorted(await world.wait_for(3)) == [(1, 1.0), (1, 7.0), (2, 6.0)]
        await eventually(lambda: _as_many(world.log, 7), "the letters are kept")
        found = {(one.source, one.reason): one for one in await letters(world.log)}
        assert set(found) == {
            ("one", "too_large"),
            ("one", "malformed"),
            ("one", "unknown_name"),
            ("flat", "duplicate_key"),
            ("flat", "unknown_name"),
            ("gw", "wrong_unit"),
            ("gw", "wrong_enterprise"),
        }
        large = found["one", "too_large"]
        assert len(large.payload) == MAX_PAYLOAD_BYTES and large.payload_bytes == MAX_PAYLOAD_BYTES + 1
        assert found["flat", "unknown_name"].names == ("co-88",)
        assert "kPa" in found["gw", "wrong_unit"].detail and found["gw", "wrong_unit"].names == ("co-2",)
        condition = await eventually(lambda: _unmapped(world.log, "flat"), "the unmapped data is a condition")
        assert condition is not None and "co-88 = 91.5" in condition.text.en and condition.place.park == "demo"
        await eventually(lambda: world.metrics.numbers.get(("hazwatch_rejected_total", "one", "too_large")), "counted")
        await eventually(lambda: world.metrics.numbers["hazwatch_ingest_in_flight",] == 0, "all is acknowledged")


async def _unmapped(log: Any, source: str) -> Any:
    return next((c for c in await changes(log) if c.kind == "unmapped" and c.subject == f"ingest-test/{source}"), None)


async def test_letters_are_driven_again_as_history(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async with running(mosquitto.port, tmp_path, [FLAT]) as world:
        for payload in ('{"new-1": 41, "co-1": 2}', '{"new-1": 42, "ts": 1767225600000}', '{"never": 1}', "{"):
            await asyncio.to_thread(mosquitto_pub, mosquitto.port, "flat/a", payload, "-q", "1")
        kept = await eventually(lambda: _as_many(world.log, 4), "the letters are kept")
        assert kept is not None
        offsets = [one.offset for one in kept]
        mended = Directory.of(revision("co-1", "new-1"), [FLAT], PARTITIONS)
        before = await values(world.log)
        outcomes = await deadletters.redrive(world.log, mended, offsets, Clock())
        assert [one.readings for one in outcomes] == [2, 1, 0, 0]
        assert "never" in outcomes[2].detail and outcomes[3].detail
        assert sorted(await values(world.log, "backfill")) == [(1, 2.0), (2, 41.0), (2, 42.0)]
        assert await values(world.log) == before, "what is driven again is history only"
        times = [int(e) for r in await stored(world.log, "backfill") for e in batch.decode(r.value).event_ns]
        assert times == [kept[0].letter.received_ns] * 2 + [1767225600000 * 1_000_000]
        again = await deadletters.redrive(world.log, mended, offsets[:1], Clock())
        assert again[0].readings == 0 and "before" in again[0].detail
        marked = await deadletters.kept(world.log, source="flat")
        assert [one.redriven_ns > 0 for one in marked] == [True, True, False, False]
        with pytest.raises(deadletters.NoSuchLetter):
            await deadletters.read(world.log, 10_000)


async def test_retained_messages_are_no_readings(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """MQTT 5 never gets them; 3.1.1 does and refuses them. A live message with the flag is live."""
    async with publisher(mosquitto.port) as gateway:
        await asyncio.to_thread(gateway.publish, "one/co-1", "99", retain=True)
        async with running(mosquitto.port, tmp_path / "a", [ONE]) as world:
            await asyncio.to_thread(gateway.publish, "one/co-2", "5", retain=True)
            assert await world.wait_for(1) == [(2, 5.0)]
            assert await letters(world.log) == []
        async with running(mosquitto.port, tmp_path / "b", [ONE], mqtt="3.1.1") as world:
            kept = await eventually(lambda: _as_many(world.log, 2), "the retained messages are refused")
            assert kept is not None and {one.letter.reason for one in kept} == {"retained"}
            assert await values(world.log) == []


async def test_a_thousand_unknown_names_cost_little(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async with running(mosquitto.port, tmp_path, [ONE]) as world, publisher(mosquitto.port) as gateway:

        def flood() -> None:
            sent = [gateway.client.publish(f"one/x{i}", "5", qos=1) for i in range(1300)]
            for info in sent:
                info.wait_for_publish(30)

        await asyncio.to_thread(flood)
        await asyncio.to_thread(gateway.publish, "one/co-1", "6")
        assert await world.wait_for(1) == [(1, 6.0)]
        await eventually(lambda: world.metrics.numbers["hazwatch_ingest_in_flight",] == 0, "all is acknowledged")
        assert len(await letters(world.log)) == 1000
        assert len(world.ingest._intake.troubles["one"].last_values) == 100
        counted = ("hazwatch_rejected_total", "one", "unknown_name")
        await eventually(lambda: world.metrics.numbers.get(counted) == 1300, "all are counted")


async def test_heartbeats_tell_whether_the_broker_is_there(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async with running(mosquitto.port, tmp_path, [ONE]) as world:

        async def last() -> bool | None:
            found = await links(world.log)
            return found[-1].up if found else None

        await eventually(last, "a heartbeat says up")
        found = await links(world.log)
        assert {(one.name, one.by) for one in found} == {("ingest", "ingest-test")}
        await asyncio.to_thread(mosquitto.stop)
        await eventually(lambda: _is(last, False), "a heartbeat says down", within_s=30)
        await asyncio.to_thread(mosquitto.start)
        await eventually(lambda: _is(last, True), "a heartbeat says up again", within_s=40)


async def _is(ask: Any, wanted: bool) -> bool:
    return await ask() is wanted


async def test_a_gap_in_the_numbers_is_a_data_loss_until_it_is_filled(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async with running(mosquitto.port, tmp_path, [GATEWAY, HISTORY]) as world, publisher(mosquitto.port) as gateway:
        for seq in (1, 2, 5):
            await asyncio.to_thread(gateway.publish, "park/metal/gw1/up", columnar(seq, co_1=1.0))

        async def loss(level: int) -> Any:
            said = [c for c in await changes(world.log) if c.kind == "data_loss"]
            return said[-1] if said and said[-1].level == level else None

        found = await eventually(lambda: loss(1), "the loss is told", within_s=15)
        assert found.value == 2.0 and "3-4" in found.text.en and found.subject == "ingest-test/gw"
        for seq in (3, 4):
            await asyncio.to_thread(gateway.publish, "park/metal/gw1/backfill", columnar(seq, co_1=1.0))
        await eventually(lambda: loss(0), "the loss is over", within_s=15)


async def test_the_directory_is_swapped_while_running(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async with running(mosquitto.port, tmp_path, [ONE]) as world, publisher(mosquitto.port) as gateway:
        await asyncio.to_thread(gateway.publish, "one/co-1", "1")
        await world.wait_for(1)
        moved = revision(number=2, tags=(tag(1, "co-1", retired=True), tag(77, "co-1", hazard_source="foundry")))
        world.ingest.swap(Directory.of(moved, [ONE], PARTITIONS, previous=revision("co-1")))
        await asyncio.to_thread(gateway.publish, "one/co-1", "2")
        assert sorted(await world.wait_for(3)) == [(1, 1.0), (1, 2.0), (77, 2.0)]
        world.ingest.swap(Directory.of(moved, [ONE], PARTITIONS))
        await asyncio.to_thread(gateway.publish, "one/co-1", "3")
        assert sorted(await world.wait_for(4)) == [(1, 1.0), (1, 2.0), (77, 2.0), (77, 3.0)]
        with pytest.raises(ValueError, match="restart"):
            world.ingest.swap(Directory.of(moved, [FLAT], PARTITIONS))


async def test_a_wrong_password_is_tried_again(
    mosquitto: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody will mend the file: the process stays alive and says what is wrong."""
    await asyncio.to_thread(mosquitto.stop)
    secret, passwords = tmp_path / "secret", mosquitto.home / "passwords"
    secret.write_text("wrong\n")
    await _run("mosquitto_passwd", "-b", "-c", str(passwords), "ingest", "right")
    passwords.chmod(0o644)
    closed = f"allow_anonymous false\npassword_file {passwords}"
    mosquitto.conf.write_text(mosquitto.conf.read_text().replace("allow_anonymous true", closed))
    mosquitto.answers = lambda: True  # type: ignore[method-assign]
    await asyncio.to_thread(mosquitto.start)
    config: dict[str, Any] = {"username": "ingest", "password_file": str(secret)}
    async with running(mosquitto.port, tmp_path / "log", [ONE], connected=False, **config) as world:
        await eventually(lambda: "the broker refuses the connection: Not authorized" in caplog.text, "it is told")
        assert not world.ingest.connected and not world.task.done()
        secret.write_text("right\n")
        await eventually(lambda: world.ingest.connected, "connected with the right password", within_s=30)


async def _run(*argv: str) -> None:
    process = await asyncio.create_subprocess_exec(*argv)
    assert await process.wait() == 0


async def test_protocol_version_of_the_gateway_does_not_matter(mosquitto: Mosquitto, tmp_path: Path) -> None:
    v311 = MQTTProtocolVersion.MQTTv311
    async with running(mosquitto.port, tmp_path, [ONE]) as world, publisher(mosquitto.port, protocol=v311) as gateway:
        await asyncio.to_thread(gateway.publish, "one/co-1", "1", qos=2)
        assert await world.wait_for(1) == [(1, 1.0)]


async def test_tls(mosquitto: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With the broker's certificate checked; and records that TLS has decrypted ahead are not left lying."""
    key, cert, port = tmp_path / "key.pem", tmp_path / "cert.pem", free_port()
    names = ("-subj", "/CN=broker", "-addext", "subjectAltName=IP:127.0.0.1")
    await _run(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names),
        *("-keyout", str(key), "-out", str(cert)),
    )
    key.chmod(0o644)
    await asyncio.to_thread(mosquitto.stop)
    with mosquitto.conf.open("a") as conf:
        conf.write(f"\nlistener {port} 127.0.0.1\ncertfile {cert}\nkeyfile {key}\nallow_anonymous true\n")
    await asyncio.to_thread(mosquitto.start)
    config: dict[str, Any] = {"tls": True, "tls_ca_file": str(cert)}
    async with running(port, tmp_path / "log", [GATEWAY], **config) as world, publisher(mosquitto.port) as gateway:
        padding = " " * 15_000

        def many() -> None:
            sent = [
                gateway.client.publish("park/metal/gw1/up", columnar(seq, co_1=float(seq)) + padding, qos=1)
                for seq in range(1, 151)
            ]
            for info in sent:
                info.wait_for_publish(30)

        await asyncio.to_thread(many)
        assert set(await world.wait_for(150)) == {(1, float(seq)) for seq in range(1, 151)}
    stranger = MqttConfig(port=port, client_id="stranger", tls=True)
    mqtt = Mqtt(stranger, ["one/+"], begin=lambda epoch: None, deliver=lambda messages: None)
    run = asyncio.create_task(mqtt.run())
    await eventually(lambda: "CERTIFICATE_VERIFY_FAILED" in caplog.text, "a certificate of nobody we know is refused")
    assert not mqtt.up and not run.done()
    run.cancel()
    await asyncio.wait({run})
