"""Missing readings: against a slow reference that looks at lists, and in stories of links, radios and kept readings."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import NamedTuple

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from schemas.changes import AlarmClass, ConditionChange
from schemas.quality import Quality
from tests.laws.settings import traces as laws
from tests.laws.traces import gas_tag
from tests.rules.helpers import Story, seen
from tests.rules.kinds.instruments import Params, healthy, new_fold, problems, raised_by, under

KIND = "gap"
TAG = gas_tag(stale_s=30.0)
QUICK: Params = {"window_s": 60.0, "hole": 8}
PART_S = 6.0


class Step(NamedTuple):
    """At a second of the log: a reading of a time (None: a heartbeat, up or down)."""

    now: float
    event: float | None = None
    up: bool = True


class Slow:
    """The same by lists: every arrival, every hole and every heartbeat is kept."""

    def __init__(self) -> None:
        self.arrived: list[int] = []  # the tenth of each
        self.missing: Counter[int] = Counter()
        self.holes: dict[int, int] = {}
        self.beats: list[Step] = []
        self.waiting: list[list[float]] = []  # from now, from event, to event, missing
        self.last: Step | None = None
        self.newest_part = 0
        self.level = 0
        self.caused = -1e9
        self.appended: float | None = None
        self.now = 0.0

    def clock(self, second: float) -> float:
        """LAWS T1: a record that the log has at this second moves `now` on by 10 s at most, and never back."""
        passed = second if self.appended is None else min(max(second - self.appended, 0.0), 10.0)
        self.appended, self.now = second, self.now + passed
        return self.now

    def supervised(self, since: float, now: float) -> bool:
        """Whether the link was up from then until now: each heartbeat up and at most 15 s after the one before."""
        before = [b for b in self.beats if b.now <= since]
        run = [*before[-1:], *(b for b in self.beats if b.now > since)]
        near = all(b.now - a.now <= 15 for a, b in pairwise(run))
        return bool(before) and all(b.up for b in run) and near and run[-1].now == now

    def sums(self) -> tuple[int, int, float]:
        parts = range(self.newest_part - 9, self.newest_part + 1)
        missing = sum(self.missing[p] for p in parts)
        arrived = sum(1 for p in self.arrived if p in parts)
        return missing, max([0, *(self.holes.get(p, 0) for p in parts)]), missing / max(1, missing + arrived)

    def take(self, step: Step) -> int:
        step = step._replace(now=self.clock(step.now))
        if step.event is None:
            return self.beat(step)
        part = int(step.event // PART_S)
        if self.last is not None and self.last.event is not None:
            back = self.last.event - step.event
            if back > 0 and step.now - self.last.now < 10:  # LAWS L2: after 10 s of silence any time is live
                if back <= 10:  # LAWS L1: what is older is history
                    self.fill(step.event, part)
                return self.level
            lost = int(step.event - self.last.event + 0.5) - 1
            if lost > 0 and step.now - self.last.now < 30:
                self.waiting.append([self.last.now, self.last.event, step.event, min(lost, 60)])
        self.last = step
        self.newest_part = max(self.newest_part, part)
        self.arrived.append(part)
        missing, hole, share = self.sums()
        left = 2 * hole >= 8 or (missing >= 3 and 2 * share >= 0.1)
        if self.level and not left and step.now - self.caused >= 60:
            self.level = 0
        return self.level

    def fill(self, event: float, part: int) -> None:
        if part <= self.newest_part - 10:
            return
        if self.waiting and self.waiting[0][1] < event < self.waiting[-1][2]:
            widest = max(w[3] for w in self.waiting)
            total = sum(w[3] for w in self.waiting) - 1
            self.waiting = [[self.waiting[0][0], self.waiting[0][1], self.waiting[-1][2], total, min(widest, total)]]
            self.waiting = self.waiting if total else []
            self.arrived.append(part)
            return
        for found in range(part, self.newest_part + 1):
            if self.missing[found]:
                self.missing[found] -= 1
                self.holes[found] = min(self.holes.get(found, 0), self.missing[found])
                self.arrived.append(part)
                return

    def beat(self, step: Step) -> int:
        self.beats.append(step)
        if not step.up or len(self.beats) < 2 or not self.beats[-2].up or step.now - self.beats[-2].now > 15:
            return self.level
        waiting, self.waiting = self.waiting, []
        if not waiting:
            return self.level
        part = int(waiting[-1][2] // PART_S)
        if not self.supervised(waiting[0][0], step.now) or part <= self.newest_part - 10:
            return self.level
        self.missing[part] += int(sum(w[3] for w in waiting))
        self.holes[part] = max([self.holes.get(part, 0), *(int(w[-1]) for w in waiting)])
        missing, hole, share = self.sums()
        if hole >= 8 or (missing >= 3 and share >= 0.1):
            self.caused, self.level = step.now, 1
        return self.level


def run(steps: list[Step], params: Params) -> list[int]:
    """The level after every step, by the fold."""
    story, level, found = Story(of=under(KIND, params, TAG)), 0, []
    for number, step in enumerate(steps):
        if step.event is None:
            said = story.beat(step.now, step.up)
        else:
            said = story.read(step.now, 20.0 + number / 1024, event=step.event)
        level = next((c.level for c in reversed(said) if c.rule == KIND), level)
        found.append(level)
    return found


@st.composite
def lives(draw: st.DrawFn) -> list[Step]:
    """A reading a second: some lost, some late, some kept and sent together; a link that goes down."""
    data = draw(st.binary(min_size=60, max_size=400))
    lossy = draw(st.sampled_from((0, 8, 30)))
    steps: list[Step] = []
    second, down_until, kept = 0, -1, 0
    held: list[float] = []
    for byte in data:
        if byte >= 252:
            down_until = second + (8, 20, 45, 4)[byte - 252]
        lost = 1
        match byte:
            case 250 | 251:
                lost = 12 if byte == 250 else 35
            case 249:
                kept = second + 9
            case 247 | 248:
                lost = 5
        for _ in range(lost):
            now = float(second)
            if second % 5 == 0 and (second >= down_until or byte % 2):
                steps.append(Step(now - 0.25, up=second >= down_until))
            gone = lost > 1 or byte < lossy or second < down_until
            if not gone and 200 <= byte < 206 and second > 5:
                steps.append(Step(now + 3.5, now))
            elif not gone and second < kept:
                held.append(now)
            elif not gone:
                steps += [Step(now, event) for event in (*held, now)]
                held = []
            second += 1
    return sorted(steps, key=lambda step: step.now)


@laws(150)
@given(lives())
def test_the_fold_says_what_the_slow_reference_says(steps: list[Step]) -> None:
    slow = Slow()
    assert run(steps, QUICK) == [slow.take(step) for step in steps]


def test_a_fault_stands_for_a_minute_of_now_however_far_apart_the_records_are() -> None:
    """15 s without any record count 10 (LAWS T1), so what was caused at 29.75 may end at 94.75 and not at 89.75."""
    steps = [
        *(Step(second - 0.25) for second in range(0, 70, 5)),
        *(Step(float(second), float(second)) for second in range(70) if not 16 < second < 29),
        Step(69.75, up=False),
        Step(84.75, up=False),
        Step(89.75),
        *(Step(float(second), float(second)) for second in range(90, 97)),
    ]
    steps.sort(key=lambda step: step.now)
    slow, found = Slow(), run(steps, QUICK)
    assert found == [slow.take(step) for step in steps]
    changed = [(b.now, after) for (before, after), b in zip(pairwise(found), steps[1:], strict=True) if before != after]
    assert changed == [(29.75, 1), (95.0, 0)]


def test_a_kept_reading_after_a_silence_is_live_and_fills_no_place() -> None:
    """28 comes by another way while the link is down; 27, 23 s later, is where the tag's time goes on (LAWS L2)."""
    steps = [
        *(Step(second - 0.25) for second in range(0, 30, 5)),
        *(Step(float(second), float(second)) for second in range(27)),
        Step(29.75, up=False),
        Step(31.5, 28.0),
        Step(49.75),
        *(Step(50.0, event) for event in (27.0, 29.0, 50.0)),
        *(Step(float(second), float(second)) for second in range(51, 55)),
        Step(54.75),
    ]
    steps.sort(key=lambda step: step.now)
    slow, found = Slow(), run(steps, QUICK)
    assert found == [slow.take(step) for step in steps]
    assert not any(found), "what was missing has begun before the link was down"


