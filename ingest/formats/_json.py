"""Strict JSON and the small grammar that all JSON formats share: numbers, times and qualities.

Stricter than RFC 8259 where it is loose: duplicate keys, NUL characters and numbers that no float holds are refused.
All three common Python parsers take the last of two equal keys without a word, and it may be the lower one.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np

from ingest.config import SourceConfig
from ingest.decoding import Decoded, Int16Array, Int64Array, Names, Reason, Refused, Rejected
from schemas.quality import Quality, from_opc_da, from_opc_ua
from schemas.time import NO_TIME, from_iso

FAULTS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError, MemoryError)
"""All that a JSON parser may raise, whatever the bytes are."""

_decoder = msgspec.json.Decoder()
_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_INT64 = 1 << 63
_KNOWN = frozenset(int(q) for q in Quality)
_QUALITY_NAMES = {q.name.lower(): q for q in Quality}


class DuplicateKey(ValueError):
    """An object has a key twice."""


def loads(payload: bytes) -> Any:
    """The value in the payload. Raises one of `FAULTS`, `DuplicateKey` among them."""
    value = _decoder.decode(payload)
    colons = payload.count(b":")
    if (colons != _keys_if_flat(value, payload) and colons != _census(value)) or b"\\" in payload:
        refuse_duplicates(payload)
    return value


def refuse_duplicates(payload: bytes) -> None:
    """The slow, exact check of JSON that is known to be well-formed. Raises `DuplicateKey` or ValueError."""
    if b"\\u0000" in payload:
        raise ValueError("a string holds the character NUL")
    json.loads(payload.decode(), object_pairs_hook=_pairs, **_CHEAP)


def _number(text: str) -> int:
    return 0


_CHEAP: dict[str, Any] = {"parse_int": _number, "parse_float": _number}


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise DuplicateKey(f"the key {key[:60]!r} stands twice in one object")
            seen.add(key)
    return found


def _keys_if_flat(value: Any, payload: bytes) -> int:
    """How many keys a value has, if it is an object or an array of objects without objects inside; else -1."""
    braces = payload.count(b"{")
    if type(value) is dict:
        return len(value) if braces == 1 else -1
    if type(value) is not list or len(value) != braces:
        return -1
    return sum(len(one) if type(one) is dict else -braces for one in value)


def _census(value: Any) -> int:
    """How many keys a value has, and colons in its strings: together the colons of its text without duplicates."""
    keys = colons = 0
    stack = [value]
    while stack:
        one = stack.pop()
        if type(one) is dict:
            keys += len(one)
            for key, inner in one.items():
                if ":" in key:
                    colons += key.count(":")
                if type(inner) is not float and type(inner) is not int:
                    stack.append(inner)
        elif type(one) is list:
            stack.extend(one)
        elif type(one) is str:
            colons += one.count(":")
    return keys + colons


def rejected(error: BaseException) -> Rejected:
    """What a fault of the parser means for the message."""
    if isinstance(error, DuplicateKey):
        return Rejected(Reason.DUPLICATE_KEY, f"{error}; send every key once")
    if isinstance(error, RecursionError):
        return Rejected(Reason.MALFORMED, "nested too deeply")
    if isinstance(error, UnicodeDecodeError):
        return Rejected(Reason.MALFORMED, f"no UTF-8 at byte {error.start}")
    return Rejected(Reason.MALFORMED, str(error)[:300] or type(error).__name__)


def first(one: dict[str, Any], keys: tuple[str, ...]) -> Any:
    """The value of the first of these keys that is there, None without any."""
    for key in keys:
        if key in one:
            return one[key]
    return None


def time_ns(value: Any, source: SourceConfig) -> int:
    """The instant that a payload states, 0 when it states none or none that can be read.

    A time that cannot be read never costs the reading: the append time stands in (LAWS L3).
    """
    if type(value) is int or type(value) is float:
        try:
            ns = int(value * _NS[source.time_unit])
        except (OverflowError, ValueError):
            return NO_TIME
        return ns if -_INT64 <= ns < _INT64 else NO_TIME
    if type(value) is not str or len(value) > 64:
        return NO_TIME
    for text in (value, value + source.utc_offset):
        try:
            ns = from_iso(text)
        except (ValueError, OverflowError):
            continue
        return ns if -_INT64 <= ns < _INT64 else NO_TIME
    return NO_TIME


def quality_of(value: Any, source: SourceConfig, numbers: str) -> Quality:
    """The quality that a payload states: missing or null is good, a name is ours, a number is a code.

    `numbers` says which codes the format speaks unless the source says otherwise. What is not understood is bad.
    """
    if value is None:
        return Quality.GOOD
    if type(value) is str:
        return _QUALITY_NAMES.get(value.strip().lower(), Quality.BAD)
    if type(value) is not int or not 0 <= value < 1 << 32:
        return Quality.BAD
    codes = source.quality or numbers
    if codes == "opc_ua":
        return from_opc_ua(value)
    if codes == "opc_da":
        return from_opc_da(value)
    return Quality(value) if value in _KNOWN else Quality.BAD


class Rows:
    """Collects the readings of one message, one by one, and makes columns of them."""

    def __init__(self, source: SourceConfig) -> None:
        self._source = source
        self._keys: list[str] = []
        self._units: list[str] = []
        self._values: list[float | None] = []
        self._times: list[int] = []
        self._qualities: list[int] = []
        self._refused: list[Refused] = []
        self._ignored = False

    def add(self, key: str, value: Any, time: int = NO_TIME, unit: Any = "", quality: int = Quality.GOOD) -> None:
        """A reading whose value is a number or null; anything else is refused by its key."""
        if key in self._source.ignore:
            self._ignored = True
            return
        number: float | None
        if value is None:
            number = None
        elif type(value) is float or type(value) is int:
            try:
                number = float(value)
            except OverflowError:
                self.refuse(key, "the value is larger than a number may be")
                return
        else:
            self.refuse(key, f"the value is {_kind(value)}, not a number")
            return
        if type(unit) is not str:
            self.refuse(key, f"the unit is {_kind(unit)}, not text", number)
            return
        self._keys.append(key)
        self._units.append(unit)
        self._values.append(number)
        self._times.append(time)
        self._qualities.append(quality)

    def refuse(self, key: str, detail: str, value: float | None = None) -> None:
        """Leave out one reading and say why."""
        self._refused.append(Refused(Reason.MALFORMED, key, detail, value))

    def done(self) -> Decoded | Rejected:
        """The columns; a message without a reading is rejected, unless all that is in it is ignored."""
        if not self._keys and self._refused:
            first = self._refused[0]
            return Rejected(Reason.MALFORMED, f"no reading in it; {first.name[:60]!r}: {first.detail}")
        if not self._keys and not self._ignored:
            return Rejected(Reason.MALFORMED, "no reading in it")
        return Decoded(
            Names(tuple(self._keys), tuple(self._units) if any(self._units) else ()),
            np.array(self._values, np.float64),
            _times(self._times),
            np.array(self._qualities, np.int16) if any(self._qualities) else None,
            0,
            tuple(self._refused),
        )


def _times(times: list[int]) -> int | Int64Array:
    first = times[0] if times else NO_TIME
    return first if times.count(first) == len(times) else np.array(times, np.int64)


def _kind(value: Any) -> str:
    return {bool: "a boolean", str: "text", list: "a list", dict: "an object"}.get(type(value), "no number")


def qualities(codes: list[int]) -> Int16Array | None:
    """Quality numbers of the house as a column, None when all are good; what is no quality is bad."""
    if not any(codes):
        return None
    return np.array([code if code in _KNOWN else Quality.BAD for code in codes], np.int16)
