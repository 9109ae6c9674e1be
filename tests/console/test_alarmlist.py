"""The fold over `alarms`: copies, twins and refolds change nothing, and nothing goes backwards."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from console.alarmlist import AlarmList
from schemas.alarms import Alarm, Change, State, Transition
from schemas.causes import Cause
from schemas.changes import AlarmClass, Side

STATES = (State.UNACKNOWLEDGED, State.ACKNOWLEDGED, State.RETURNED_UNACKNOWLEDGED, State.NORMAL)


def transition(alarm: int, onset: int, revision: int, state: State) -> Transition:
    return Transition(
        change=Change.RAISE,
        alarm=Alarm(
            id=f"a-{alarm}",
            episode=f"e-{alarm}-{onset}",
            revision=revision,
            rule="limits",
            kind="limits",
            subject=f"T-{alarm}",
            side=Side.HIGH,
            alarm_class=AlarmClass.PROCESS,
            state=state,
            level=1,
            level_name="high",
            tier=2,
            peak_level=1,
            peak_level_name="high",
            peak_tier=2,
            onset_cause=Cause(1, onset, 0),
        ),
        previous_state=State.NORMAL,
        previous_tier=0,
        at_ns=1,
    )


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[Transition], list[Transition]]:
    """What one book said, and that with copies by twins mixed in: each copy comes after what it is a copy of."""
    said: list[Transition] = []
    for alarm in range(draw(st.integers(1, 4))):
        for onset in range(draw(st.integers(1, 3))):
            for revision in range(1, draw(st.integers(1, 4)) + 1):
                said.append(transition(alarm, onset, revision, draw(st.sampled_from(STATES))))
    mixed: list[Transition] = []
    for one in said:
        mixed.append(one)
        mixed += draw(st.lists(st.sampled_from(mixed), max_size=3))
    return said, mixed


@settings(deadline=None)
@given(stories())
def test_copies_change_nothing(story: tuple[list[Transition], list[Transition]]) -> None:
    said, mixed = story
    plain, copied = AlarmList(), AlarmList()
    for one in said:
        assert plain.apply(one)
    for one in mixed:
        copied.apply(one)
    last = {one.alarm.id: one.alarm for one in said}
    listed = {key: alarm for key, alarm in last.items() if alarm.state is not State.NORMAL}
    assert {key: item.alarm for key, item in copied.listed.items()} == listed
    assert {key: item.alarm for key, item in plain.listed.items()} == listed
    assert len(copied.recent) == len(said)


@settings(deadline=None)
@given(stories())
def test_changes_lead_a_screen_to_the_same_list(story: tuple[list[Transition], list[Transition]]) -> None:
    _, mixed = story
    alarms, screen = AlarmList(), set[str]()
    for count, one in enumerate(mixed):
        alarms.apply(one)
        if count % 2:
            upserts, removed = alarms.take_changes()
            screen |= {alarm for alarm in alarms.listed if any(alarm.encode() in bytes(raw) for raw in upserts)}
            screen -= set(removed)
    upserts, removed = alarms.take_changes()
    screen |= {alarm for alarm in alarms.listed if any(alarm.encode() in bytes(raw) for raw in upserts)}
    screen -= set(removed)
    assert screen == set(alarms.listed)
    assert not alarms.changed


def test_a_late_copy_does_not_bring_a_closed_alarm_back() -> None:
    alarms = AlarmList()
    alarms.apply(transition(1, 1, 1, State.UNACKNOWLEDGED))
    alarms.apply(transition(1, 1, 2, State.NORMAL))
    assert not alarms.apply(transition(1, 1, 1, State.UNACKNOWLEDGED))
    assert not alarms.listed
    gone = alarms.find("a-1")
    assert gone is not None and gone.state is State.NORMAL
