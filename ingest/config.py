"""What a site writes about the way in: the broker (`[mqtt]`) and the subscriptions (`[[source]]`).

Both are frozen and complete; `problems` says everything that is wrong with them at once. Secrets are in files and are
never part of a value here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from ingest import topics
from schemas.registry import Struct

MAX_KEEPALIVE_S = 15
MAX_PAYLOAD_BYTES = 64 * 1024
_CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_OFFSET = re.compile(r"[+-](0\d|1[0-4]):[0-5]\d")
_PLACE = re.compile(r"\{([^{}]*)\}")


class MqttConfig(Struct, frozen=True, kw_only=True):
    """The broker and how we talk to it.

    `receive_maximum` is the number of messages that may be on their way at once: received and not yet in the log. It is
    the ceiling of the whole: over an append of 5 ms, 20 would allow 4 000 messages/s and the default 200 000; times the
    size of a payload (64 KiB) it bounds the memory too. MQTT 3.1.1 has no such word, there the broker's own
    `max_inflight_messages` stands.
    The session outlives the connection by `session_expiry_s`, so what comes while we are away waits at the broker.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    username: str = ""
    password_file: str = ""
    client_id: str = "hazwatch-ingest"
    mqtt: Literal["5", "3.1.1"] = "5"
    keepalive_s: int = 10
    receive_maximum: int = 1000
    session_expiry_s: int = 7 * 86_400
    connect_timeout_s: float = 5.0
    tls: bool = False
    tls_ca_file: str = ""
    tls_cert_file: str = ""
    tls_key_file: str = ""


class SourceConfig(Struct, frozen=True, kw_only=True):
    """One subscription with one payload format, and how its keys become names of tags.

    `tag` is a template: `{key}` is the key in the payload, `{1}`, `{2}` ... are the levels of the topic. `map` gives
    single keys a tag name of their own; keys in `ignore` are no measurements (a battery, a model name) and are passed
    over. With `enterprise` (a template too: `{2}`) only tags of that enterprise may be written: what a message may say
    follows from its topic, never from its payload.

    `unit` and `units` (by key) state what the numbers are in, unless the payload says it itself; without either they
    are in the unit of the tag. `time_unit` is that of times given as a number (columnar payloads say it in the name),
    `utc_offset` that of times without an offset. `quality` says what a number as quality means. `history` marks topics
    whose readings are declared as history: they are stored and never page anybody. `platform_ack` is a template of the
    topic on which `{"boot_id":..,"seq":..}` is published once a message is in the log, `gateway` a template that names
    the sender whose `seq` has no gaps (by default the whole topic).

    `link` names the supervised path whose heartbeat vouches for this source; a template too, so that every gateway can
    be a link of its own: `gw-{2}`. A tag belongs to the link that the tag list gives it. `status_topic` is a template
    of the topic on which a gateway tells that it is up, and the broker (by its last will) that it is down: with one of
    the words in `status_up` and `status_down` (small and capital letters are the same), alone or in a JSON object
    under the first of `status_keys` that is there. While the last word of a gateway is that it is down, its link is.
    """

    name: str
    topic: str
    format: str
    enterprise: str = ""
    tag: str = "{key}"
    map: dict[str, str] = msgspec.field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    unit: str = ""
    units: dict[str, str] = msgspec.field(default_factory=dict)
    time_unit: Literal["s", "ms", "us", "ns"] = "ms"
    utc_offset: str = ""
    quality: Literal["opc_da", "opc_ua", "hazwatch", ""] = ""
    history: bool = False
    gateway: str = ""
    platform_ack: str = ""
    link: str = "ingest"
    status_topic: str = ""
    status_up: tuple[str, ...] = ("online", "up", "connected", "on", "true", "1")
    status_down: tuple[str, ...] = ("offline", "down", "disconnected", "off", "false", "0")
    status_keys: tuple[str, ...] = ("online", "connected", "status", "state")


def problems(mqtt: MqttConfig, sources: Sequence[SourceConfig], formats: Sequence[str]) -> list[str]:
    """Everything that is wrong, each with its place and its cure; empty when nothing is."""
    return [*_mqtt_problems(mqtt), *_source_problems(sources, formats)]


def _mqtt_problems(mqtt: MqttConfig) -> Iterator[str]:
    if not mqtt.host:
        yield "mqtt.host is empty: give the name or address of the broker"
    if not 1 <= mqtt.port <= 65535:
        yield f"mqtt.port is {mqtt.port}: a port is 1 to 65535"
    if not _CLIENT_ID.fullmatch(mqtt.client_id):
        yield f"mqtt.client_id is {mqtt.client_id!r}: 1 to 64 letters, digits, '.', '_', '-'; every process its own"
    if not 1 <= mqtt.keepalive_s <= MAX_KEEPALIVE_S:
        yield f"mqtt.keepalive_s is {mqtt.keepalive_s}: a dead connection is found in time with 1 to {MAX_KEEPALIVE_S}"
    if not 1 <= mqtt.receive_maximum <= 65535:
        yield f"mqtt.receive_maximum is {mqtt.receive_maximum}: MQTT knows 1 to 65535, and under 100 ingest is slow"
    if not 60 <= mqtt.session_expiry_s < 0xFFFF_FFFF:
        yield f"mqtt.session_expiry_s is {mqtt.session_expiry_s}: at least 60, for what waits at the broker"
    if not 0 < mqtt.connect_timeout_s <= 30:
        yield f"mqtt.connect_timeout_s is {mqtt.connect_timeout_s}: more than 0 and at most 30"
    if mqtt.password_file and not mqtt.username:
        yield "mqtt.password_file is given without mqtt.username"
    if (mqtt.tls_ca_file or mqtt.tls_cert_file) and not mqtt.tls:
        yield "mqtt.tls_* files are given, but mqtt.tls is false: set it to true"
    if bool(mqtt.tls_cert_file) != bool(mqtt.tls_key_file):
        yield "mqtt.tls_cert_file and mqtt.tls_key_file belong together: give both or none"


