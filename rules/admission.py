"""Which readings count, and how: late, future, repeated (LAWS L1-L4).

Every row of a batch gets a set of flags before any rule sees it. 0 means that no rule sees it at all: a number that the
revision lacks (LAWS C3), history, or a copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from rules.compiling import kernel
from schemas.batch import Batch
from schemas.quality import Quality
from schemas.registry import Tag
from schemas.time import FUTURE, OLDEST, SECOND

LIVE = 1
"""In order: may raise and clear."""
LATE = 2
"""Older than the tag's newest live reading: may raise, never clears (LAWS L1)."""
DOUBTFUL = 4
"""Its time was replaced by the append time (LAWS L3)."""
RESTART = 8
"""The first live reading after a silence: what ran before it does not count as uninterrupted (LAWS L2)."""

REMEMBERED = np.uint64(60)
"""How long (whole seconds of `now`) an evaluated reading is remembered to recognise its copies (LAWS L4)."""
REGRESSION = 300 * SECOND
"""After this much silence even a sequence that went back within one boot is believed: its counter is broken."""

BAD = int(Quality.BAD)
NOT_A_NUMBER = np.uint64(0x7FF8000000000000)
"""The bits under which every NaN is remembered."""

STATE = np.dtype(
    [
        ("newest", "i8"),  # event time of the newest live reading; never moved by a replaced time
        ("live_now", "i8"),  # `now` of the last live reading
        ("live_append", "i8"),  # append time of its record
        ("sequence", "i8"),  # highest (boot, seq)
        ("sequence_offset", "i8"),  # the record that brought it
        ("highest", "i8"),  # newest event time in memory
        ("at", "i8"),  # effective event time of the last live reading
        ("value", "f8"),
        ("quality", "i4"),
        ("seen", "i4"),  # whether there was a live reading
        ("slot", "i4"),  # where the next memory goes, counted from the tag's first
        ("doubtful", "i4"),
    ],
    align=True,
)
SETUP = np.dtype([("lateness", "i8"), ("first", "i4"), ("slots", "i4")], align=True)

COPIES = np.uint64(3)
SECONDS = np.uint64(0x3FFFF)
PRINT = ~np.uint64(0xFFFFF)
"""A remembered reading is 64 bits: a 44-bit fingerprint of (event time, value, quality), the second of `now` (18 bits,
which wrap after three days) and how often it came (2 bits; 0 is an empty slot). Two different readings of one tag share
a fingerprint once in 10^11 comparisons; the second would then be taken for a copy, once."""

LEAST_SLOTS, MOST_SLOTS = 8, 1024
"""Bounds of the room for what a tag reads in 60 s at its period and a fifth more."""


@kernel
def _find(table, tag):  # type: ignore[no-untyped-def]
    """Index of a tag number in an open-addressed table of (number, index), -1 when it is not in there."""
    mask = len(table) - 1
    place = (np.int64(tag) * 2654435761 >> 7) & mask
    while table[place, 1] >= 0:
        if table[place, 0] == tag:
            return table[place, 1]
        place = (place + 1) & mask
    return -1


@kernel
def _insert(table, tags):  # type: ignore[no-untyped-def]
    mask = len(table) - 1
    for i in range(len(tags)):
        place = (np.int64(tags[i]) * 2654435761 >> 7) & mask
        while table[place, 1] >= 0:
            place = (place + 1) & mask
        table[place, 0] = tags[i]
        table[place, 1] = i


