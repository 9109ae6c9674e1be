"""What a lane asks of the place where its records go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from psycopg import AsyncConnection

from eventlog.port import Record
from historian.positions import Source

Item = TypeVar("Item")
Packed = TypeVar("Packed")


class Unreadable(ValueError):
    """A record is not what its kind promises; it is skipped and noted as a gap."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A record whose content the database does not take."""

    source: Source
    offset: int
    detail: str


@dataclass(frozen=True, slots=True)
class Written:
    """What one transaction stored: new rows, exact duplicates that were dropped, records that were refused."""

    rows: int = 0
    duplicates: int = 0
    refused: Sequence[Refused] = ()


class Sink(Protocol[Item, Packed]):
    """Turns records into rows. One sink serves one connection at a time; driver errors pass through."""

    def item(self, record: Record) -> Item | None:
        """What the record brings, None if nothing. Raises `Unreadable`. Runs on the event loop."""
        ...

    def size(self, item: Item) -> int:
        """How many rows it stands for."""
        ...

    def pack(self, items: list[Item]) -> Packed:
        """The items of one transaction, ready to send. May take milliseconds: runs in a thread."""
        ...

    async def connected(self, conn: AsyncConnection) -> None:
        """A new connection, in autocommit mode: forget what the last one knew."""
        ...

    async def prepare(self, conn: AsyncConnection, packed: Packed) -> None:
        """What must be there before the transaction begins."""
        ...

    async def write(self, conn: AsyncConnection, packed: Packed, *, careful: bool) -> Written:
        """Store it, inside the caller's transaction. `careful` after the quick way failed on its content."""
        ...

    def stored(self, packed: Packed) -> None:
        """The transaction was committed."""
        ...
