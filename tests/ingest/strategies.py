"""Payloads for the laws of the formats: anything, almost right, and hostile."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from ingest.formats import FORMATS

EXAMPLES = [example.payload for one in FORMATS.values() for example in one.examples]
WORDS = [
    *("v", "tags", "values", "boot_id", "seq", "time_ms", "quality", "units"),
    *("tag", "name", "value", "ts", "time", "unit", "d", "dt", "q", "u", "t", "timestamp", "a:b", "temperature", ""),
]
FRAGMENTS = [
    *(b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e400", b"1e308", b"true", b"null", b'"3.5"', b"1_000", b"0x10"),
    *(b"\xef\xbc\x91", b"\xff\xfe", b"\xef\xbb\xbf", b"\x00", b'"\\u0000"', b'"\\ud800"', b"[" * 2000, b'{"a":' * 2000),
    *(b"9" * 5000, b'"x":1,"x":2', b":", b",", b"}", b"]", b'"', b"\\", b"9223372036854775808", b"-0", b"1e-400"),
]

scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from([0, 1, 192, 1 << 31, 1 << 32, 1 << 63, 1 << 64, -1, 1767225600000, "2026-01-01T00:00:00Z", "good"]),
)
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=25,
)
almost = st.builds(lambda tree, compact: _text(tree, compact), trees, st.booleans())


def _text(tree: Any, compact: bool) -> bytes:
    separators = (",", ":") if compact else (", ", ": ")
    return json.dumps(tree, separators=separators, ensure_ascii=compact).encode("utf-8", "surrogatepass")


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """An example with a few bytes cut, changed, doubled, or replaced by something hostile."""
    payload = draw(st.sampled_from(EXAMPLES))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(payload)))
        end = min(len(payload), at + draw(st.integers(0, 12)))
        middle = draw(
            st.one_of(st.just(b""), st.just(payload[at:end] * 2), st.sampled_from(FRAGMENTS), st.binary(max_size=3))
        )
        payload = payload[:at] + middle + payload[end:]
    return payload


payloads = st.one_of(st.binary(max_size=300), almost, mutated(), st.sampled_from(FRAGMENTS))
