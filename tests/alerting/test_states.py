"""The state table: the first four states of ISA-18.2 without latching, every event in every state.

`alarm_states.csv` beside this file is the table. `true` states the level again, `worse` a higher one, `false` normal.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from schemas.alarms import CommandKind, Outcome, State
from tests.alerting.bench import Desk, change

ROWS = list(csv.DictReader((Path(__file__).parent / "alarm_states.csv").open()))


def bring_to(state: str) -> Desk:
    desk = Desk()
    if state != "normal":
        desk.say(change(1, 1))
    if state == "acknowledged":
        desk.acknowledge(desk.alarm)
    if state == "returned_unacknowledged":
        desk.say(change(0, 2))
    return desk


def state_of(desk: Desk) -> str:
    return next((str(alarm.state) for alarm in desk.book.alarms()), "normal")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['state']}-{row['event']}")
def test_every_event_in_every_state(row: dict[str, str]) -> None:
    desk = bring_to(row["state"])
    assert state_of(desk) == row["state"]
    match row["event"]:
        case "true":
            desk.say(change(1, 10))
        case "worse":
            desk.say(change(2, 10))
        case "false":
            desk.say(change(0, 10))
        case "acknowledge":
            desk.acknowledge(desk.alarm)
    assert state_of(desk) == row["next"]


def test_the_table_is_complete() -> None:
    events = {"true", "worse", "false", "acknowledge"}
    table = {(row["state"], row["event"]) for row in ROWS}
    working = ("normal", "unacknowledged", "acknowledged", "returned_unacknowledged")
    assert table == {(state, event) for state in working for event in events} - {("normal", "acknowledge")}


@pytest.mark.parametrize("state", ["unacknowledged", "acknowledged", "returned_unacknowledged"])
@pytest.mark.parametrize("kind", CommandKind)
def test_no_command_leads_out_of_the_four_states(state: str, kind: CommandKind) -> None:
    desk = bring_to(state)
    answer = desk.order(kind, desk.alarm)
    assert answer.outcome in (Outcome.APPLIED, Outcome.REPEATED, Outcome.REFUSED)
    assert state_of(desk) in {row["state"] for row in ROWS}
    if kind is not CommandKind.ACKNOWLEDGE:
        assert (answer.outcome, state_of(desk)) == (Outcome.REFUSED, state)
        assert answer.reason.zh
        assert answer.reason.en


def test_all_states_are_named() -> None:
    assert len(State) == 9
