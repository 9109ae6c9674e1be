"""A recording in Parquet, with whatever types, is the recording in CSV."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from hazwatch.replay.csvfile import RecordingError
from hazwatch.replay.feed import Instant
from hazwatch.replay.times import Shape
from schemas.quality import Quality
from schemas.time import SECOND
from tests.replay.recordings import instants
from tests.replay.test_shapes import PARK, VALUES, iso, moments, same, wide

ISO = pa.array(iso())
STAMPS = pa.array(moments(), pa.timestamp("us", "UTC"))
TIMES = {
    "texts": ISO,
    "coded texts": ISO.dictionary_encode(),
    "timestamps": STAMPS,
    "timestamps elsewhere": STAMPS.cast(pa.timestamp("ms", "Asia/Shanghai")),
    "epoch seconds": pa.array([at.timestamp() for at in moments()]),
    "epoch milliseconds": pa.array([round(at.timestamp() * 1000) for at in moments()]),
}
WIDE = pa.table({"A": VALUES["A"], "B": VALUES["B"]})


@pytest.fixture
def plain(tmp_path: Path) -> list[Instant]:
    file = tmp_path / "recording.csv"
    file.write_text(wide(iso()))
    return instants(file, PARK)


def read(folder: Path, table: pa.Table, shape: Shape | None = None, row_group: int = 2) -> list[Instant]:
    file = folder / "recording.parquet"
    parquet.write_table(table, file, row_group_size=row_group)
    return instants(file, PARK, shape)


@pytest.mark.parametrize("kind", TIMES)
def test_times_of_every_type(tmp_path: Path, plain: list[Instant], kind: str) -> None:
    assert same(read(tmp_path, WIDE.append_column("time", TIMES[kind])), plain)


@pytest.mark.parametrize("coded", [True, False])
@pytest.mark.parametrize("small", [pa.float32(), pa.float64()])
def test_long_tables(tmp_path: Path, plain: list[Instant], coded: bool, small: pa.DataType) -> None:
    times = [at for at in STAMPS for _ in VALUES]
    tags = pa.array([name for _ in STAMPS for name in VALUES])
    values = pa.array([VALUES[name][i] for i in range(len(STAMPS)) for name in VALUES], small)
    table = pa.table({"time": times, "tag": tags.dictionary_encode() if coded else tags, "value": values})
    assert same(read(tmp_path, table, row_group=4), plain)


def test_nulls_and_qualities(tmp_path: Path) -> None:
    table = pa.table(
        {"time": STAMPS[:3], "tag": ["A", "A", "B"], "value": [1.0, None, 2.0], "quality": ["good", None, "uncertain"]}
    )
    found = [one.readings for one in read(tmp_path, table)]
    assert [r.quality.tolist() for r in found] == [[Quality.GOOD], [Quality.NO_VALUE], [Quality.UNCERTAIN]]
    numbers = table.set_column(3, "quality", pa.array([0, 0, int(Quality.BAD)]))
    assert [r.quality[0] for r in (one.readings for one in read(tmp_path, numbers))][2] == Quality.BAD
    gaps = pa.table({"time": STAMPS[:2], "A": [1.0, 2.0], "B": [None, 3.0]})
    assert [len(one.readings) for one in read(tmp_path, gaps)] == [1, 2]


def test_timestamps_without_a_zone_are_utc_only_when_told_so(tmp_path: Path, plain: list[Instant]) -> None:
    naive = WIDE.append_column("time", STAMPS.cast(pa.timestamp("us")))
    with pytest.raises(RecordingError, match="column time: its timestamps have no time zone; write them with one"):
        read(tmp_path, naive)
    assert same(read(tmp_path, naive, Shape(time_format="%Y")), plain)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    for table, said in (
        (pa.table({"t": STAMPS, "A": VALUES["A"]}), "no column 'time'; its columns are t, A"),
        (WIDE.append_column("time", pa.array([None, *STAMPS[1:]], STAMPS.type)), "row 1: time is empty"),
        (pa.table({"time": STAMPS, "A": ["1", "2", "x", "4", "5"]}), "row 3, column A: 'x' is not a number"),
        (pa.table({"time": STAMPS[:2], "tag": ["A", None], "value": [1.0, 2.0]}), "row 2, column tag: empty"),
    ):
        with pytest.raises(RecordingError, match=said):
            read(tmp_path, table, row_group=10)
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(RecordingError, match=r"torn\.parquet: not readable as Parquet"):
        instants(tmp_path / "torn.parquet", PARK)


def test_blocks_join_at_their_edges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An instant that goes on in the next block is one instant, and the bar has moved to the end."""
    monkeypatch.setattr("hazwatch.replay.parquetfile.BLOCK_ROWS", 3)
    n = 10
    table = pa.table(
        {
            "time": pa.array(
                np.repeat(np.arange(n // 2) * SECOND + moments()[0].timestamp() * 1e9, 2).astype("M8[ns]")
            ).cast(pa.timestamp("ns", "UTC")),
            "tag": ["A", "B"] * (n // 2),
            "value": np.arange(n, dtype=float),
        }
    )
    found = read(tmp_path, table)
    assert [one.readings.value.tolist() for one in found] == [[float(i), float(i + 1)] for i in range(0, n, 2)]
