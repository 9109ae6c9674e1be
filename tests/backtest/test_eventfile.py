"""The file of events: every problem with its row and its cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from hazwatch.backtest.eventfile import read_events
from hazwatch.backtest.events import Event
from hazwatch.replay.csvfile import RecordingError
from schemas.time import SECOND
from tests.backtest.stories import START


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "events.csv"


def problems(file: Path, text: str) -> list[str]:
    file.write_text(text)
    with pytest.raises(RecordingError) as caught:
        read_events(file)
    return [problem.removeprefix(f"{file}: ") for problem in caught.value.problems]


def test_iso_and_epoch_in_any_order_of_columns_and_rows(file: Path) -> None:
    file.write_text(
        "label,start,end,remark\n"
        "trip,2026-01-01T08:10:00+08:00,2026-01-01T00:20:00Z,x\n"
        f"leak,{START // SECOND},{START // SECOND * 1000 + 500},\n"
        f",{START // SECOND + 7},,a moment without a name\n"
    )
    assert read_events(file) == [
        Event(START, START + SECOND // 2, "leak"),
        Event(START + 7 * SECOND, START + 7 * SECOND, "row 4"),
        Event(START + 600 * SECOND, START + 1200 * SECOND, "trip"),
    ]


def test_everything_that_is_wrong_is_said_at_once(file: Path) -> None:
    said = problems(file, "start,end,label\nnever,5,a\n2026-01-01T00:00:00,2026-01-01T00:00:00Z,b\n20,10,c\n,,d\n")
    assert [one.partition(":")[0] for one in said] == [
        "row 2, column start",
        "row 3, column start",
        "row 4",
        "row 5, column start",
    ]
    assert "write it as 2026-01-31T12:00:00+08:00" in said[0]
    assert "has no offset; write it as" in said[1]
    assert said[2] == "row 4: the event ends before it starts; exchange start and end"


def test_missing_columns(file: Path) -> None:
    said = problems(file, "begin,end\n1,2\n")
    assert said == [
        "no column 'start'; its columns are begin, end. It needs start,end,label",
        "no column 'label'; its columns are begin, end. It needs start,end,label",
    ]


def test_a_file_without_events(file: Path) -> None:
    assert problems(file, "start,end,label\n") == ["there are no events; write one per row: start,end,label"]
