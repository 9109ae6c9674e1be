"""The page has words for every level that a rule kind can state."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rules.kinds import Kind, kinds
from tests.laws.test_rules_kinds import under_rule
from tests.laws.traces import rulebook

SOURCES = Path(__file__).parents[2] / "console" / "web" / "src"
NAMED = re.compile(r"^  (\w+): (?:\[\"[^\"]+\", \"[^\"]+\"\]|\"\w+\"),$", re.MULTILINE)
KNOWN = {name for file in ("i18n/levels.ts", "ui/words.ts") for name in NAMED.findall((SOURCES / file).read_text())}


@pytest.mark.parametrize("kind", kinds().values(), ids=list(kinds()))
def test_every_level_has_a_name_in_both_languages(kind: Kind) -> None:
    books = [rulebook(under_rule(kind, example)) for example in kind.examples]
    watched = [w for book in books for rule in book.rules if rule.rule.id == kind.name for w in rule.watched]
    levels = {level.name for w in watched for level in w.plan.levels if level is not None}
    assert levels
    assert levels <= KNOWN
