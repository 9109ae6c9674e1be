"""What a replay does with time: it goes straight to where something happens, and misses nothing on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hazwatch.replay.feed import Instant
from hazwatch.replay.line import Line, line_of
from hazwatch.replay.runner import TICK, Replay
from rules.kinds import kinds
from schemas.batch import batch
from schemas.changes import ConditionChange
from schemas.quality import Quality
from schemas.records import Kind
from schemas.registry import Limits, Revision
from schemas.time import HOUR, SECOND, to_iso
from tests.laws.settings import traces
from tests.replay.recordings import in_bytes, lines, revision, tag

START = 1_767_225_600 * SECOND
Row = tuple[int, int, float, int]
"""(seconds, tag number, value, quality)"""


def recording(*rows: Row) -> list[Instant]:
    """Instants of rows in order of time; a NaN has no value."""
    by_second: dict[int, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row[0]):
        by_second.setdefault(row[0], []).append(row)
    return [
        Instant(
            at := START + second * SECOND,
            batch([r[1] for r in found], [at] * len(found), [r[2] for r in found], [r[3] for r in found]),
        )
        for second, found in by_second.items()
    ]


def said(story: Sequence[Line]) -> list[tuple[str, str, str, str, str]]:
    return [(line.at[11:19], line.tag, line.rule, line.change, line.level) for line in story]


class EverySecond(Replay):
    """The oracle: time passes second by second, whether or not anything can happen."""

    def _pass(self, now_ns: int, end_ns: int) -> Iterator[tuple[int, list[ConditionChange]]]:
        for at_ns in range(now_ns + SECOND, end_ns, SECOND):
            yield at_ns, self._fold.apply(self._at(at_ns), at_ns, Kind.TICK, TICK)


VALUES = (5.0, 19.0, 20.0, 39.9, 40.0, 41.0, 600.0, float("nan"))
GAPS = (1, 1, 1, 2, 4, 5, 6, 29, 30, 31, 59, 60, 61, 90, 91, 119, 121, 400)
tags = st.builds(
    lambda on, off, band, stale: {"on_delay_s": on, "off_delay_s": off, "deadband": band, "stale_s": stale},
    st.sampled_from((0.0, 1.0, 5.0, 60.0)),
    st.sampled_from((0.0, 3.0, 60.0)),
    st.sampled_from((0.0, 2.0)),
    st.sampled_from((4.0, 30.0, 120.0)),
)
steps = st.lists(
    st.tuples(
        st.sampled_from(GAPS),
        st.sampled_from((1, 2)),
        st.sampled_from(VALUES),
        st.sampled_from((Quality.GOOD, Quality.GOOD, Quality.UNCERTAIN, Quality.BAD)),
    ),
    min_size=1,
    max_size=30,
)


@given(tags, tags, steps)
@traces(300)
def test_leaping_and_walking_give_the_same_bytes(
    first: dict[str, float], second: dict[str, float], moves: list[tuple[int, int, float, int]]
) -> None:
    park = revision(tag("A", 1, **first), tag("B", 2, **second))
    rows, at = [], 0
    for gap, number, value, quality in moves:
        at += gap
        rows.append((at, number, value, int(quality)))
    played = recording(*rows)
    assert in_bytes(played, park) == in_bytes_by(EverySecond(park), played)


def in_bytes_by(replay: Replay, played: Sequence[Instant]) -> bytes:
    return b"".join(msgspec.json.encode(line_of(one)) + b"\n" for one in replay.play(played))


def test_a_delay_ends_to_the_second_in_a_gap_of_an_hour() -> None:
    park = revision(tag("A", 1, on_delay_s=10.0, stale_s=2 * 3600.0))
    story = lines(recording((0, 1, 5.0, 0), (1, 1, 25.0, 0), (3600, 1, 5.0, 0)), park)
    assert said(story) == [
        ("00:00:11", "A", "limits", "raise", "high"),
        ("01:00:00", "A", "limits", "return", "normal"),
    ]
    assert story[0].onset == to_iso(START + SECOND)


def test_a_silence_ends_to_the_second() -> None:
    park = revision(tag("A", 1, stale_s=1000.0), tag("B", 2, stale_s=90_000.0))
    story = lines(recording((0, 1, 5.0, 0), (0, 2, 5.0, 0), (7200, 2, 5.0, 0), (7300, 1, 5.0, 0)), park)
    assert said(story) == [
        ("00:16:40", "A", "stale", "raise", "stale"),
        ("02:01:40", "A", "stale", "return", "normal"),
    ]


def test_an_alarm_that_stands_for_a_day_is_said_once() -> None:
    park = revision(tag("A", 1, stale_s=1e6))
    assert len(lines(recording((0, 1, 25.0, 0), (86_400, 1, 25.0, 0), (2 * 86_400, 1, 5.0, 0)), park)) == 2


def test_behind_the_end_delays_run_out_and_silence_does_not_count() -> None:
    """`on_delay_s` is longer than the silence that would be a fault."""
    park = revision(tag("A", 1, on_delay_s=60.0, stale_s=5.0), tag("B", 2, stale_s=5.0))
    story = lines(recording((0, 1, 5.0, 0), (0, 2, 5.0, 0), (1, 1, 45.0, 0), (1, 2, 5.0, 0)), park)
    assert said(story) == [("00:01:01", "A", "limits", "raise", "high_high")]


def test_a_late_reading_has_its_own_time() -> None:
    park = revision(tag("A", 1))
    late = Instant(START + 8 * SECOND, batch([1], [START + 3 * SECOND], [25.0]))
    (line,) = lines([*recording((0, 1, 5.0, 0), (8, 1, 5.0, 0)), late], park)
    assert (line.at, line.received_at) == (to_iso(START + 3 * SECOND), to_iso(START + 8 * SECOND))


def test_episodes_of_two_configurations_have_the_same_name() -> None:
    """So what other limits would have done can be compared line by line: the onset names the episode."""
    played = recording((0, 1, 5.0, 0), (1, 1, 30.0, 0), (2, 1, 45.0, 0), (9, 1, 5.0, 0))

    def episodes(*more: float) -> set[str]:
        limits = Limits(high=20.0, high_high=more[0] if more else None)
        return {line.episode for line in lines(played, revision(tag("A", 1, limits=limits)))}

    assert episodes() == episodes(40.0) == episodes(44.0) != set()


def test_moments_are_waited_for_in_order() -> None:
    park = revision(tag("A", 1, on_delay_s=10.0, stale_s=60.0))
    waited: list[int] = []
    replay = Replay(park, until=waited.append)
    seen = [(one.at_ns, waited[-1]) for one in replay.play(recording((0, 1, 25.0, 0), (100, 1, 25.0, 0)))]
    assert waited == sorted(waited)
    assert {START, START + 10 * SECOND, START + 60 * SECOND, START + 100 * SECOND} <= set(waited)
    assert all(at == last for at, last in seen)


@pytest.mark.parametrize("name", kinds())
def test_no_kind_holds_a_replay_up(name: str) -> None:
    """A kind whose timer never stops falling due would keep a replay in one second for ever."""
    example = kinds()[name].examples[0]
    park: Revision = revision(example.tag)
    replay = Replay(park)
    number = example.tag.number
    moments: list[int] = []
    replay._until = moments.append
    list(replay.play(recording((0, number, 1.0, 0), (24 * HOUR // SECOND, number, 1.0, 0))))
    assert len(moments) < 100
