"""Batches of readings in and out of Arrow: ours the fast way, strangers' whatever their shape, and nothing else."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.batch import SCHEMA_NAME, Batch, BatchError, batch, decode, encode

READING = st.tuples(
    st.integers(-(1 << 31), (1 << 31) - 1),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(-(1 << 15), (1 << 15) - 1),
    st.sampled_from([0, 0, 1, (1 << 63) - 1]),
)
COLUMNS = ["tag", "event_ns", "value", "quality", "sequence"]
TYPES = {
    "tag": pa.int32(),
    "event_ns": pa.int64(),
    "value": pa.float64(),
    "quality": pa.int16(),
    "sequence": pa.int64(),
}


def made(readings: list[tuple[int, int, float, int, int]]) -> Batch:
    return batch(*(list(column) for column in zip(*readings, strict=True))) if readings else batch([], [], [])


def same(a: Batch, b: Batch) -> bool:
    return all(
        getattr(a, name).dtype == getattr(b, name).dtype and getattr(a, name).tobytes() == getattr(b, name).tobytes()
        for name in COLUMNS
    )


def stream(parts: list[pa.RecordBatch], schema: pa.Schema) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for part in parts:
            writer.write_batch(part)
    return bytes(sink.getvalue())


def foreign(columns: dict[str, pa.Array], name: bytes = SCHEMA_NAME, pieces: int = 1) -> bytes:
    """What another program might write."""
    fields = [(column, array.type) for column, array in columns.items()]
    schema = pa.schema(fields, metadata={b"schema": name, b"by": b"somebody else"})
    whole = pa.record_batch(list(columns.values()), schema=schema)
    step = -(-max(1, whole.num_rows) // pieces)
    return stream([whole.slice(at, step) for at in range(0, max(1, whole.num_rows), step)], schema)


@given(st.lists(READING, max_size=20))
def test_what_goes_in_comes_out_to_the_bit(readings: list[tuple[int, int, float, int, int]]) -> None:
    assert same(decode(encode(made(readings))), made(readings))


@given(st.lists(READING, max_size=20))
def test_what_we_write_is_what_a_stream_writer_writes(readings: list[tuple[int, int, float, int, int]]) -> None:
    data = encode(made(readings))
    with pa.ipc.open_stream(data) as reader:
        assert stream(list(reader), reader.schema) == data


@given(st.lists(READING, max_size=20), st.permutations(COLUMNS), st.integers(1, 4), st.booleans())
def test_strangers_streams(
    readings: list[tuple[int, int, float, int, int]], order: list[str], pieces: int, sequenced: bool
) -> None:
    """Columns in any order, further ones, several record batches, with the sequence or without."""
    whole = made(readings if sequenced else [(*r[:4], 0) for r in readings])
    columns = {name: pa.array(getattr(whole, name), TYPES[name]) for name in order if sequenced or name != "sequence"}
    columns["note"] = pa.array(["x"] * len(whole), pa.string())
    assert same(decode(foreign(columns, pieces=pieces)), whole)


def test_our_own_schema_in_several_record_batches() -> None:
    ours = pa.ipc.open_stream(encode(batch([1], [2], [3.0]))).read_all()
    part = ours.to_batches()[0]
    assert decode(stream([part, part], ours.schema)).tag.tolist() == [1, 1]
    assert len(decode(stream([], ours.schema))) == 0


def plain(**changes: pa.Array) -> dict[str, pa.Array]:
    values = {"tag": [1, 2], "event_ns": [1, 2], "value": [1.0, 2.0], "quality": [0, 0]}
    return {name: pa.array(column, TYPES[name]) for name, column in values.items()} | changes


@pytest.mark.parametrize(
    "data",
    [
        foreign(plain(), name=b"hazwatch.readings/2"),
        foreign({name: column for name, column in plain().items() if name != "quality"}),
        foreign(plain(tag=pa.array([1, 2], pa.int64()))),
        foreign(plain(value=pa.array([1.0, None]))),
        foreign(plain(sequence=pa.array(["a", "b"]))),
        foreign(plain(sequence=pa.array([1, None], pa.int64()))),
        b"",
        b"{}",
        encode(batch([1], [2], [3.0]))[:-20],
    ],
)
def test_what_is_not_a_batch_is_refused(data: bytes) -> None:
    with pytest.raises(BatchError):
        decode(data)


@given(st.data())
@settings(max_examples=1000, deadline=None)
def test_damaged_bytes_are_refused_or_read_and_never_worse(data: st.DataObject) -> None:
    """LAWS C7: one bad record must not end a process."""
    whole = bytearray(encode(made(data.draw(st.lists(READING, min_size=1, max_size=5)))))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(whole[: data.draw(st.integers(0, len(whole)))] if data.draw(st.booleans()) else whole)
    try:
        found = decode(damaged)
    except BatchError:
        return
    sums = [np.nansum(getattr(found, name)) for name in ("tag", "quality")]
    assert len(found) == len(found.value) == len(found.sequence)
    assert len(sums) == 2
