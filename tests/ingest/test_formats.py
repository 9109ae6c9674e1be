"""Laws that every payload format obeys, run over the registry; and payloads that other systems really send."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.config import MAX_PAYLOAD_BYTES, SourceConfig
from ingest.decoding import Decoded, Example, Format, Reason, Rejected
from ingest.directory import Directory
from ingest.formats import FORMATS
from ingest.formats.columnar import decode as columnar
from schemas.quality import Quality
from schemas.time import from_iso
from tests.ingest import strategies
from tests.ingest.registry import revision

JSON_FORMATS = [one for one in FORMATS.values() if one.examples[0].payload[:1] in b"{["]
PAYLOADS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data" / "payloads.json").read_text())


def source(one: Format, **fields: Any) -> SourceConfig:
    return msgspec.convert({"name": "s", "topic": "#", "format": one.name, **fields}, SourceConfig)


def each(found: Decoded) -> list[tuple[str, float | None, int, str, int]]:
    """(key, value, event_ns, unit, quality), a row each."""
    count = len(found)
    times = np.broadcast_to(np.asarray(found.event_ns), (count,))
    quality = np.zeros(count, np.int16) if found.quality is None else found.quality
    units = found.names.units or ("",) * count
    return [
        (key, None if math.isnan(value) else float(value), int(when), unit, int(q))
        for key, value, when, unit, q in zip(found.names.keys, found.value, times, units, quality, strict=True)
    ]


def test_every_format_explains_itself() -> None:
    assert {"columnar", "objects", "flat", "number", "vtq"} <= set(FORMATS)
    for name, one in FORMATS.items():
        assert name == one.name and one.title.zh and one.title.en and len(one.doc) > 80
        assert any(e.rejected for e in one.examples) and any(e.readings for e in one.examples)
        assert all(e.title.zh and e.title.en for e in one.examples)


@pytest.mark.parametrize(
    ("one", "example"),
    [pytest.param(f, e, id=f"{f.name}-{e.title.en}") for f in FORMATS.values() for e in f.examples],
)
def test_examples_are_true(one: Format, example: Example) -> None:
    found = one.decode(example.payload, source(one, **example.source))
    if example.rejected:
        assert isinstance(found, Rejected)
        assert found.reason is example.rejected and found.detail
        return
    assert isinstance(found, Decoded) and not found.refused
    assert each(found) == [
        (r.key, r.value, from_iso(r.time) if r.time else 0, r.unit, Quality[r.quality]) for r in example.readings
    ]
    assert {r.sequence for r in example.readings} == {found.sequence}


@pytest.mark.parametrize("one", FORMATS.values(), ids=FORMATS)
@settings(max_examples=400, deadline=None)
@given(payload=strategies.payloads, offset=st.sampled_from(["", "+08:00"]))
def test_any_bytes_give_readings_or_a_reason(one: Format, payload: bytes, offset: str) -> None:
    found = one.decode(payload, source(one, utc_offset=offset))
    if isinstance(found, Rejected):
        assert found.reason in Reason and 0 < len(found.detail) <= 1000
        return
    count = len(found.names.keys)
    assert count > 0 and found.value.shape == (count,) and found.value.dtype == np.float64
    assert not np.isinf(found.value).any()
    assert len(found.names.units) in (0, count)
    assert all(type(text) is str and "\x00" not in text for text in (*found.names.keys, *found.names.units))
    assert isinstance(found.event_ns, int) or (found.event_ns.shape == (count,) and found.event_ns.dtype == np.int64)
    assert not isinstance(found.event_ns, int) or abs(found.event_ns) < 1 << 63
    assert found.quality is None or set(found.quality.tolist()) <= set(map(int, Quality))
    assert 0 <= found.sequence < 1 << 63


HOSTILE = {
    "brackets": b"[" * MAX_PAYLOAD_BYTES,
    "nested objects": b'{"a":' * (MAX_PAYLOAD_BYTES // 5),
    "digits": b"9" * MAX_PAYLOAD_BYTES,
    "a long fraction": b"0." + b"9" * (MAX_PAYLOAD_BYTES - 2),
    "blanks": b" " * MAX_PAYLOAD_BYTES,
    "colons": b'{"' + b":" * (MAX_PAYLOAD_BYTES - 10) + b'":1}',
    "one key often": b"{" + b'"a":1,' * 10_000 + b'"a":1}',
    "many keys": json.dumps({f"k{i}": i for i in range(5000)}).encode(),
    "a long string": b'{"a":"' + b"x" * (MAX_PAYLOAD_BYTES - 10) + b'"}',
    "many readings": json.dumps({"v": 1, "tags": ["a"] * 10_000, "values": [1] * 10_000}).encode(),
    "nested in an unknown key": b'{"v":1,"tags":["a"],"values":[1],"x":' + b"[" * 50_000 + b"]" * 10_000 + b"}",
    "long times": json.dumps([{"tag": "a", "value": 1, "ts": "9" * 60}] * 500).encode(),
}


@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("one", FORMATS.values(), ids=FORMATS)
def test_a_hostile_payload_costs_little(one: Format, payload: bytes) -> None:
    """A millisecond per KiB is the aim; a loaded machine gets four times that, of processor time."""
    started = time.thread_time()
    one.decode(payload, source(one))
    assert time.thread_time() - started < 0.004 * max(8, len(payload) / 1024)


@pytest.mark.parametrize("one", JSON_FORMATS, ids=lambda one: one.name)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_key_that_stands_twice_is_refused(one: Format, data: st.DataObject) -> None:
    """Whatever the second value is, wherever it stands, with colons and escapes in the strings around it."""
    good = [json.loads(e.payload) for e in one.examples if e.readings]
    message = data.draw(st.sampled_from(good))
    noise = data.draw(st.sampled_from(["", ":", "::", "\\u003a", "a\\\\:b", '\\"x\\":']))
    where = message[0] if isinstance(message, list) else message
    key = data.draw(st.sampled_from(sorted(where)))
    text = json.dumps(message)
    first = json.dumps(key) + ": " + json.dumps(where[key])
    again = json.dumps(key) + ": " + data.draw(st.sampled_from(["1", "null", "[1]", json.dumps(where[key])]))
    doubled = text.replace(first, f'"n{noise}": 0, {first}, {again}', 1)
    assert doubled != text
    found = one.decode(doubled.encode(), source(one))
    assert isinstance(found, Rejected), doubled
    assert found.reason in (Reason.DUPLICATE_KEY, Reason.MALFORMED)
    spelled = text.replace(first, f"{first}, {again}", 1)
    same_type = again == first
    found = one.decode(spelled.encode(), source(one))
    assert isinstance(found, Rejected)
    assert not same_type or found.reason is Reason.DUPLICATE_KEY


WRONG_VALUES = ["NaN", "Infinity", "-Infinity", "1e400", "true", "false", '"3.5"', "[1]", '{"x": 1}', "+1", "01", "1."]


@pytest.mark.parametrize("value", WRONG_VALUES)
@pytest.mark.parametrize(
    "pattern",
    [
        ("columnar", '{"v":1,"tags":["a"],"values":[%s]}'),
        ("objects", '[{"tag":"a","value":%s}]'),
        ("objects", '[{"values":{"a":%s}}]'),
        ("flat", '{"a": %s}'),
        ("flat", '{"ts": 1, "values": {"a": %s}}'),
        ("number", "%s"),
        ("vtq", '{"value": %s, "quality": 192}'),
    ],
)
def test_what_is_no_number_is_never_a_value(pattern: tuple[str, str], value: str) -> None:
    one = FORMATS[pattern[0]]
    found = one.decode((pattern[1] % value).encode(), source(one))
    assert isinstance(found, Rejected) and found.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    "payload",
    [
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
        b'{"a\\u0000": 1}',
        b'{"\\ud800": 1}',
        b"\xff",
        b"",
        b"{} {}",
        b"[]",
        b"{}",
        b"\xef\xbc\x91\xef\xbc\x92",
        b"1_0",
        b" 1 0",
    ],
)
@pytest.mark.parametrize("one", FORMATS.values(), ids=FORMATS)
def test_what_loose_parsers_take_is_refused(one: Format, payload: bytes) -> None:
    found = one.decode(payload, source(one))
    assert isinstance(found, Rejected) and found.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    ("name", "payload", "kept", "refused"),
    [
        ("flat", b'{"co": 41.5, "model": "AN-303", "door": true}', ["co"], ["model", "door"]),
        ("objects", b'[{"tag":"co","value":41.5},{"tag":"x","value":"1"},{"tag":"y"}]', ["co"], ["x", "y"]),
    ],
)
def test_a_good_reading_survives_bad_neighbours(name: str, payload: bytes, kept: list[str], refused: list[str]) -> None:
    found = FORMATS[name].decode(payload, source(FORMATS[name]))
    assert isinstance(found, Decoded)
    assert list(found.names.keys) == kept and [part.name for part in found.refused] == refused
    ignoring = FORMATS[name].decode(payload, source(FORMATS[name], ignore=("model", "door", "x")))
    assert isinstance(ignoring, Decoded) and [p.name for p in ignoring.refused] == (["y"] if name == "objects" else [])


@pytest.mark.parametrize(
    ("stated", "offset", "expected"),
    [
        ('"2026-01-01T08:00:00"', "+08:00", "2026-01-01T00:00:00.000Z"),
        ('"2026-01-01T08:00:00.1858435"', "+08:00", "2026-01-01T00:00:00.185Z"),
        ('"2026-01-01T08:00:00"', "", ""),
        ('"2026-01-01T08:00:00Z"', "+08:00", "2026-01-01T08:00:00.000Z"),
        ('"0001-01-01T00:00:00+14:00"', "", ""),
        ('"yesterday"', "+08:00", ""),
        ("true", "", ""),
        ("1e300", "", ""),
        ("99999999999999999999999999", "", ""),
        ("1767225600000.5", "", "2026-01-01T00:00:00.000Z"),
    ],
)
def test_a_time_that_cannot_be_read_never_costs_the_reading(stated: str, offset: str, expected: str) -> None:
    found = FORMATS["vtq"].decode(
        f'{{"value": 90, "time": {stated}}}'.encode(), source(FORMATS["vtq"], utc_offset=offset)
    )
    assert isinstance(found, Decoded) and found.value.tolist() == [90.0]
    assert isinstance(found.event_ns, int)
    assert found.event_ns // 1_000_000 == (from_iso(expected) // 1_000_000 if expected else 0)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_as_numbers_follow_the_unit_of_the_source(unit: str) -> None:
    ns = 1_767_225_600 * 10**9
    number = ns // {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[unit]
    found = FORMATS["flat"].decode(f'{{"ts": {number}, "a": 1}}'.encode(), source(FORMATS["flat"], time_unit=unit))
    assert isinstance(found, Decoded) and found.event_ns == ns


@pytest.mark.parametrize(
    "numbers",
    ['"boot_id":1', '"seq":1', '"boot_id":0,"seq":1', '"boot_id":2147483648,"seq":1', '"boot_id":1,"seq":-1'],
)
def test_half_a_gateway_contract_is_malformed(numbers: str) -> None:
    found = columnar(f'{{"v":1,"tags":["a"],"values":[1],{numbers}}}'.encode(), source(FORMATS["columnar"]))
    assert isinstance(found, Rejected) and found.reason is Reason.MALFORMED


@pytest.mark.parametrize("row", PAYLOADS, ids=[row["id"] for row in PAYLOADS])
def test_payloads_of_other_systems(row: dict[str, Any]) -> None:
    one = FORMATS[row["format"]]
    src = source(one, **row["source"], topic=row["topic"])
    found = one.decode(row["payload"].encode(), src)
    if row["rejected"]:
        assert isinstance(found, Rejected) and found.reason.value == row["rejected"] and len(found.detail) > 5
        return
    assert isinstance(found, Decoded) and not found.refused
    names = dict.fromkeys(reading["tag"] for reading in row["readings"])
    directory = Directory.of(revision(*names), [src], 4)
    numbers = dict(enumerate(names, 1))
    resolved = [directory.resolve(src, row["topic"], key) for key in found.names.keys]
    assert [
        {"tag": numbers[targets[0].number], "value": value, "time": when}
        for targets, (_, value, when, _, _) in zip(resolved, each(found), strict=True)
        if isinstance(targets, list)
    ] == [{**r, "time": from_iso(r["time"]) if r["time"] else 0} for r in row["readings"]]


def test_columnar_is_fast() -> None:
    """At least 3 million readings a second and core in batches of 100, measured in processor time."""
    tags = [f"CO-{i:04d}" for i in range(100)]
    values = [round(20 + i * 0.137, 3) for i in range(100)]
    payload = json.dumps({"v": 1, "boot_id": 3, "seq": 9, "time_ms": 1767225600000, "tags": tags, "values": values})
    data, src = payload.encode(), source(FORMATS["columnar"])
    best = math.inf
    for _ in range(5):
        started = time.thread_time()
        for _ in range(1000):
            columnar(data, src)
        best = min(best, time.thread_time() - started)
    assert 100_000 / best > 3_000_000
