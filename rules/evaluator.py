"""One rule at work: the state of its conditions, and the calls of its kind's kernels.

A kernel that throws is undone for the conditions of that record and reported as `RuleFailed`; this rule is skipped for
this record, and nothing else (LAWS C7).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from rules import machine
from rules.admission import Admission
from rules.compiling import kernel
from rules.kinds import NO_ARRAY, Moved
from rules.rulebook import CompiledRule
from rules.screen import Screen
from rules.windows import Held, Windows

Changes = npt.NDArray[np.void]


class RuleFailed(Exception):
    """A kernel of this rule threw; its state is as it was before the record."""


BLOCK = 1024
"""So many rows are saved and then judged: saving fetches what their conditions need into the caches, many lines at a
time, and the state of so many fits there."""
LINE, FETCHED = 64, 256
"""Bytes of a cache line, and so many of a condition's parameters that are fetched ahead: a whole model would drive out
the rest."""


@kernel
def _save(  # type: ignore[no-untyped-def]
    begin, end, index, first, members, params, conditions, gates, memory, remembers, to_conditions, to_gates, to_memory,
    m,
):  # fmt: skip
    """Copy the state of every condition that the rows touch, in the order of the rows, to the places from m on; of
    quiet ones without gates. Returns the next place, and a number that means nothing: the parameters, as bytes (c,
    size), are looked at to fetch them."""
    seen = np.uint8(0)
    for i in range(begin, end):
        j = index[i]
        if j < 0:
            continue
        for k in range(first[j], first[j + 1]):
            c = members[k]
            for at in range(0, min(params.shape[1], FETCHED), LINE):
                seen ^= params[c, at]
            to_conditions[m] = conditions[c]
            if remembers:
                to_memory[m] = memory[c]
            if conditions[c]["quiet"] == 0:
                for g in range(gates.shape[1]):
                    to_gates[m, g] = gates[c, g]
            m += 1
    return m, seen


class Evaluator:
    """The state of one rule in one partition: `conditions` (c,), `gates` (c, levels), `memory` (c,), `due` (1,); and
    the rings of its conditions if its kind keeps samples. `due` is the place where it says when time alone changes
    something (`now`, ns): next to that of the other rules, so that one look tells whether any has to be asked."""

    def __init__(self, compiled: CompiledRule, due: npt.NDArray[np.int64]) -> None:
        self.compiled = compiled
        count, levels = len(compiled.watched), compiled.kind.levels
        self.conditions = np.zeros(count, machine.CONDITION)
        self.conditions["stated"] = machine.UNKNOWN
        self.gates = np.zeros((count, levels), machine.GATE)
        self.memory = np.zeros(count, compiled.kind.memory_dtype)
        self.due = due
        self.windows: Windows | None = None
        if (dtype := compiled.kind.window_dtype) is not None:
            self.windows = Windows(dtype, [w.plan.samples for w in compiled.watched], compiled.slot)
        self.screen = Screen(compiled, self.conditions) if compiled.kind.calm is not None else None
        self._most = compiled.most_per_tag
        self._remembers = compiled.kind.memory_dtype is not NO_ARRAY
        self._params = compiled.params.view(np.uint8).reshape(count, compiled.params.dtype.itemsize)
        self._by_link: dict[int, slice | npt.NDArray[np.intp]] = {}
        self._grow(512)

    def _grow(self, rows: int) -> None:
        room = max(rows * self._most, len(self.conditions))
        self._out = np.zeros(room, machine.CHANGE)
        self._saved = (
            np.zeros(room, machine.CONDITION),
            np.zeros((room, self.gates.shape[1]), machine.GATE),
            np.zeros(room, self.memory.dtype),
        )
        if self.windows is not None:
            self.windows.grow(room)

    @property
    def id(self) -> str:
        return self.compiled.rule.id

    @cached_property
    def layout(self) -> str:
        """What a snapshot of this state must match: the conditions in their order, and the shapes of the arrays."""
        arrays = self.arrays
        shapes = " ".join(f"{a.shape}{a.dtype.descr}" for a in arrays)
        return f"{self.id} {self.compiled.kind.name} {self.compiled.digest} {shapes}"

    @property
    def arrays(self) -> tuple[npt.NDArray[np.void], ...]:
        """All that is kept, in the order in which a snapshot has it."""
        samples = () if self.windows is None else (self.windows.samples,)
        return (self.conditions, self.gates, self.memory, *samples)

    def take(self, arrays: Iterator[npt.NDArray[np.void]]) -> None:
        """Go on with these as the state, the next ones of `arrays`; they are like `self.arrays`."""
        self.conditions, self.gates, self.memory = next(arrays), next(arrays), next(arrays)
        if self.windows is not None:
            self.windows.samples = next(arrays)
        self.due[0] = 0  # recomputed at the next record
        self.resumed()

    @property
    def nothing(self) -> Changes:
        """No changes."""
        return self._out[:0]

    def identity(self, c: int) -> tuple[str, str, str]:
        """The name of condition c: (rule, subject, side)."""
        watched = self.compiled.watched[c]
        return self.id, watched.subject, watched.plan.side

    def rows(self, n: int, admission: Admission, now_ns: int, append_ns: int) -> Changes:
        """Apply the first n admitted rows. Raises `RuleFailed`."""
        if n * self._most > len(self._out):
            self._grow(n)
        index = admission.index
        if self.screen is not None:
            kept = self.screen.kept(n, index, admission.value, admission.quality)
            if kept is None:
                return self.nothing
            index = kept
        changes = self._blocks(n, index, admission, self._held(), now_ns, append_ns)
        if self.screen is not None:
            self.screen.settle(index[:n], self.conditions)
        return self._out[:changes]

    def _blocks(
        self,
        n: int,
        index: npt.NDArray[np.int32],
        a: Admission,
        held: npt.NDArray[np.void] | Held,
        now_ns: int,
        append_ns: int,
    ) -> int:
        """Judge the rows of `index`, a block after the other; returns the number of changes."""
        c = self.compiled
        saved = changes = 0
        for begin in range(0, n, BLOCK):
            end = min(n, begin + BLOCK)
            before, found = saved, changes
            saved, _ = _save(
                begin, end, index, c.first, c.members, self._params, self.conditions, self.gates, self.memory,
                self._remembers, *self._saved, saved,
            )  # fmt: skip
            if saved == before:
                continue
            try:
                changes += c.kind.rows(
                    end - begin, index[begin:], a.flags[begin:], a.at[begin:], a.value[begin:], a.quality[begin:],
                    c.first, c.members, self.conditions, self.gates, c.setup, c.params, held, now_ns, append_ns,
                    self._out[changes:], self.due,
                )  # fmt: skip
            except Exception as error:
                self._undo(index[:end], saved)
                raise RuleFailed(_reason(error)) from error
            if begin and changes > found:
                self._out["row"][found:changes] += begin
        return changes

    def _held(self) -> npt.NDArray[np.void] | Held:
        return self.memory if self.windows is None else self.windows.begin(self.memory)

    def value(self, c: int) -> float | None:
        """What the kind judged of condition c; None where that is the reading itself."""
        return float(self.memory[c]["value"]) if "value" in (self.memory.dtype.names or ()) else None

    def figures(self, c: int) -> Sequence[float]:
        """What the kind tells of condition c beside the value."""
        return self.memory[c]["figures"].tolist() if "figures" in (self.memory.dtype.names or ()) else ()

    def _undo(self, index: npt.NDArray[np.int32], saved: int) -> None:
        touched = np.concatenate([self.compiled.members[a:b] for a, b in self._spans(index)])
        touched, at = np.unique(touched, return_index=True)  # the first copy of each is what it was before the record
        conditions, gates, memory = (copies[:saved][at] for copies in self._saved)
        self.conditions[touched] = conditions
        if self._remembers:
            self.memory[touched] = memory
        quiet = conditions["quiet"] != 0
        self.gates[touched[~quiet]] = gates[~quiet]
        self.gates["phase"][touched[quiet]] = machine.IDLE
        if self.windows is not None:
            self.windows.undo()
        self.due[0] = 0  # recomputed at the next record

    def _spans(self, index: npt.NDArray[np.int32]) -> Iterator[tuple[int, int]]:
        first = self.compiled.first
        return ((int(first[j]), int(first[j + 1])) for j in index.tolist() if j >= 0)

    def fire(self, now_ns: int, append_ns: int) -> Changes:
        """What has fallen due, at row -1 (LAWS T3)."""
        # what fires was not quiet and is not so afterwards: the screen stands
        changes = machine.fire(self.conditions, self.gates, self.compiled.setup, now_ns, append_ns, self._out, self.due)
        return self._out[:changes]

    @property
    def heard(self) -> list[int]:
        """The links whose heartbeats may say anything to this rule."""
        links: list[int] = np.unique(self.compiled.setup["link"]).tolist()
        return [] if self.compiled.kind.beat is None else links

    def _linked(self, link: int) -> slice | npt.NDArray[np.intp]:
        """The conditions whose first tag comes over this link; usually they lie side by side."""
        if link not in self._by_link:
            mine = np.flatnonzero(self.compiled.setup["link"] == link)
            low, high = int(mine.min(initial=len(self.conditions))), int(mine.max(initial=-1)) + 1
            self._by_link[link] = slice(low, high) if high - low == len(mine) else mine
        return self._by_link[link]

    def beat(self, link: int, since_ns: int, admission: Admission, now_ns: int, append_ns: int, row: int) -> Changes:
        """Judge the silence of a link's tags (LAWS T5). Raises `RuleFailed`."""
        c = self.compiled
        assert c.kind.beat is not None
        mine = self._linked(link)
        before = self.conditions[mine].copy(), self.gates[mine].copy(), self.memory[mine].copy()
        try:
            changes = c.kind.beat(
                link, since_ns, c.tag_at, admission.state, self.conditions, self.gates, c.setup, c.params,
                self._held(), now_ns, append_ns, row, self._out, self.due,
            )  # fmt: skip
        except Exception as error:
            self.conditions[mine], self.gates[mine], self.memory[mine] = before
            if self.windows is not None:
                self.windows.undo()
            raise RuleFailed(_reason(error)) from error
        if self.screen is not None:
            self.screen.settle(c.tag_at[mine], self.conditions)
        return self._out[:changes]

    def resumed(self) -> None:
        """Take note that the state of any condition may have changed."""
        if self.screen is not None:
            self.screen.settle_all(self.conditions)

    def active(self) -> npt.NDArray[np.intp]:
        """The conditions that are stated above normal."""
        return np.flatnonzero(self.conditions["stated"] > 0)

    def inherit(self, old: Evaluator) -> None:
        """Take over the state of every condition that the same rule had before (a rule with changed parameters keeps
        the level that it had, and looks again at the next row)."""
        before = {w.key: i for i, w in enumerate(old.compiled.watched)}
        pairs = [(i, before[w.key]) for i, w in enumerate(self.compiled.watched) if w.key in before]
        if not pairs or old.compiled.kind.name != self.compiled.kind.name:
            return
        mine, its = np.array(pairs).T
        self.conditions[mine] = old.conditions[its]
        self.gates[mine] = old.gates[its]
        moved = self.compiled.kind.moved
        if self.windows is not None and old.windows is not None and moved is None:
            # a ring of another size begins anew, and so does what the kind knows of it
            pairs = [(to, source) for to, source in pairs if self.windows.inherit(to, old.windows, source)]
            mine, its = np.array(pairs, np.int64).reshape(-1, 2).T
        self.memory[mine] = old.memory[its]
        if moved is not None:
            for to, source in pairs:
                self._seat(moved, to, old, source)
        self.due[0] = 0
        self.resumed()

    def _seat(self, moved: Moved, c: int, old: Evaluator, its: int) -> None:
        """Take over what each tag of condition c said last, wherever its place was."""
        assert self.windows is not None and old.windows is not None
        numbers, before = self._tags(c), {number: place for place, number in enumerate(old._tags(its))}
        places = [before.get(number, -1) for number in numbers]
        ring = self.windows.seat(c, old.windows, its, numbers, places)
        moved(self.memory[c], ring, numbers, places)

    def _tags(self, c: int) -> list[int]:
        """The numbers of the tags that condition c keeps a sample of, in the order of its ring."""
        plan = self.compiled.watched[c].plan
        return [t.number for t in plan.tags[: plan.samples]]


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
