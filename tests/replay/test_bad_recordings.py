"""A recording that cannot be read is refused with the row, the column and the cure, all problems of a block at once."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import pytest

from hazwatch.replay.csvfile import SHOWN, RecordingError
from hazwatch.replay.times import Shape
from tests.replay.recordings import instants, revision, tag

PARK = revision(tag("A", 1), tag("B", 2))
NOW = 1_767_225_600


def problems(file: Path, data: str | bytes, shape: Shape | None = None) -> list[str]:
    """What is said of a file with this content, without its path."""
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    with pytest.raises(RecordingError) as caught:
        instants(file, PARK, shape)
    return [problem.removeprefix(f"{file}: ") for problem in caught.value.problems]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "recording.csv"


def test_cells_that_are_no_numbers(file: Path) -> None:
    said = problems(file, f"time,A,B\n{NOW},1,ok\n{NOW + 1},#REF!,2\n{NOW + 2},3,4\n")
    assert said == ["row 3, column A: '#REF!' is not a number", "row 2, column B: 'ok' is not a number"]


def test_times_that_are_none(file: Path) -> None:
    said = problems(
        file, f"time,tag,value\n{NOW},A,1\nyesterday,A,2\n,A,3\n2026-01-01T00:00:00,A,4\n-5,A,4\n1e17,A,5\n"
    )
    assert [line.partition(":")[0] for line in said] == ["row 3", "row 4", "row 5", "row 6", "row 7"]
    assert "--time-format" in said[0]
    assert "has no offset; write it as" in said[2]
    assert "neither epoch seconds nor milliseconds" in said[3]


def test_times_that_do_not_fit_the_format(file: Path) -> None:
    shape = Shape(("Date", "Time"), "%d/%m/%Y %H:%M:%S")
    said = problems(file, "Date,Time,A\n10/03/2004,18:00:00,1\n2004-03-10,18:00:00,1\n", shape)
    assert said == ["row 3: time '2004-03-10 18:00:00': time data '2004-03-10 18:00:00' does not match format "
                    "'%d/%m/%Y %H:%M:%S'"]  # fmt: skip


def test_everything_at_once(file: Path) -> None:
    said = problems(file, f"time,tag,value,quality\nnever,A,x,good\n{NOW},,1,wonderful\n{NOW},B,2,192\n")
    assert len(said) == 5
    assert said[1] == "row 2, column value: 'x' is not a number"
    assert said[2] == "row 3, column tag: empty; every row needs the name of a tag"
    assert said[3].startswith("row 3, column quality: quality 'wonderful' is not one of good, ")
    assert said[4].startswith("row 4, column quality: quality '192' is not one of good, ")


def test_the_message_stays_short(file: Path) -> None:
    rows = "".join(f"{NOW + i},A,x\n" for i in range(500))
    file.write_text("time,tag,value\n" + rows)
    with pytest.raises(RecordingError) as caught:
        instants(file, PARK)
    assert len(caught.value.problems) == 500
    assert str(caught.value).splitlines()[SHOWN:] == ["... and 480 more"]


def test_torn_rows(file: Path) -> None:
    said = problems(file, f"time,A,B\n{NOW},1,2\n{NOW + 1},1\n{NOW + 2},1,2,3\n")
    assert said == ["row 3: 2 cells, the header has 3", "row 4: 4 cells, the header has 3"]


@pytest.mark.parametrize("data", ["", "\n", ",,\n1,2,3\n"])
def test_no_header(file: Path, data: str) -> None:
    assert problems(file, data) == ["the file is empty; its first row must name the columns"]


def test_a_column_twice(file: Path) -> None:
    assert problems(file, f"time,A,A\n{NOW},1,2\n") == ["two columns are called 'A'"]


def test_no_column_of_the_time(file: Path) -> None:
    said = problems(file, f"Zeit,A\n{NOW},1\n")
    assert said == ["no column 'time'; its columns are Zeit, A. Name them with --time-columns"]


@pytest.mark.parametrize(
    ("suffix", "data"),
    [
        (".gz", b"not compressed at all\n" * 99),
        (".xz", b"not compressed at all\n" * 99),
        (".gz", gzip.compress(b"time,A\n" + b"1767225600,1\n" * 99_999)[:-9]),
        (".xz", lzma.compress(b"time,A\n" + b"1767225600,1\n" * 99_999)[:-9]),
        (".csv", "time,A\n1767225600,1\n".encode("utf-16")),
        (".csv", b"time,A\n\xff\xff\xff\xff,1\n"),
        (".csv", b"time,A\n" + b"1767225600,1\n" * 9_999 + b"1767225600,\xff\n"),
    ],
)
def test_files_that_are_no_text(tmp_path: Path, suffix: str, data: bytes) -> None:
    said = problems(tmp_path / f"recording{suffix}", data)
    assert len(said) == 1
    assert said[0].startswith("not readable as CSV: ")


def test_a_header_alone_holds_nothing(file: Path) -> None:
    file.write_text("time,A\n")
    assert instants(file, PARK) == []
