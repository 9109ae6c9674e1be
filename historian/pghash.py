"""PostgreSQL's extended hash functions over numpy columns, so that both sides of a comparison can hash the same rows.

They are Bob Jenkins' lookup3 as in PostgreSQL's src/common/hashfn.c; hash partitioning stores their results, so they
stay as they are from version to version. All arithmetic is modulo 2^32; arrays of shape (n,) throughout.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Uint32 = npt.NDArray[np.uint32]
Uint64 = npt.NDArray[np.uint64]

_START = np.uint32((0x9E3779B9 + 3923095) & 0xFFFFFFFF)
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


def hash_int4(values: npt.NDArray[np.int32], seed: Uint64) -> Uint64:
    """`hashint4extended`."""
    return _hash_word(values.astype(np.int32).view(np.uint32), seed)


def hash_int8(values: npt.NDArray[np.int64], seed: Uint64) -> Uint64:
    """`hashint8extended`, and `timestamp_hash_extended` of microseconds since 2000."""
    bits = values.astype(np.int64).view(np.uint64)
    low, high = (bits & _LOW).astype(np.uint32), (bits >> _32).astype(np.uint32)
    return _hash_word(low ^ np.where(values >= 0, high, ~high), seed)


def hash_float8(values: npt.NDArray[np.float64], seed: Uint64) -> Uint64:
    """`hashfloat8extended`: both zeros hash alike, and all NaN."""
    bits = np.where(np.isnan(values), np.nan, values).view(np.uint64)
    a, b, c = _seeded(8, seed)
    a = a + (bits & _LOW).astype(np.uint32)
    b = b + (bits >> _32).astype(np.uint32)
    return np.where(values == 0, seed, _final(a, b, c))


def _hash_word(words: Uint32, seed: Uint64) -> Uint64:
    a, b, c = _seeded(4, seed)
    return _final(a + words, b, c)


def _seeded(length: int, seed: Uint64) -> tuple[Uint32, Uint32, Uint32]:
    start = np.full(len(seed), _START + np.uint32(length), np.uint32)
    a, b, c = _mix(start + (seed >> _32).astype(np.uint32), start + (seed & _LOW).astype(np.uint32), start)
    plain = seed == 0
    return np.where(plain, start, a), np.where(plain, start, b), np.where(plain, start, c)


def _rotated(x: Uint32, bits: int) -> Uint32:
    return (x << np.uint32(bits)) | (x >> np.uint32(32 - bits))


def _mix(a: Uint32, b: Uint32, c: Uint32) -> tuple[Uint32, Uint32, Uint32]:
    for bits_a, bits_b, bits_c in ((4, 6, 8), (16, 19, 4)):
        a = (a - c) ^ _rotated(c, bits_a)
        c = c + b
        b = (b - a) ^ _rotated(a, bits_b)
        a = a + c
        c = (c - b) ^ _rotated(b, bits_c)
        b = b + a
    return a, b, c


def _final(a: Uint32, b: Uint32, c: Uint32) -> Uint64:
    c = (c ^ b) - _rotated(b, 14)
    a = (a ^ c) - _rotated(c, 11)
    b = (b ^ a) - _rotated(a, 25)
    c = (c ^ b) - _rotated(b, 16)
    a = (a ^ c) - _rotated(c, 4)
    b = (b ^ a) - _rotated(a, 14)
    c = (c ^ b) - _rotated(b, 24)
    return (b.astype(np.uint64) << _32) | c.astype(np.uint64)
