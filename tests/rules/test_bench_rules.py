"""The benchmark of the rules measures what it says: all kinds, in equal work."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from hazwatch.bench.rules import bytewax, plain
from hazwatch.bench.rules.command import Report
from hazwatch.bench.rules.measure import MIX_NAME, SINGLES, measured, warmed
from hazwatch.bench.rules.plant import MIX, START, Draw, batches, divided, history, mix, one_kind
from hazwatch.cli import main
from rules.engine import Fold
from rules.kinds import Kind, kinds
from rules.rulebook import compile_rules
from schemas.batch import Batch
from schemas.time import MINUTE, SECOND


@pytest.mark.parametrize("kind", kinds().values(), ids=list(kinds()))
def test_every_kind_can_be_multiplied(kind: Kind) -> None:
    revision = one_kind(kind, 30)
    assert 0 < len({tag.number for tag in revision.tags}) == len(revision.tags) <= 30
    fold = Fold(compile_rules(revision, 0, 1), 0, 1)
    (evaluator,) = (e for e in fold.standing.evaluators if e.id == kind.name)
    assert len(evaluator.conditions) >= len(revision.tags) / len(kind.examples[0].tags) / 2


def test_a_divided_mix_watches_what_the_mix_watches() -> None:
    whole, parts = compile_rules(mix(100), 0, 1), compile_rules(divided(mix(100)), 0, 1)
    assert len(parts.rules) - len(whole.rules) == 9 * len(MIX)
    found = [(r.kind.name, w.subject, w.plan.side) for r in parts.rules for w in r.watched]
    assert sorted(found) == sorted((r.kind.name, w.subject, w.plan.side) for r in whole.rules for w in r.watched)


def test_plain_python_does_the_same_work() -> None:
    """Over excursions longer and shorter than the delays it changes level as often as the fold."""
    revision = one_kind(kinds()["limits"], 3)
    fold = Fold(compile_rules(revision, 0, 1), 0, 1)
    known = plain.points(revision.tags)
    source = np.random.default_rng(1)
    numbers = np.array([tag.number for tag in revision.tags], np.int32)
    folded = slow = 0
    levels: dict[str, int] = {}
    for second in range(3000):
        now_ns = START + second * SECOND
        value = source.choice([5.0, 16.5, 18.0, 40.0], 3, p=[0.85, 0.05, 0.05, 0.05])
        batch = Batch(numbers, np.full(3, now_ns), value, np.zeros(3, np.int16), np.zeros(3, np.int64))
        changes = fold.apply_readings(fold.next_offset, now_ns, batch)
        for change in changes:
            if change.rule == "limits":
                folded += abs(change.level - levels.get(change.subject, 0))
                levels[change.subject] = change.level
        slow += plain.fold(known, batch)
    assert slow > 100
    assert folded == slow


def test_bytewax_does_the_same_work() -> None:
    """Over values that jump beyond the limits and back."""
    tags = one_kind(kinds()["limits"], 20).tags
    given = [batch for _, batch in batches(tags, 5.0, 200, 40, "uniform", START)]
    jumping = [
        Batch(b.tag, b.event_ns, b.value + 40.0 * (number % 20 > 9), b.quality, b.sequence)
        for number, b in enumerate(given)
    ]
    known = plain.points(tags)
    changes = sum(plain.fold(known, batch) for batch in jumping)
    assert changes > 20
    assert bytewax.prepared(tags, jumping)() == changes


def test_batches_are_in_order_and_of_known_tags() -> None:
    tags = one_kind(kinds()["limits"], 50).tags
    past = list(history(tags, 5.0))
    assert all(set(batch.tag.tolist()) == {tag.number for tag in tags} for _, batch in past)
    assert past[-1][0] == START and past[0][0] == START - 15 * MINUTE
    for draw in get_args(Draw):
        drawn = list(batches(tags, 5.0, 200, 3, draw, START))
        step = 200 * round(tags[0].period_s * SECOND) // 50
        assert [now for now, _ in drawn] == [START + n * step for n in (1, 2, 3)]
        for now_ns, batch in drawn:
            assert set(batch.tag.tolist()) <= {tag.number for tag in tags}
            assert (np.diff(batch.event_ns) > 0).all() and batch.event_ns[-1] == now_ns


def test_every_reading_counts_whatever_the_period_and_the_batch() -> None:
    """400 readings of two tags that read every minute hold hours; none of them may be too old to be judged."""
    cases = list(measured({20: ("stel", "expression")}, (10, 400), get_args(Draw), 400))
    assert {case.what for case in cases} >= {"stel", "expression"}
    fold, tags = warmed(one_kind(kinds()["stel"], 20), 5.0)
    for now_ns, batch in batches(tags, 5.0, 400, 5, "skewed", fold.now_ns):
        assert {c.rule for c in fold.apply_readings(fold.next_offset, now_ns, batch)} <= {"link"}
        assert (fold.standing.admission.index[:400] >= 0).all() and fold.now_ns == now_ns


def test_the_command_writes_its_figures(tmp_path: Path) -> None:
    file, page = tmp_path / "figures.json", tmp_path / "page.md"
    words = ["--kind", "limits", "--tags", "20", "--rows", "50", "--quick"]
    done = CliRunner().invoke(main, ["bench-rules", *words, "--json", str(file), "--markdown", str(page)])
    assert done.exit_code == 0, done.output
    assert {case.what for case in measured({100: ()}, (50,), ("uniform",), 100)} >= {MIX_NAME, SINGLES}
    report = msgspec.json.decode(file.read_bytes(), type=Report)
    assert {case.what for case in report.cases} >= {"limits", "limits in plain Python", "park mix, whole fold"}
    assert all(case.readings_per_s > 0 for case in report.cases)
    assert report.snapshot.megabytes > 0
    assert "| limits | 20 | 50 | uniform |" in page.read_text()
    wrong = CliRunner().invoke(main, ["bench-rules", "--kind", "no-such"])
    assert wrong.exit_code == 2 and "there is no rule kind no-such" in wrong.output
