"""The fold against the slow reference, over traces biased to limits, deadbands, delays and clocks."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from rules.engine import Fold
from schemas.batch import Batch
from tests.laws.settings import traces as laws
from tests.laws.traces import CLOCKS, Trace, fold_entry, new_fold, rulebook, traces
from tests.rules.oracle import Fact, Row, SlowLimits


def rows_of(batch: Batch, number: int) -> list[tuple[int, Row]]:
    """The rows of one tag with their places in the batch."""
    columns = (batch.tag, batch.event_ns, batch.value, batch.quality, batch.sequence)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [(place, (event, value, q, seq)) for place, (tag, event, value, q, seq) in enumerate(rows) if tag == number]


def slow(trace: Trace, number: int) -> list[tuple[int, Fact]]:
    """(offset, fact) of one tag by the slow reference."""
    tag = next(t for t in trace.revision.tags if t.number == number)
    reference = SlowLimits(tag)
    found: list[tuple[int, Fact]] = []
    for offset, entry in enumerate(trace.entries):
        placed = rows_of(entry.batch, number) if entry.batch is not None else []
        for row, side, level, onset in reference.record(entry.append_ns, [row for _, row in placed]):
            found.append((offset, (placed[row][0] if row >= 0 else -1, side, level, onset)))
    return found


def fast(trace: Trace, number: int, fold: Fold) -> list[tuple[int, Fact]]:
    """(offset, fact) of one tag by the fold, without restatements."""
    found: list[tuple[int, Fact]] = []
    for offset, entry in enumerate(trace.entries):
        for change in fold_entry(fold, offset, entry):
            if change.rule == "limits" and change.tag == number and change.basis != "restatement" and change.cause:
                onset = change.onset_ns if change.level or change.cause.row >= 0 else 0
                found.append((offset, (change.cause.row, change.side, change.level, onset)))
    return found


def in_order(facts: list[tuple[int, Fact]]) -> list[tuple[int, Fact]]:
    """Two sides of one tag may change in the same row; the text does not order them."""
    return sorted(facts, key=lambda f: (f[0], f[1][:2]))


@laws(500)
@given(traces(clocks=CLOCKS, wild=False), st.integers(1, 2))
def test_the_fold_says_what_the_slow_reference_says(trace: Trace, number: int) -> None:
    assert in_order(fast(trace, number, new_fold(trace))) == in_order(slow(trace, number))


@laws(500)
@given(traces(), st.integers(1, 2))
def test_it_says_so_under_copies_poison_and_steps_of_clocks_too(trace: Trace, number: int) -> None:
    """The slow reference knows nothing of revisions, so those are left out."""
    kept = replace(trace, entries=tuple(e for e in trace.entries if e.revision is None))
    assert in_order(fast(kept, number, new_fold(kept))) == in_order(slow(kept, number))


@laws(300)
@given(traces(steps=25), st.data())
def test_a_batch_may_be_split_anywhere(trace: Trace, data: st.DataObject) -> None:
    """Rows of one record say the same as rows of many records with the same append time."""
    whole, split = Fold(rulebook(trace.revision), 0, 1), Fold(rulebook(trace.revision), 0, 1)
    offset = 0
    for place, entry in enumerate(trace.entries):
        together = fold_entry(whole, place, replace(entry, batch=entry.batch and without_sequence(entry.batch)))
        apart = []
        if entry.batch is None:
            apart += fold_entry(split, offset, entry)
            offset += 1
        else:
            cuts = sorted({0, len(entry.batch), *data.draw(st.lists(st.integers(0, len(entry.batch)), max_size=2))})
            whole_batch = without_sequence(entry.batch)
            for start, end in pairwise(cuts):
                apart += split.apply_readings(offset, entry.append_ns, whole_batch.rows(slice(start, end)))
                offset += 1
        assert [said(c) for c in together] == [said(c) for c in apart]


def without_sequence(batch: Batch) -> Batch:
    """A message belongs into one record: its sequence in a second one would be that of a copy."""
    return replace(batch, sequence=np.zeros_like(batch.sequence))


def said(change: object) -> tuple[object, ...]:
    """A change without its place in the log."""
    return tuple(
        getattr(change, f) for f in ("rule", "subject", "side", "level", "basis", "onset_ns", "since_ns", "value")
    )


@laws(100)
@given(traces(steps=15))
def test_batches_are_only_read(trace: Trace) -> None:
    fold = new_fold(trace)
    for offset, entry in enumerate(trace.entries):
        if entry.batch is None:
            fold_entry(fold, offset, entry)
            continue
        columns: tuple[npt.NDArray[np.generic], ...] = (
            entry.batch.tag,
            entry.batch.event_ns,
            entry.batch.value,
            entry.batch.quality,
            entry.batch.sequence,
        )
        before = [c.copy() for c in columns]
        for column in columns:
            column.flags.writeable = False
        fold_entry(fold, offset, entry)
        assert all(a.tobytes() == b.tobytes() for a, b in zip(before, columns, strict=True))
