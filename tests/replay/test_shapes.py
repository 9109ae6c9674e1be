"""One recording in many shapes gives one stream of instants: long, wide, compressed, and with any notation of time."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hazwatch.replay import csvfile
from hazwatch.replay.feed import Instant, Tally
from hazwatch.replay.times import Shape, time_of
from schemas.quality import Quality
from schemas.registry import Revision
from schemas.time import SECOND
from tests.laws.settings import traces
from tests.replay.recordings import in_bytes, instants, revision, tag

START_S = 1_767_225_600
VALUES = {"A": [3.0, 18.0, 41.5, 12.0, 2.0], "B": [1.0, 22.0, -200.0, 2.5, 30.0]}
PARK = revision(tag("A", 1), tag("B", 2, bad_values=(-200.0,)))


def wide(times: Sequence[str], head: str = "time") -> str:
    rows = [f"{at},{VALUES['A'][i]},{VALUES['B'][i]}" for i, at in enumerate(times)]
    return "\n".join([f"{head},A,B", *rows, ""])


def long(times: Sequence[str]) -> str:
    rows = [f"{at},{name},{VALUES[name][i]}" for i, at in enumerate(times) for name in VALUES]
    return "\n".join(["time,tag,value", *rows, ""])


def moments() -> list[datetime]:
    return [datetime.fromtimestamp(START_S, UTC) + timedelta(milliseconds=1250 * i) for i in range(5)]


def iso() -> list[str]:
    return [at.isoformat() for at in moments()]


def same(one: Sequence[Instant], other: Sequence[Instant]) -> bool:
    """Equal to the last bit, NaN included."""
    return [i.append_ns for i in one] == [i.append_ns for i in other] and all(
        np.array_equal(getattr(a.readings, f), getattr(b.readings, f), equal_nan=f == "value")
        for a, b in zip(one, other, strict=True)
        for f in ("tag", "event_ns", "value", "quality", "sequence")
    )


@pytest.fixture
def plain(tmp_path: Path) -> list[Instant]:
    return read(tmp_path, wide(iso()))


def read(folder: Path, text: str, shape: Shape | None = None, of: Revision = PARK) -> list[Instant]:
    file = folder / "recording.csv"
    file.write_text(text, encoding="utf-8")
    return instants(file, of, shape)


def test_what_a_recording_holds(plain: list[Instant]) -> None:
    assert [i.append_ns - START_S * SECOND for i in plain] == [k * SECOND * 5 // 4 for k in range(5)]
    assert plain[1].readings.value.tolist() == [18.0, 22.0]
    assert plain[2].readings.quality.tolist() == [Quality.GOOD, Quality.NO_VALUE]
    assert plain[2].readings.tag.tolist() == [1, 2]


def test_long_and_wide_are_equal(tmp_path: Path, plain: list[Instant]) -> None:
    found = read(tmp_path, long(iso()))
    assert same(found, plain)
    assert in_bytes(found, PARK) == in_bytes(plain, PARK) != b""


@pytest.mark.parametrize(("suffix", "compress"), [(".gz", gzip.compress), (".xz", lzma.compress), ("", bytes)])
def test_compressed_and_plain_are_equal(tmp_path: Path, plain: list[Instant], suffix: str, compress: object) -> None:
    assert callable(compress)
    file = tmp_path / f"other.csv{suffix}"
    file.write_bytes(compress(wide(iso()).encode()))
    tally = Tally()
    sizes: list[int] = []
    tally.progress = sizes.append
    assert same(instants(file, PARK, tally=tally), plain)
    assert sum(sizes) == file.stat().st_size


CHINA = timezone(timedelta(hours=8))
NOTATIONS = {
    "seconds": [f"{at.timestamp():.3f}" for at in moments()],
    "milliseconds": [f"{at.timestamp() * 1000:.0f}" for at in moments()],
    "with Z": [at.strftime("%Y-%m-%dT%H:%M:%S.%fZ") for at in moments()],
    "in China": [at.astimezone(CHINA).isoformat() for at in moments()],
    "with a blank": [at.isoformat(" ") for at in moments()],
    "mixed": [f"{at.timestamp():.3f}" if i % 2 else at.isoformat() for i, at in enumerate(moments())],
}


@pytest.mark.parametrize("name", NOTATIONS)
def test_notations_of_time_are_equal(tmp_path: Path, plain: list[Instant], name: str) -> None:
    assert same(read(tmp_path, wide(NOTATIONS[name])), plain)
    assert same(read(tmp_path, long(NOTATIONS[name])), plain)


def test_times_in_two_columns(tmp_path: Path, plain: list[Instant]) -> None:
    times = [at.strftime("%d/%m/%Y,%H:%M:%S.%f") for at in moments()]
    shape = Shape(("Date", "Time"), "%d/%m/%Y %H:%M:%S.%f")
    assert same(read(tmp_path, wide(times, "Date,Time"), shape), plain)


@given(st.integers(946_684_800_000, 4_102_444_800_000))
@traces(200)
def test_seconds_milliseconds_and_iso_name_the_same_instant(ms: int) -> None:
    text = datetime.fromtimestamp(ms // 1000, UTC).strftime(f"%Y-%m-%dT%H:%M:%S.{ms % 1000:03d}Z")
    assert time_of(f"{ms // 1000}.{ms % 1000:03d}") == time_of(str(ms)) == time_of(text) == ms * 1_000_000


@pytest.mark.parametrize(
    ("separator", "decimal", "encoding"),
    [(",", ".", "utf-8-sig"), (";", ",", "utf-8"), ("\t", ".", "utf-8"), (";", ".", "gbk"), (",", ".", "gbk")],
)
def test_dialects_of_spreadsheets(
    tmp_path: Path, plain: list[Instant], separator: str, decimal: str, encoding: str
) -> None:
    park = revision(tag("一氧化碳", 1), tag("B", 2, bad_values=(-200.0,)))
    text = wide(iso()).replace("time,A,B", "time,一氧化碳,B").replace(".", "\0").replace(",", separator)
    times = {at.replace(".", "\0"): at for at in iso()}
    for shown, at in times.items():
        text = text.replace(shown, at)
    file = tmp_path / "excel.csv"
    file.write_bytes(text.replace("\0", decimal).replace("\n", "\r\n").encode(encoding))
    assert same(instants(file, park), plain)


def test_blocks_make_no_difference(tmp_path: Path, plain: list[Instant], monkeypatch: pytest.MonkeyPatch) -> None:
    """An instant whose rows lie in two blocks stays one instant."""
    monkeypatch.setattr(csvfile, "BLOCK_BYTES", 120)
    assert same(read(tmp_path, long(iso())), plain)
    assert same(read(tmp_path, wide(iso())), plain)


def test_several_files_are_one_recording(tmp_path: Path, plain: list[Instant]) -> None:
    lines = long(iso()).splitlines()
    first, second = tmp_path / "1.csv", tmp_path / "2.csv"
    first.write_text("\n".join(lines[:4]))
    second.write_text("\n".join([lines[0], *lines[4:]]))
    assert same(instants([first, second], PARK), plain)


def test_an_empty_cell_of_a_wide_file_is_no_reading(tmp_path: Path) -> None:
    """So slow and fast tags can share a file; a word for "no value" is a reading without one."""
    found = read(tmp_path, f"time,A,B\n{START_S},1,\n{START_S + 1},NaN,2\n{START_S + 2},n/a,\n")
    assert [i.readings.tag.tolist() for i in found] == [[1], [1, 2], [1]]
    assert [i.readings.quality.tolist() for i in found] == [[0], [Quality.NO_VALUE, 0], [Quality.NO_VALUE]]


def test_an_empty_value_of_a_long_file_is_a_reading_without_one(tmp_path: Path) -> None:
    found = read(tmp_path, f"time,tag,value,quality\n{START_S},A,,\n{START_S + 1},A,7,over_range\n{START_S + 2},A,7,\n")
    assert [i.readings.quality.tolist() for i in found] == [[Quality.NO_VALUE], [Quality.OVER_RANGE], [Quality.GOOD]]


def test_rows_that_go_back_are_late(tmp_path: Path) -> None:
    tally = Tally()
    file = tmp_path / "recording.csv"
    file.write_text("time,tag,value\n" + "".join(f"{START_S + s},A,{s}\n" for s in (0, 5, 3, 5, 6)))
    found = instants(file, PARK, tally=tally)
    assert [i.append_ns // SECOND - START_S for i in found] == [0, 5, 6]
    assert [(i.readings.event_ns // SECOND - START_S).tolist() for i in found] == [[0], [5, 3, 5], [6]]
    assert tally.late == 1


def test_unknown_names_are_told_once_and_counted(tmp_path: Path) -> None:
    told: list[str] = []
    tally = Tally(unknown=told.append)
    lines = "".join(f"{START_S + s},{name},1\n" for s in range(3) for name in ("X", "A", "Y"))
    for n in (1, 2):
        (tmp_path / f"{n}.csv").write_text("time,tag,value\n" + lines)
    instants([tmp_path / "1.csv", tmp_path / "2.csv"], PARK, tally=tally)
    assert sorted(told) == ["X", "Y"]
    assert tally.strangers == {"X": 6, "Y": 6}
    assert tally.readings == 6
