"""The hourly air-quality recording of UCI: 9 357 hours, in which -200 stands for a missing value."""

from __future__ import annotations

import csv
import lzma
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from hazwatch.replay.feed import Instant, Tally
from hazwatch.replay.line import Line
from schemas.quality import Quality
from tests.replay.recordings import BENZENE, CO, SENSOR, UCI, UCI_SHAPE, city, in_bytes, instants, lines

HOURS = 9357
CPU_S = 5.0


@pytest.fixture(scope="module")
def tally() -> Tally:
    return Tally()


@pytest.fixture(scope="module")
def recording(tally: Tally) -> list[Instant]:
    return instants(UCI, city(), UCI_SHAPE, tally)


@pytest.fixture(scope="module")
def story(recording: list[Instant]) -> list[Line]:
    return lines(recording, city())


def rows() -> Iterator[tuple[str, dict[str, str]]]:
    """The recording as Python's own reader sees it: time as the lines write it, and the cells."""
    with lzma.open(UCI, "rt") as text:
        for row in csv.DictReader(text):
            moment = datetime.strptime(f"{row['Date']} {row['Time']}", "%d/%m/%Y %H:%M:%S").replace(tzinfo=UTC)
            yield moment.strftime("%Y-%m-%dT%H:%M:%S.000Z"), row


def test_every_hour_is_an_instant(recording: list[Instant], tally: Tally) -> None:
    assert len(recording) == HOURS
    assert tally.readings == 3 * HOURS
    assert tally.late == 0


def test_bad_rows_are_counted(tally: Tally) -> None:
    assert tally.bad == {CO: 1683, BENZENE: 366, SENSOR: 366}


def test_bad_rows_carry_no_value(recording: list[Instant]) -> None:
    bad = [i.readings.value[i.readings.quality == Quality.NO_VALUE] for i in recording]
    assert sum(map(len, bad)) == 1683 + 366 + 366
    assert all((values != values).all() for values in bad)


def test_exactly_five_hours_exceed(story: list[Line]) -> None:
    """Without delays and deadband an hour exceeds when the alarm of its tag is raised at it or before, and has not
    returned yet: the hours from each raise up to its return, which is the first good hour below the limit."""
    process = [line for line in story if line.tag == CO and line.rule == "limits"]
    began = [line.at for line in process if line.change in ("raise", "reraise")]
    ended = [line.at for line in process if line.change == "return"]
    assert len(began) == len(ended) == 3
    exceeding = [
        (at, float(row[CO]))
        for at, row in rows()
        for start, end in zip(began, ended, strict=True)
        if start <= at < end and row[CO] != "-200"
    ]
    assert [value for _, value in exceeding] == [10.2, 10.2, 11.9, 11.5, 10.1]
    assert exceeding == [(at, float(row[CO])) for at, row in rows() if float(row[CO]) >= 10]


def test_no_process_alarm_comes_of_bad_rows(story: list[Line]) -> None:
    process = [line for line in story if line.rule == "limits"]
    assert {line.tag for line in process} == {CO}
    assert all(line.quality == "good" and line.value is not None and line.value > 0 for line in process)


def test_bad_rows_are_a_fault_of_the_instrument_and_never_clear(story: list[Line]) -> None:
    faults = [line for line in story if line.rule == "quality"]
    assert {line.tag for line in faults} == {CO, BENZENE, SENSOR}
    assert all(line.value is None for line in faults if line.change in ("raise", "reraise"))
    assert all(line.value is not None for line in faults if line.change == "return")


def test_nothing_was_silent(story: list[Line]) -> None:
    """The recording has every hour, and its end is no silence of the plant."""
    assert {line.rule for line in story} == {"limits", "quality"}


def test_two_replays_are_the_same_to_the_byte(recording: list[Instant]) -> None:
    assert in_bytes(recording, city()) == in_bytes(recording, city()) != b""


def test_a_year_of_hours_takes_seconds(recording: list[Instant]) -> None:
    """In processor time, because the machine may be busy; it was 30 s when every second was gone through."""
    lines(recording[:10], city())  # compilers first
    started = time.process_time()
    lines(instants(UCI, city(), UCI_SHAPE), city())
    took = time.process_time() - started
    print(f"{HOURS} hours in {took:.2f} s of processor time")
    assert took < CPU_S
