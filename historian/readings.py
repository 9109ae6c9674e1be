"""Readings into the table: one binary COPY, straight in; by a staging table only when a duplicate turned up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from psycopg import AsyncConnection

from eventlog.port import Record
from historian.frames import Frame, Rows, frame
from historian.partitions import Partitions
from historian.rows import Stamped, arranged, rows_of
from historian.sink import Unreadable, Written
from historian.sqlfiles import queries
from schemas.batch import BatchError, decode
from schemas.records import Kind
from schemas.time import Int64Array

_SQL = queries("readings")

ROLLUP_LOCK = 0x68617A03
"""Shared by every writer's transaction from before it reads the watermark; exclusive while the watermark moves."""

MINUTE_US = 60_000_000
CAREFUL_BATCHES = 8
"""After a duplicate so many batches go by the staging table: duplicates come in crowds, and a failed COPY leaves dead
rows behind."""

_SENSOR_SPAN = 100
"""Sensors this close to each other share one mark of `rollup_dirty`."""

_BITMAP = 1 << 20
Int32Array = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class PackedReadings:
    """One transaction: rows in the order of the key, the same as a COPY, and how many came in."""

    rows: Rows
    frame: Frame
    sensors: Int32Array
    received: int


class ReadingsSink:
    """`Sink` of `readings` and `backfill`.

    `partitions` is None on TimescaleDB, which needs neither partitions nor marks of what must be rolled up again.
    """

    def __init__(self, partitions: Partitions | None, now_us: Callable[[], int]) -> None:
        self._partitions = partitions
        self._now_us = now_us
        self._known = np.zeros(_BITMAP, np.bool_)
        self._suspicious = 0

    def item(self, record: Record) -> Stamped | None:
        if record.kind != Kind.READINGS:
            return None
        try:
            return Stamped(decode(record.value), record.append_ns)
        except BatchError as error:
            raise Unreadable(str(error)) from None

    def size(self, item: Stamped) -> int:
        return len(item.readings)

    def pack(self, items: list[Stamped]) -> PackedReadings:
        received = rows_of(items)
        rows = arranged(received)
        return PackedReadings(rows, frame(rows), _sensors(rows), len(received))

    async def connected(self, conn: AsyncConnection) -> None:
        if self._partitions:
            self._partitions.forget()
        self._known[:] = False
        await conn.execute(_SQL["staging"])
        for (sensor,) in await (await conn.execute(_SQL["known_sensors"])).fetchall():
            if 0 <= sensor < _BITMAP:
                self._known[sensor] = True

    async def prepare(self, conn: AsyncConnection, packed: PackedReadings) -> None:
        if self._partitions:
            await self._partitions.ensure(conn, packed.rows.us, self._now_us())

    def forget_partitions(self) -> None:
        """One was dropped under us."""
        if self._partitions:
            self._partitions.forget()

    async def write(self, conn: AsyncConnection, packed: PackedReadings, *, careful: bool) -> Written:
        if not packed.received:
            return Written()
        if careful:
            self._suspicious = CAREFUL_BATCHES
        if self._suspicious:
            await _copy(conn, packed.frame, staged=True)
            rows = (await conn.execute(_SQL["merge"])).rowcount
            self._suspicious = CAREFUL_BATCHES if rows < packed.frame.rows else self._suspicious - 1
        else:
            await _copy(conn, packed.frame, staged=False)
            rows = packed.frame.rows
        await self._note_sensors(conn, packed)
        if self._partitions:
            await _mark_dirty(conn, packed.rows)
        return Written(rows, packed.received - rows)

    def stored(self, packed: PackedReadings) -> None:
        sensors = packed.sensors
        self._known[sensors[(sensors >= 0) & (sensors < _BITMAP)]] = True

    async def _note_sensors(self, conn: AsyncConnection, packed: PackedReadings) -> None:
        sensors = packed.sensors
        outside = (sensors < 0) | (sensors >= _BITMAP)
        fresh = sensors[outside | ~self._known[np.where(outside, 0, sensors)]]
        if len(fresh):
            first = int(packed.rows.us.min())
            await conn.execute(_SQL["new_sensors"], {"us": first, "sensors": fresh.tolist()})


def _sensors(rows: Rows) -> Int32Array:
    """The sensors in rows that are in the order of the key, each once."""
    first = np.ones(len(rows), np.bool_)
    first[1:] = rows.sensor[1:] != rows.sensor[:-1]
    return rows.sensor[first]


async def _copy(conn: AsyncConnection, data: Frame, *, staged: bool) -> None:
    async with conn.cursor() as cursor, cursor.copy(_SQL["copy_staged" if staged else "copy"]) as copy:
        for piece in data.slices():
            await copy.write(piece)


async def _mark_dirty(conn: AsyncConnection, rows: Rows) -> None:
    """Say which buckets must be made again: those that the rollup job has passed already."""
    await conn.execute(_SQL["writing_rollups"], {"lock": ROLLUP_LOCK})
    found = await (await conn.execute(_SQL["watermark"])).fetchone()
    assert found is not None
    late = rows.us < found[0]
    if late.any():
        minutes, lows, highs = dirty_spans(rows.us[late] // MINUTE_US, rows.sensor[late])
        await conn.execute(
            _SQL["mark_dirty"], {"minutes": minutes.tolist(), "lows": lows.tolist(), "highs": highs.tolist()}
        )


def dirty_spans(minutes: Int64Array, sensors: Int32Array) -> tuple[Int64Array, Int32Array, Int32Array]:
    """Spans (minute, low sensor, high sensor) that cover all pairs; `sensors` ascends. Shapes (n,) -> 3 x (m,), m <= n.

    A span ends where the next sensor is further than 100 away, so that few sensors are covered in vain.
    """
    order = np.argsort(minutes, kind="stable")
    minutes, sensors = minutes[order], sensors[order]
    breaks = (np.diff(minutes) != 0) | (np.diff(sensors.astype(np.int64)) > _SENSOR_SPAN)
    starts = np.concatenate(([0], np.flatnonzero(breaks) + 1))
    ends = np.concatenate((starts[1:] - 1, [len(minutes) - 1]))
    return minutes[starts], sensors[starts], sensors[ends]