def _source_problems(sources: Sequence[SourceConfig], formats: Sequence[str]) -> Iterator[str]:
    if not sources:
        yield "source: there is none; write at least one [[source]] with name, topic and format"
    names: set[str] = set()
    for index, source in enumerate(sources):
        place = f"source[{index}] {source.name!r}"
        if not source.name or source.name in names:
            yield f"{place}: every source needs a name of its own"
        names.add(source.name)
        if source.format not in formats:
            yield f"{place}.format is {source.format!r}: it is one of {', '.join(sorted(formats))}"
        if source.utc_offset and not _OFFSET.fullmatch(source.utc_offset):
            yield f"{place}.utc_offset is {source.utc_offset!r}: write it as +08:00"
        if fault := topics.filter_fault(source.topic):
            yield f"{place}.topic {source.topic!r}: {fault}"
            continue
        yield from _template_problems(place, source)
        yield from _status_problems(place, source, sources)
        for other in sources[:index]:
            if not topics.filter_fault(other.topic) and topics.overlap(other.topic, source.topic):
                yield f"{place}.topic {source.topic!r} overlaps that of {other.name!r}: a message has one source only"
        for listener in sources:
            if source.platform_ack and topics.overlap(listener.topic, _as_filter(source.platform_ack)):
                yield f"{place}.platform_ack: {listener.name!r} listens to {source.platform_ack!r} itself"


def _template_problems(place: str, source: SourceConfig) -> Iterator[str]:
    levels = source.topic.count("/") + 1
    most = 64 if source.topic.endswith("#") else levels
    for field, template in (
        ("tag", source.tag),
        ("enterprise", source.enterprise),
        ("gateway", source.gateway),
        ("platform_ack", source.platform_ack),
        ("link", source.link),
        ("status_topic", source.status_topic),
    ):
        for word in _PLACE.findall(template):
            if word == "key" and field == "tag":
                continue
            if not re.fullmatch(r"[1-9][0-9]?", word) or int(word) > most:
                known = "{key} or " if field == "tag" else ""
                yield f"{place}.{field}: {{{word}}} stands for nothing; write {known}{{1}} to {{{most}}}"


def _status_problems(place: str, source: SourceConfig, sources: Sequence[SourceConfig]) -> Iterator[str]:
    """A status must speak for one link and no other, and be no reading."""
    if not source.status_topic:
        return
    place = f"{place}.status_topic {source.status_topic!r}"
    status = topics.Backwards(source.status_topic, source.topic)
    if "+" in source.status_topic or "#" in source.status_topic:
        yield f"{place}: it is a template; write {{n}} where level n of the topic {source.topic!r} stands"
        return
    if fault := topics.filter_fault(status.filter):
        yield f"{place}: {fault}"
    if any(len(_PLACE.findall(level)) > 1 for level in source.status_topic.split("/")):
        yield f"{place}: one {{n}} on each level, so that the topic says what it stands for"
    if status.places != (named := topics.Backwards(source.link, source.topic).places):
        only = ", ".join(f"{{{n}}}" for n in sorted(status.places ^ named))
        yield f"{place} and link {source.link!r}: {only} is in one only, but one status speaks for one link"
    if both := {w.casefold() for w in source.status_up} & {w.casefold() for w in source.status_down}:
        yield f"{place}: {', '.join(sorted(both))} is in status_up and in status_down"
    if not source.status_down:
        yield f"{place}: status_down is empty, so no gateway could ever be down: list the words of its last will"
    for other in sources:
        if topics.overlap(other.topic, status.filter):
            yield f"{place}: {other.name!r} takes these topics for readings; narrow its topic"
        if other.platform_ack and topics.overlap(_as_filter(other.platform_ack), status.filter):
            yield f"{place}: {other.name!r} publishes its platform_ack there"
        if "{" not in source.link and other.link == source.link and other.status_topic:
            told_on = topics.Backwards(other.status_topic, other.topic).filter
            if told_on != status.filter:
                yield f"{place}: {other.name!r} has the same link and another status; give each gateway its own link"


def _as_filter(template: str) -> str:
    """The widest set of topics that a template can name."""
    return "/".join("+" if "{" in level else level for level in template.split("/"))
