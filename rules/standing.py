"""All rules of a partition together: rows, timers, silence, restatement, and a change of the rulebook.

Everything here turns numbers into `ConditionChange`s for one record at a time; `rules.engine` says when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from rules import faults, speech
from rules.admission import Admission
from rules.evaluator import Changes, Evaluator, RuleFailed
from rules.faults import Fault, Faults, Here
from rules.machine import NEVER, RESTATEMENT, RETIRED, TIMER
from rules.rulebook import Rulebook
from rules.speech import Moment
from rules.watchers import Watchers
from schemas.batch import Batch
from schemas.changes import Basis, ConditionChange

Identity = tuple[str, str, str]


class Standing:
    """The tags, rules and faults of one partition with their state."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.faults = Faults()
        self._set_up(rulebook)

    def _set_up(self, rulebook: Rulebook) -> None:
        self.rulebook = rulebook
        self.admission = Admission(rulebook.tags)
        self._due = np.full(len(rulebook.rules), NEVER)
        self.evaluators = [Evaluator(r, self._due[i : i + 1]) for i, r in enumerate(rulebook.rules)]
        self._watchers = Watchers(rulebook.rules, len(rulebook.tags))
        self._hearing: list[list[Evaluator]] = [[] for _ in rulebook.links]
        for evaluator in self.evaluators:
            for link in evaluator.heard:
                self._hearing[link].append(evaluator)

    # What a record brings

    def rows(self, batch: Batch, here: Here) -> list[ConditionChange]:
        """The changes of a batch, in the order (row, rule); a rule that threw is told as row 0, before them."""
        if not self.admission.admit(batch, here.offset, here.now_ns, here.append_ns):
            return []
        said: list[tuple[int, int, ConditionChange]] = []
        broken: list[ConditionChange] = []
        for order in self._watchers.of(len(batch), self.admission.index):
            evaluator = self.evaluators[order]
            found = self._guarded(
                evaluator, here, broken, lambda e: e.rows(len(batch), self.admission, here.now_ns, here.append_ns)
            )
            said += ((row, order, change) for row, change in self._spoken(evaluator, found, here))
        said.sort(key=lambda entry: entry[:2])
        return broken + [change for *_, change in said]

    def silence(self, link: str, since_ns: int, here: Here) -> list[ConditionChange]:
        """T5: the tags of `link` that have been silent for too long, silence having counted from `since_ns` on."""
        number = self.rulebook.links.index(link)
        changes: list[ConditionChange] = []
        for evaluator in self._hearing[number]:
            found = self._guarded(
                evaluator,
                here,
                changes,
                lambda e: e.beat(number, since_ns, self.admission, here.now_ns, here.append_ns, here.row),
            )
            changes += (change for _, change in self._spoken(evaluator, found, here))
        return changes

    def _guarded(
        self, evaluator: Evaluator, here: Here, broken: list[ConditionChange], call: Callable[[Evaluator], Changes]
    ) -> Changes:
        """C7: a rule that throws is skipped alone, with its previous state, and makes a fault."""
        try:
            return call(evaluator)
        except RuleFailed as error:
            tripped = self.faults.trip(faults.RULE, evaluator.id, faults.failed(here.offset, str(error)), here)
            broken += self.say(tripped, here, Basis.SELF)
            return evaluator.nothing

    # What time brings

    @property
    def next_due(self) -> int:
        """The `now` before which time alone changes nothing: no timer falls due, and no silence that lasts is told."""
        return min(self.faults.due, int(self._due.min(initial=NEVER)))

    def is_due(self, now_ns: int) -> bool:
        return now_ns >= self.next_due

    def fire(self, here: Here) -> list[ConditionChange]:
        """T3: everything that has fallen due, in the order (due, rule, subject)."""
        fired: list[tuple[int, str, str, ConditionChange]] = []
        for place in np.flatnonzero(self._due <= here.now_ns).tolist():
            evaluator = self.evaluators[place]
            found = evaluator.fire(here.now_ns, here.append_ns)
            for due, c in zip(found["due"].tolist(), found["condition"].tolist(), strict=True):
                change = self._standing(evaluator, c, here, TIMER)
                fired.append((due, change.rule, change.subject, change))
        for due, fault in self.faults.fire(here):
            fired += ((due, c.rule, c.subject, c) for c in self.say(fault, here, Basis.TIMER))
        fired.sort(key=lambda entry: entry[:3])
        return [change for *_, change in fired]

    def restate(self, here: Here, said: set[Identity]) -> list[ConditionChange]:
        """C5: every active condition again, but those that were said in this row already (C1)."""
        again = [
            self._standing(evaluator, c, here, RESTATEMENT)
            for evaluator in self.evaluators
            for c in evaluator.active().tolist()
            if evaluator.identity(c) not in said
        ]
        for fault in self.faults.active():
            again += (c for c in self.say(fault, here, Basis.RESTATEMENT) if (c.rule, c.subject, c.side) not in said)
        return again

    # What a revision brings

    def follow(self, rulebook: Rulebook, here: Here) -> list[ConditionChange]:
        """Take `rulebook` as the rules from here on: the state of what stays is kept (C3), the rest is ended."""
        kept = {(r.rule.id, r.kind.name, w.key) for r in rulebook.rules for w in r.watched}
        ended = [
            self._standing(evaluator, int(c), here, RETIRED, level=0)
            for evaluator in self.evaluators
            for c in np.flatnonzero(evaluator.conditions["stated"] != 0)
            if (evaluator.id, evaluator.compiled.kind.name, evaluator.compiled.watched[c].key) not in kept
        ]
        ended += self._forget(rulebook, here)
        before = {e.id: e for e in self.evaluators}
        admission = self.admission
        self._set_up(rulebook)
        self.admission.inherit(admission)
        for evaluator in self.evaluators:
            if evaluator.id in before:
                evaluator.inherit(before[evaluator.id])
        return ended

    def _forget(self, rulebook: Rulebook, here: Here) -> Iterator[ConditionChange]:
        rules = {r.rule.id for r in rulebook.rules}
        for rule, name in list(self.faults.known):
            if (rule == faults.LINK and name not in rulebook.links) or (rule == faults.RULE and name not in rules):
                fault = self.faults.forget(rule, name)
                yield from self.say(fault and fault.ended(), here, Basis.RETIRED)

    def watch_faults(self, now_ns: int, links: bool) -> None:
        """Begin to watch what is not watched yet: unknown until its first timer (C6)."""
        self.faults.watch(faults.CLOCK, "", now_ns + faults.LASTS[faults.CLOCK])
        self.faults.watch(faults.RECORD, "", now_ns + faults.LASTS[faults.RECORD])
        for evaluator in self.evaluators:
            self.faults.watch(faults.RULE, evaluator.id, now_ns + faults.LASTS[faults.RULE])
        for link in self.rulebook.links if links else ():
            self.faults.watch(faults.LINK, link, now_ns + faults.HEARTBEAT_LIMIT)

    # Words

    def say(self, fault: Fault | None, here: Here, basis: Basis) -> list[ConditionChange]:
        """The fault for every park that it concerns; nothing for None."""
        if fault is None:
            return []
        places = self.rulebook.link_parks.get(fault.name, ()) if fault.rule == faults.LINK else self.rulebook.parks
        return [faults.change(fault, place, here, basis) for place in places]

    def _spoken(self, evaluator: Evaluator, found: Changes, here: Here) -> Iterator[tuple[int, ConditionChange]]:
        """Changes that a row or a heartbeat made, with their rows."""
        compiled = evaluator.compiled
        for row, c, level, basis, _, onset, since, at, value, quality, doubtful, figures in found.tolist():
            received = here.append_ns
            moment = Moment(
                here.at_row(row),
                level,
                basis,
                onset,
                since,
                bool(doubtful),
                at,
                received,
                here.append_ns,
                value,
                quality,
                figures,
            )
            yield row, speech.change(compiled, compiled.watched[c], moment, here.revision, here.partition)

    def _standing(
        self, evaluator: Evaluator, c: int, here: Here, basis: int, level: int | None = None
    ) -> ConditionChange:
        """A change that no row made: the level stated of condition c (or `level`), with its tag's last live reading."""
        compiled = evaluator.compiled
        condition, tag = evaluator.conditions[c], self.admission.state[compiled.tag_at[c]]
        stated = int(condition["stated"]) if level is None else level
        onset, doubtful = here.append_ns, False
        if stated > 0:
            gate = evaluator.gates[c, stated - 1]
            onset, doubtful = int(gate["on_event"]), bool(gate["doubtful"])
        seen = bool(tag["seen"])
        judged = evaluator.value(c)
        if judged is None:
            judged = float(tag["value"]) if seen else float("nan")
        moment = Moment(
            cause=here.cause,
            level=stated,
            basis=basis,
            onset_ns=onset,
            since_ns=int(condition["since"]) if stated > 0 else 0,
            doubtful=doubtful,
            at_ns=int(tag["at"]),
            received_ns=int(tag["live_append"]),
            append_ns=here.append_ns,
            value=judged,
            quality=int(tag["quality"]),
            figures=evaluator.figures(c),
        )
        return speech.change(compiled, compiled.watched[c], moment, here.revision, here.partition)
