"""What one rule set has said so far, as the alarm book hears it.

Live and candidate are heard in the same way: each change at the append time of the record of `readings` that made it,
whenever it was appended to `events`, so that the same rules give the same story. A process's own faults (LAWS C2) have
no such record and are no matter of the rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from alerting.book import Book
from hazwatch.backtest.story import Gatherer, Span, Spell, Story
from hazwatch.replay.line import Happened
from schemas.changes import ConditionChange, ConditionChanges
from schemas.records import Kind, encode


class Heard:
    """The alarm book and the story of one rule set; copies that twins append collapse in the book (LAWS C4)."""

    def __init__(self, incarnation: int) -> None:
        self._book = Book(0, incarnation, recorded=True)
        self._gatherer = Gatherer()
        self.changes = 0

    def hear(self, said: Sequence[ConditionChange]) -> None:
        """Take changes in the order in which they were said."""
        known = [change for change in said if change.cause is not None]
        self.changes += len(known)
        for at_ns, together in groupby(known, key=lambda change: change.at_ns):
            value = encode(ConditionChanges(changes=tuple(together)))
            outputs = self._book.apply(self._book.next_offset, at_ns, Kind.CHANGES, value)
            for transition in outputs.transitions:
                self._gatherer.hear(Happened(transition, at_ns))

    def story(self, span: Span) -> Story:
        """What lies in the span; an alarm that stood already when it began, stands from its beginning."""
        whole = self._gatherer.story(Span(span.begin_ns, max(span.end_ns, self._gatherer.last_ns)))
        calls = tuple(call for call in whole.calls if span.begin_ns <= call.at_ns <= span.end_ns)
        spells = sorted(
            (_within(spell, span) for spell in whole.spells if _touches(spell, span)),
            key=lambda spell: (spell.begin_ns, spell.condition),
        )
        return Story(calls, tuple(spells), span)


def _touches(spell: Spell, span: Span) -> bool:
    return spell.begin_ns <= span.end_ns and (spell.end_ns > span.begin_ns or spell.begin_ns >= span.begin_ns)


def _within(spell: Spell, span: Span) -> Spell:
    return replace(
        spell,
        begin_ns=max(spell.begin_ns, span.begin_ns),
        end_ns=min(spell.end_ns, span.end_ns),
        open=spell.open or spell.end_ns > span.end_ns,
    )
