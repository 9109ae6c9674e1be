"""From columns to rows and bytes: order, duplicates, spans, hashes; each beside a slow and plain way to do the same."""

from __future__ import annotations

import itertools
import math
import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from historian.frames import EPOCH_US, HEADER, SLICE_ROWS, TRAILER, Rows, frame
from historian.readings import dirty_spans
from historian.rollups import merged
from historian.rows import Stamped, arranged, microseconds, rows_of
from historian.verify import distinct, ledger_of
from schemas.batch import batch
from schemas.time import FUTURE, OLDEST, SECOND

VALUES = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -0.0, math.nan, 5e-324, -5e-324, 1.0]),
)
Reading = tuple[int, float, int, int]
READINGS = st.lists(
    st.tuples(
        st.one_of(st.integers(EPOCH_US, EPOCH_US + 3), st.integers(EPOCH_US, 4_000_000_000_000_000)),
        VALUES,
        st.one_of(st.integers(0, 3), st.integers(-(1 << 31), (1 << 31) - 1)),
        st.one_of(st.sampled_from([0, 64, 128]), st.integers(-(1 << 15), (1 << 15) - 1)),
    ),
    max_size=40,
)


def columns(readings: list[Reading]) -> Rows:
    return Rows(
        np.array([r[0] for r in readings], np.int64),
        np.array([r[1] for r in readings], np.float64),
        np.array([r[2] for r in readings], np.int32),
        np.array([r[3] for r in readings], np.int16),
    )


def key(us: int, value: float, sensor: int, quality: int) -> tuple[int, int, bytes, int]:
    """The key of the table as PostgreSQL compares it."""
    canonical = math.nan if math.isnan(value) else value + 0.0
    return sensor, us, struct.pack(">d", canonical), quality


def keys(rows: Rows) -> list[tuple[int, int, bytes, int]]:
    return [
        key(int(u), float(v), int(s), int(q))
        for u, v, s, q in zip(rows.us, rows.value, rows.sensor, rows.quality, strict=True)
    ]


@given(READINGS)
def test_arranged_rows_are_sorted_and_lose_only_duplicates(readings: list[Reading]) -> None:
    rows = arranged(columns(readings))
    found = keys(rows)
    assert set(found) == {key(*r) for r in readings}
    places = [(k[0], k[1]) for k in found]
    assert places == sorted(places)
    assert all(a != b for a, b in itertools.pairwise(found))


@given(READINGS)
def test_distinct_is_the_set_of_keys(readings: list[Reading]) -> None:
    found = keys(distinct(columns(readings)))
    assert len(found) == len(set(found))
    assert set(found) == {key(*r) for r in readings}


@given(READINGS, st.randoms())
def test_a_ledger_knows_neither_order_nor_copies(readings: list[Reading], shuffler: object) -> None:
    again = readings + readings[: len(readings) // 2]
    shuffler.shuffle(again)  # type: ignore[attr-defined]
    assert ledger_of(columns(again)) == ledger_of(columns(readings))


@given(READINGS.filter(bool), st.integers(0, 3))
def test_a_ledger_sees_any_change(readings: list[Reading], field: int) -> None:
    us, value, sensor, quality = readings[0]
    changed = [
        (us + 1, value, sensor, quality),
        (us, 1.0 if math.isnan(value) or value == 0 else math.nextafter(value, 0.0), sensor, quality),
        (us, value, sensor ^ 1, quality),
        (us, value, sensor, quality ^ 1),
    ][field]
    before, after = {key(*r) for r in readings}, {key(*r) for r in [changed, *readings[1:]]}
    assert (ledger_of(columns([changed, *readings[1:]])) == ledger_of(columns(readings))) == (before == after)


@given(READINGS)
def test_the_bytes_of_a_copy(readings: list[Reading]) -> None:
    expected = HEADER
    for us, value, sensor, quality in readings:
        bits = math.nan if math.isnan(value) else value
        expected += struct.pack(">hiqidiiih", 4, 8, us - EPOCH_US, 8, bits, 4, sensor, 2, quality)
    assert b"".join(bytes(piece) for piece in frame(columns(readings)).slices()) == expected + TRAILER


def test_a_large_copy_is_handed_over_in_slices() -> None:
    n = 2 * SLICE_ROWS + 1
    rows = Rows(np.full(n, EPOCH_US, np.int64), np.zeros(n), np.arange(n, dtype=np.int32), np.zeros(n, np.int16))
    pieces = list(frame(rows).slices())
    assert len(pieces) == 5
    assert sum(len(piece) for piece in pieces) == len(HEADER) + n * 40 + len(TRAILER)


def test_times_are_cut_to_microseconds_and_replaced_as_the_rules_do() -> None:
    append_ns = 1_700_000_000 * SECOND + 999
    readings = batch([1, 2, 3, 4], [0, append_ns + 6 * SECOND, append_ns - 1, append_ns], [1.0, 2.0, 3.0, 4.0])
    rows = rows_of([Stamped(readings, append_ns)])
    assert rows.us.tolist() == [1_700_000_000_000_000] * 4
    assert microseconds(np.array([1999, 2000, 2001], np.int64)).tolist() == [1, 2, 2]


NS = st.one_of(st.just(0), st.integers(OLDEST - 2, OLDEST + 2), st.integers(0, 3_000_000_000 * SECOND))


@given(st.lists(st.tuples(st.lists(NS, max_size=4), NS), max_size=4), st.integers(-1, 1))
def test_times_are_replaced_record_by_record(records: list[tuple[list[int], int]], edge: int) -> None:
    """However many records are read at once: each reading is measured against the append time of its own."""
    stamped, wanted = [], []
    for times, append_ns in records:
        near = [*times, append_ns + FUTURE + edge]
        stamped.append(Stamped(batch(range(len(near)), near, [0.0] * len(near)), append_ns))
        wanted += [(t if OLDEST <= t <= append_ns + FUTURE else append_ns) // 1000 for t in near]
    assert rows_of(stamped).us.tolist() == wanted


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-5, 600)), min_size=1, max_size=60))
def test_dirty_spans_cover_all_and_little_else(pairs: list[tuple[int, int]]) -> None:
    pairs.sort(key=lambda p: p[1])
    minutes, lows, highs = dirty_spans(
        np.array([p[0] for p in pairs], np.int64), np.array([p[1] for p in pairs], np.int32)
    )
    spans = list(zip(minutes.tolist(), lows.tolist(), highs.tolist(), strict=True))
    for minute, sensor in pairs:
        assert sum(m == minute and low <= sensor <= high for m, low, high in spans) == 1
    for minute, low, high in spans:
        inside = sorted({s for m, s in pairs if m == minute and low <= s <= high})
        assert (inside[0], inside[-1]) == (low, high)
        assert all(b - a <= 100 for a, b in itertools.pairwise(inside))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30), st.integers(0, 9)), max_size=30))
@settings(max_examples=200)
def test_merged_spans_cover_the_same_once(drawn: list[tuple[int, int, int]]) -> None:
    spans = [(bucket, low, low + length) for bucket, low, length in drawn]
    result = merged(spans)
    covered = {(b, s) for b, low, high in spans for s in range(low, high + 1)}
    found = [(b, s) for b, low, high in result for s in range(low, high + 1)]
    assert sorted(found) == sorted(covered)
    assert len(result) <= len(spans)
