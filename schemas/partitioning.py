"""Which partition a key belongs to: our own documented hash, the same in every adapter and every language."""

from __future__ import annotations

from hashlib import sha256


def partition_of(key: str, partitions: int) -> int:
    """The first four bytes of SHA-256 of the UTF-8 key, big-endian, modulo the number of partitions."""
    return int.from_bytes(sha256(key.encode()).digest()[:4], "big") % partitions
