"""`columnar`: the native format. Columns in JSON, decoded straight into arrays: the cheapest way."""

from __future__ import annotations

from functools import lru_cache

import msgspec
import numpy as np
from msgspec import UNSET, Raw, UnsetType

from ingest.config import SourceConfig
from ingest.decoding import Decoded, Example, Format, Int64Array, Names, Reading, Reason, Rejected
from ingest.formats._json import FAULTS, qualities, refuse_duplicates, rejected
from schemas.text import Text
from schemas.time import MS, NO_TIME

_BOOTS = 1 << 31
_SEQUENCES = 1 << 32
_LAST_MS = (1 << 63) // MS - 1


class _Message(msgspec.Struct, gc=False):
    v: int
    tags: Raw
    values: list[float | None]
    boot_id: int | UnsetType = UNSET
    seq: int | UnsetType = UNSET
    time_ms: int | list[int] | UnsetType | None = UNSET
    quality: list[int] | UnsetType | None = UNSET
    units: Raw | UnsetType = UNSET


_REQUIRED_KEYS = 3
_message = msgspec.json.Decoder(_Message)
_texts = msgspec.json.Decoder(list[str])


class _Fault(ValueError):
    """The message contradicts itself; the text says where."""


@lru_cache(maxsize=1024)
def _names(tags: bytes, units: bytes) -> Names:
    """The decoded lists. A gateway sends the same ones with every message, so they are looked up by their bytes."""
    keys = tuple(_texts.decode(tags))
    stated = tuple(_texts.decode(units)) if units else ()
    if stated and len(stated) != len(keys):
        raise _Fault(f"units has {len(stated)} entries for {len(keys)} tags")
    if not keys:
        raise _Fault("tags is empty")
    if b"\\u0000" in tags:
        raise _Fault("a tag holds the character NUL")
    return Names(keys, stated if any(stated) else ())


def decode(payload: bytes, source: SourceConfig) -> Decoded | Rejected:
    """A reading per tag, all under one sequence number."""
    try:
        message = _message.decode(payload)
        tags = bytes(message.tags)
        units = b"" if message.units is UNSET else bytes(message.units)
        names = _names(tags, units)
        if not _keys_stand_once(message, payload, tags, units):
            refuse_duplicates(payload)
        return _columns(message, names)
    except FAULTS as error:
        return rejected(error)


def _keys_stand_once(message: _Message, payload: bytes, tags: bytes, units: bytes) -> bool:
    """Whether every colon outside of names is that of a key that was read; if not, a slower look decides."""
    colons = payload.count(b":") - tags.count(b":") - units.count(b":")
    optional = (message.boot_id, message.seq, message.time_ms, message.quality, message.units)
    return colons == _REQUIRED_KEYS + sum(one is not UNSET for one in optional)


def _columns(message: _Message, names: Names) -> Decoded:
    if message.v != 1:
        raise _Fault(f"v is {message.v}; this version reads v 1")
    count = len(names.keys)
    if len(message.values) != count:
        raise _Fault(f"values has {len(message.values)} entries for {count} tags")
    quality = message.quality or None
    if quality is not None and len(quality) != count:
        raise _Fault(f"quality has {len(quality)} entries for {count} tags")
    return Decoded(
        names,
        np.array(message.values, np.float64),
        _event_ns(message.time_ms, count),
        None if quality is None else qualities(quality),
        _sequence(message),
    )


def _event_ns(time_ms: int | list[int] | UnsetType | None, count: int) -> int | Int64Array:
    if type(time_ms) is int:
        return time_ms * MS if -_LAST_MS < time_ms < _LAST_MS else NO_TIME
    if not isinstance(time_ms, list):
        return NO_TIME
    if len(time_ms) != count:
        raise _Fault(f"time_ms has {len(time_ms)} entries for {count} tags")
    return np.array([t * MS if -_LAST_MS < t < _LAST_MS else NO_TIME for t in time_ms], np.int64)


def _sequence(message: _Message) -> int:
    boot, seq = message.boot_id, message.seq
    if boot is UNSET and seq is UNSET:
        return 0
    if type(boot) is not int or type(seq) is not int:
        raise _Fault("boot_id and seq belong together")
    if not 1 <= boot < _BOOTS or not 0 <= seq < _SEQUENCES:
        raise _Fault(f"boot_id is 1 to {_BOOTS - 1} and seq 0 to {_SEQUENCES - 1}")
    return boot << 32 | seq


FORMAT = Format(
    name="columnar",
    title=Text(zh="列式（原生）", en="Columnar (native)"),
    doc="""One JSON object with a column per field:

| key | meaning |
|---|---|
| `v` | 1 |
| `tags` | names, a list of text |
| `values` | as many numbers; null is "no value" |
| `time_ms` | milliseconds since 1970 UTC: one number for all, or a list; may be missing |
| `quality` | a list of quality numbers of the house (0 good, 64 uncertain, 128 bad ...); missing is good |
| `units` | a list of units; missing or "" is the unit of the source or of the tag |
| `boot_id`, `seq` | the gateway contract: a number that grows with every start, and one that grows by 1 per message |

Unknown keys are passed over. `boot_id` is 1 to 2147483647, `seq` 0 to 4294967295.""",
    examples=(
        Example(
            Text(zh="两个读数", en="Two readings"),
            b'{"v":1,"boot_id":7,"seq":42,"time_ms":1767225600000,"tags":["co-1","co-2"],"values":[3.5,null]}',
            (
                Reading(key="co-1", value=3.5, time="2026-01-01T00:00:00.000Z", sequence=7 << 32 | 42),
                Reading(key="co-2", value=None, time="2026-01-01T00:00:00.000Z", sequence=7 << 32 | 42),
            ),
        ),
        Example(
            Text(zh="每个读数有时间、质量和单位", en="With a time, a quality and a unit each"),
            b'{"v":1,"time_ms":[1767225600000,1767225600500],"tags":["a:1","b"],"values":[1,2],'
            b'"quality":[0,67],"units":["ppm",""]}',
            (
                Reading(key="a:1", value=1.0, time="2026-01-01T00:00:00.000Z", unit="ppm"),
                Reading(key="b", value=2.0, time="2026-01-01T00:00:00.500Z", quality="FUNCTION_CHECK"),
            ),
        ),
        Example(
            Text(zh="长度不符", en="Columns of two lengths"),
            b'{"v":1,"tags":["a","b"],"values":[1]}',
            rejected=Reason.MALFORMED,
        ),
        Example(
            Text(zh="重复键", en="A key twice"),
            b'{"v":1,"tags":["a"],"values":[1],"values":[90]}',
            rejected=Reason.DUPLICATE_KEY,
        ),
        Example(
            Text(zh="布尔值", en="A boolean as a value"),
            b'{"v":1,"tags":["a"],"values":[true]}',
            rejected=Reason.MALFORMED,
        ),
    ),
    decode=decode,
)