def test_a_reading_fills_its_place_until_it_is_history() -> None:
    """Three are missing. One of them comes 10 s behind the newest, or 11 (LAWS L1): two are no share, three are."""
    for event, level in ((19.0, 0), (18.0, 1)):
        steps = [
            *(Step(second - 0.25) for second in (10, 15)),
            *(Step(float(second), float(second)) for second in range(10, 30) if not 16 < second < 20),
            Step(29.5, event),
            Step(29.75),
        ]
        steps.sort(key=lambda step: step.now)
        slow, found = Slow(), run(steps, QUICK)
        assert found == [slow.take(step) for step in steps]
        assert found[-1] == level


def pass_by(story: Story, start: int, end: int, *holes: tuple[int, int], beats: bool = True) -> None:
    """A reading a second but for the seconds between, and a heartbeat every 5 s."""
    for second in range(start, end):
        if beats and second % 5 == 0:
            story.beat(second)
        if any(a < second < b for a, b in holes):
            story.tick(second)
        else:
            story.read(second, 20.0 + second / 1024)


def raised(story: Story, rule: str = KIND) -> list[ConditionChange]:
    return [c for c in story.said if c.rule == rule and c.level and c.basis != "restatement"]


def a_story(**params: float) -> Story:
    return Story(of=under(KIND, params, TAG))


