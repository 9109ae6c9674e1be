"""Configuration: what is wrong is told at once, with place and cure."""

from __future__ import annotations

import msgspec
import pytest

from ingest.config import MqttConfig, SourceConfig, problems
from ingest.formats import FORMATS

GOOD = SourceConfig(
    name="gw", topic="park/metal/+/up", format="columnar", tag="{3}.{key}", platform_ack="park/{2}/{3}/ack"
)


def test_a_good_configuration_has_no_problems() -> None:
    history = SourceConfig(name="old", topic="park/metal/+/backfill", format="columnar", history=True, gateway="{3}")
    assert problems(MqttConfig(), [GOOD, history], list(FORMATS)) == []


def test_all_problems_are_told_at_once() -> None:
    mqtt = MqttConfig(host="", port=0, keepalive_s=60, receive_maximum=0, client_id="a b", session_expiry_s=1)
    sources = [
        GOOD,
        SourceConfig(name="gw", topic="park/+/gw1/up", format="xml"),
        SourceConfig(name="x", topic="a/#/b", format="flat"),
        SourceConfig(name="y", topic="c/d", format="flat", tag="{3}.{nope}", utc_offset="8"),
        SourceConfig(name="z", topic="e/#", format="flat", platform_ack="e/ack"),
    ]
    found = "\n".join(problems(mqtt, sources, list(FORMATS)))
    for place in (
        *(
            "mqtt.host",
            "mqtt.port",
            "mqtt.keepalive_s",
            "mqtt.receive_maximum",
            "mqtt.client_id",
            "mqtt.session_expiry_s",
        ),
        *(
            "source[1] 'gw': every source needs",
            "source[1] 'gw'.format",
            "overlaps that of 'gw'",
            "source[2] 'x'.topic",
        ),
        *("{3} stands for nothing", "{nope} stands for nothing", "source[3] 'y'.utc_offset", "'z' listens to 'e/ack'"),
    ):
        assert place in found, (place, found)


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"password_file": "p"}, "mqtt.password_file"),
        ({"tls_ca_file": "p"}, "mqtt.tls_*"),
        ({"tls": True, "tls_cert_file": "p"}, "mqtt.tls_cert_file"),
        ({"connect_timeout_s": 0.0}, "mqtt.connect_timeout_s"),
    ],
)
def test_single_problems(fields: dict[str, object], place: str) -> None:
    assert [p for p in problems(msgspec.convert(fields, MqttConfig), [GOOD], list(FORMATS)) if p.startswith(place)]


def test_no_source_is_a_problem() -> None:
    assert any(p.startswith("source: there is none") for p in problems(MqttConfig(), [], list(FORMATS)))