@kernel
def _mixed(a):  # type: ignore[no-untyped-def]
    """The finaliser of SplitMix64: every bit of the result depends on every bit of `a`."""
    a = (a ^ (a >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    a = (a ^ (a >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return a ^ (a >> np.uint64(31))


@kernel
def _key(event, bits, quality):  # type: ignore[no-untyped-def]
    """The fingerprint of (event time, value, quality)."""
    a = _mixed(np.uint64(event) ^ np.uint64(0x9E3779B97F4A7C15))
    a = _mixed(a ^ np.uint64(bits))
    return _mixed(a + np.uint64(np.int64(quality))) & PRINT


@kernel
def admit(  # type: ignore[no-untyped-def]
    n, tag, event, value, bits, quality, sequence, table, setup, state, memory, offset, now, append,
    index, flags, at,
):  # fmt: skip
    """Fill `index` (of the tag, -1 for ignored rows), `flags` and `at` (effective event time) of the first n rows.

    Returns how many rows count.
    """
    admitted = 0
    second = np.uint64(now // SECOND)
    stamp = (second & SECONDS) << np.uint64(2)
    for i in range(n):
        flags[i] = 0
        index[i] = -1
        if quality[i] < 0:
            quality[i] = BAD  # no quality of ours is negative
        j = _find(table, tag[i])
        if j < 0:
            continue
        s = state[j]
        rule = setup[j]
        raw = event[i]
        # L3: a time before 2000 or more than 5 s ahead of the append time says nothing
        replaced = raw < OLDEST or raw > append + FUTURE
        when = append if replaced else raw
        number = sequence[i]
        newer = number > s["sequence"]  # L2: never late
        # within one boot a sequence at or below the last is a copy or a straggler, unless it is of the same message
        same_boot = number > 0 and number >> 32 == s["sequence"] >> 32
        again = number == s["sequence"] and s["sequence_offset"] != offset and raw <= s["newest"]
        regressed = same_boot and (number < s["sequence"] or again)
        quiet = now - s["live_now"]

        # L4: the same reading within 60 s is a copy, the third is a standing clock; without a time there are no copies
        slot = -1
        copies = np.uint64(1)
        if raw != 0:
            key = _key(raw, bits[i] if value[i] == value[i] else NOT_A_NUMBER, quality[i])
            if not newer and s["seen"] != 0 and raw <= s["highest"]:
                for k in range(rule["first"], rule["first"] + rule["slots"]):
                    m = memory[k]
                    age = (second - (m >> np.uint64(2))) & SECONDS
                    if (m & PRINT) == key and (m & COPIES) != 0 and age <= REMEMBERED:
                        slot = k
                        copies = min((m & COPIES) + np.uint64(1), COPIES)
                        break
            if slot >= 0 and copies < COPIES:
                memory[slot] += np.uint64(1)
                continue

        # L1, L2: late is relative to the tag; after a silence the next reading is live whatever its time
        restart = s["seen"] == 0 or quiet >= rule["lateness"]
        believed = restart and (not regressed or quiet >= REGRESSION)
        kind = LIVE
        if (raw < s["newest"] or regressed) and not (replaced or newer or believed or s["seen"] == 0):
            if s["newest"] - raw > rule["lateness"]:
                continue
            kind = LATE

        if raw != 0:
            if slot < 0:
                slot = rule["first"] + s["slot"]
                s["slot"] = s["slot"] + 1 if s["slot"] + 1 < rule["slots"] else 0
            memory[slot] = key | stamp | copies
            if raw > s["highest"]:
                s["highest"] = raw

        index[i] = j
        at[i] = when
        flags[i] = kind | (DOUBTFUL if replaced else 0)
        admitted += 1
        if newer or (kind == LIVE and number > 0 and (regressed or not same_boot)):
            s["sequence"] = number
            s["sequence_offset"] = offset
        if kind == LIVE:
            if restart:
                flags[i] |= RESTART
            if not replaced:
                s["newest"] = raw
            s["live_now"] = now
            s["live_append"] = append
            s["seen"] = 1
            s["at"] = when
            s["value"] = value[i]
            s["quality"] = quality[i]
            s["doubtful"] = 1 if replaced else 0
    return admitted


class Admission:
    """The state of all tags of a partition, and the flags of the batch that was admitted last.

    `index`, `flags`, `at`, `value`, `quality` hold the rows of the last batch; they are longer than the batch.
    """

    def __init__(self, tags: Sequence[Tag]) -> None:
        self.numbers = np.array([t.number for t in tags], np.int32)
        size = 1 << max(3, (2 * len(tags)).bit_length())
        self._table = np.full((size, 2), -1, np.int32)
        _insert(self._table, self.numbers)
        self.setup = np.zeros(len(tags), SETUP)
        period_s = np.array([t.period_s for t in tags], np.float64)
        self.setup["lateness"] = np.rint(np.array([lateness_s(t) for t in tags], np.float64) * SECOND)
        self.setup["slots"] = np.clip(np.trunc(1.2 * float(REMEMBERED) / period_s) + 4, LEAST_SLOTS, MOST_SLOTS)
        ends = np.cumsum(self.setup["slots"], dtype=np.int64)
        self.setup["first"] = ends - self.setup["slots"]
        self.state = np.zeros(len(tags), STATE)
        self.memory = np.zeros(int(ends[-1]) if len(tags) else 0, np.uint64)
        self._grow(512)

    @cached_property
    def layout(self) -> str:
        """What a snapshot of this state must match: the tags in their order, and the shapes of the arrays."""
        numbers = sha256(self.numbers.tobytes()).hexdigest()[:16]
        return f"{numbers} {self.state.dtype.descr} {len(self.memory)}"

    def _grow(self, rows: int) -> None:
        self._tag = np.zeros(rows, np.int32)
        self._event = np.zeros(rows, np.int64)
        self._sequence = np.zeros(rows, np.int64)
        self.value = np.zeros(rows, np.float64)
        self.quality = np.zeros(rows, np.int16)
        self._bits = self.value.view(np.uint64)
        self.index = np.zeros(rows, np.int32)
        self.flags = np.zeros(rows, np.uint8)
        self.at = np.zeros(rows, np.int64)

    def admit(self, readings: Batch, offset: int, now_ns: int, append_ns: int) -> int:
        """Take in a batch; returns how many of its rows count. The batch itself is only read."""
        n = len(readings)
        if n > len(self.value):
            self._grow(1 << n.bit_length())
        self._tag[:n] = readings.tag
        self._event[:n] = readings.event_ns
        self._sequence[:n] = readings.sequence
        self.value[:n] = readings.value
        self.quality[:n] = readings.quality
        admitted: int = admit(
            n, self._tag, self._event, self.value, self._bits, self.quality, self._sequence, self._table,
            self.setup, self.state, self.memory, offset, now_ns, append_ns, self.index, self.flags, self.at,
        )  # fmt: skip
        return admitted

    def take(self, arrays: Iterator[npt.NDArray[Any]]) -> None:
        """Go on with these as the state, the next ones of `arrays`."""
        self.state, self.memory = next(arrays), next(arrays)

    def inherit(self, old: Admission) -> None:
        """Take over the state of every tag that `old` knew (LAWS C3: a number never changes its cell)."""
        _, mine, its = np.intersect1d(self.numbers, old.numbers, assume_unique=True, return_indices=True)
        self.state[mine] = old.state[its]
        for to, source in zip(mine.tolist(), its.tolist(), strict=True):
            slots = int(min(self.setup["slots"][to], old.setup["slots"][source]))
            first, start = int(self.setup["first"][to]), int(old.setup["first"][source])
            self.memory[first : first + slots] = old.memory[start : start + slots]
            self.state["slot"][to] %= self.setup["slots"][to]


def lateness_s(tag: Tag) -> float:
    """How far behind its newest live reading a tag's reading still counts: for slow tags two periods (LAWS L1)."""
    return max(tag.lateness_s, 2 * tag.period_s)