def test_a_hole_of_ten_is_told_at_the_next_heartbeat_with_what_is_missing() -> None:
    story = a_story()
    pass_by(story, 0, 100, (50, 61))
    (change,) = raised(story)
    assert change.cause is not None and change.cause.row == 0 and change.basis == "link"
    assert (change.value, change.figures["longest_hole"], change.unit) == (10.0, 10.0, "")
    assert change.figures["share"] == 10 / 65
    assert change.alarm_class is AlarmClass.COMMUNICATION
    assert change.text.zh == "CO-1 一氧化碳：10 分钟内缺 10 个读数（15 %），最长一段缺 10 个"
    assert change.text.en.endswith("10 readings missing (15 %), 10 of them in a row within 10 min")
    pass_by(story, 100, 800)
    ended = [c for c in story.said if c.rule == KIND and c.level == 0]
    assert [(c.event_ns - change.event_ns) // 10**9 for c in ended[1:]] == [660 - 61], "the window has passed"
    assert ended[-1].text.en.endswith("its readings are complete again")


def test_nine_are_not_a_hole_but_may_be_a_share() -> None:
    story = a_story(share=0.2)
    pass_by(story, 0, 100, (50, 60))
    assert raised(story) == []
    lossy = a_story()
    pass_by(lossy, 0, 600, *((t, t + 2) for t in range(100, 600, 8)))
    (change,) = raised(lossy)
    assert change.figures["share"] >= 0.1 > change.figures["share"] - 0.01


def test_what_a_gateway_kept_of_an_outage_and_what_it_lost() -> None:
    """Half an hour later it sends what it has, in order: `now` shows no silence, the readings' own times do."""
    story = a_story()
    pass_by(story, 0, 100)
    for second in range(100, 1900):  # the gateway keeps its readings
        story.beat(second) if second % 5 == 0 else story.tick(second)
    for number in range(1800):
        if not 300 < number <= 900:
            story.read(1900 + number / 1000, 20.0 + number / 1024, event=100 + number)
    pass_by(story, 1902, 1910)
    (change,) = raised(story)
    assert change.value == 602 and change.figures["longest_hole"] == 600


def test_all_that_was_kept_is_no_gap() -> None:
    story = a_story()
    pass_by(story, 0, 100)
    for second in range(100, 200, 5):
        story.beat(second)
    for number in range(100):
        story.read(200, 20.0 + number / 1024, event=100 + number)
    pass_by(story, 200, 300)
    assert raised(story) == []


def test_what_stale_has_told_is_not_told_again() -> None:
    story = a_story()
    pass_by(story, 0, 200, (50, 100))
    assert len(raised(story, "stale")) == 1 and raised(story) == []


def test_a_hole_while_the_link_was_down_is_the_link_s() -> None:
    """However short: down between two heartbeats, no heartbeat at all, or one of ours missing."""
    told_down, silent = a_story(), a_story()
    for story in (told_down, silent):
        pass_by(story, 0, 50)
        for second in range(50, 75):
            if story is told_down and second % 5 == 0:
                story.beat(second, up=False)
            story.tick(second)
        pass_by(story, 75, 120)
        assert raised(story) == []
        assert len(raised(story, "link")) == 1
    short = a_story(hole=4)
    pass_by(short, 0, 51)
    short.beat(55, up=False)
    pass_by(short, 58, 120)
    assert raised(short) == [] and raised(short, "link") == []


def test_late_readings_fill_their_places() -> None:
    story = a_story(hole=3)
    for second in range(300):
        if second % 5 == 0:
            story.beat(second)
        if second % 20 not in (3, 4, 5):
            story.read(second, 20.0 + second / 1024)
        if second % 20 == 12:
            for late in (9, 8, 7):
                story.read(second + 0.5, 20.0 + (second - late) / 1024, event=second - late)
    assert raised(story)[0].value == 3, "at a heartbeat in between they are missing"
    assert {c.value for c in raised(story)} == {3.0}, "and do not add up"


def test_bad_data_is_not_missing() -> None:
    story = a_story()
    for second in range(200):
        if second % 5 == 0:
            story.beat(second)
        story.read(second, None if second % 3 else 20.0, quality=Quality.BAD if second % 3 else Quality.GOOD)
    assert raised(story) == []


def test_a_clock_that_is_set_is_no_gap_when_it_goes_back() -> None:
    story = a_story()
    pass_by(story, 0, 100)
    for second in range(100, 300):
        if second % 5 == 0:
            story.beat(second)
        story.read(second, 20.0 + second / 1024, event=second - 3600)
    assert raised(story) == []


def test_a_replay_judges_holes_without_heartbeats() -> None:
    story = Story(of=under(KIND, {}, TAG), replay=True)
    pass_by(story, 0, 100, (50, 65), beats=False)
    assert len(raised(story)) == 1


def test_a_healthy_day_raises_nothing() -> None:
    assert raised_by(KIND, 60, healthy(60, 86_400)) == []


def test_what_check_refuses() -> None:
    assert problems(KIND, TAG, {}) == []
    wrong = problems(KIND, TAG, {"hole": 1, "share": 0.0, "window_s": 10.0})
    assert [p.path for p in wrong] == ["params.hole", "params.share", "params.window_s"]
    assert all(p.message and p.cure for p in wrong)


def test_its_memory_is_small() -> None:
    evaluator = next(e for e in new_fold(KIND, TAG, {}).standing.evaluators if e.id == KIND)
    assert sum(a[:1].nbytes for a in evaluator.arrays) <= 400


def test_a_gateway_that_is_down_is_one_alarm_and_its_silent_tags_are_told_when_it_is_back() -> None:
    """Twenty tags of one gateway: while its link is down nothing is said of them; a tag that stays silent then is."""
    tags = [
        msgspec.structs.replace(gas_tag(n, stale_s=20.0), link="hut-3" if n <= 20 else "ingest") for n in range(1, 22)
    ]
    story = Story(of=under(KIND, {}, *tags))

    def live(second: int, numbers: range) -> None:
        for name in ("hut-3", "ingest"):
            if second % 5 == 0:
                story.beat(second, up=name == "ingest" or not 60 <= second < 200, name=name)
        story.rows(second, [(n, second, 20.0 + second / 1024) for n in numbers])

    for second in range(60):
        live(second, range(1, 22))
    for second in range(60, 200):
        live(second, range(21, 22))
    faults = [c for c in story.said if c.level and c.basis != "restatement"]
    assert [(c.rule, c.subject, c.alarm_class) for c in faults] == [("link", "link/hut-3/0@park", "communication")]
    for second in range(200, 300):
        live(second, range(4, 22))
    after = [c for c in story.said if c.level and c.basis != "restatement"][1:]
    assert {(c.rule, c.subject) for c in after} == {("stale", "CO-1"), ("stale", "CO-2"), ("stale", "CO-3")}
    assert seen(story.said, "link")[-1] == ("link", "fault", 0, "link")
