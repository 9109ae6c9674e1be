"""The programs of one rule: its expressions compiled over the tags of a cell, what is wrong with them, what is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from rules.expressions.compiling import Code, Compared, Compiler, Typed, contradictions, depth, told
from rules.expressions.machine import MOST_STACK
from rules.expressions.reading import Node, Unreadable, read
from schemas.problems import Problem
from schemas.registry import Tag

MOST_CODE = 192
PROGRAMS = ("expr", "clear", "high_high", "clear_high_high", "value")
"""In the order in which they lie in the code."""


class Texts(Protocol):
    """The expressions of a rule, empty where there is none."""

    @property
    def expr(self) -> str: ...
    @property
    def value(self) -> str: ...


class Compiled:
    """The programs of a rule over the tags of a cell, and what is wrong with them."""

    def __init__(self, tags: Mapping[str, Tag], params: Texts) -> None:
        self.problems: list[Problem] = []
        self.compiler = Compiler(tags)
        self.programs: dict[str, Code] = {}
        self.compared: dict[str, list[Compared]] = {}
        self.value: Typed | None = None
        read_trees = dict(trees(params))
        for field, tree in read_trees.items():
            if field == "value":
                self.value = self._checked(field, self.compiler.number, tree)
            else:
                self._checked(field, self.compiler.condition, tree)
        for begins, ends in (("expr", "clear"), ("high_high", "clear_high_high")):
            for wrong in contradictions(self.compared.get(begins, ()), self.compared.get(ends, ())):
                self.problems.append(problem(ends, wrong))
        self.unit, self.limits = "", dict.fromkeys(("expr", "high_high"))
        if not self.problems and len(self.programs) == len(read_trees) and "expr" in read_trees:
            self._tell(params)
            self._bounds()

    def _checked(self, field: str, compile_it: Any, tree: Node) -> Typed | None:
        self.compiler.problems, self.compiler.compared = [], []
        found: Typed | None = compile_it(tree)
        self.problems += (problem(field, wrong) for wrong in self.compiler.problems)
        self.compared[field] = sorted(self.compiler.compared, key=lambda c: c.column)
        if found is not None:
            self.programs[field] = found.code
        return found

    def _tell(self, params: Texts) -> None:
        """What is told: the number, its unit, and the limit that it is compared with."""
        first = next((c for c in self.compared["expr"] if c.limit is not None), self.compared["expr"][0])
        value = self.value if params.value.strip() else Typed(first.code, first.quantity)
        assert value is not None
        self.programs["value"], self.unit, conversion = told(value)
        for field in self.limits:
            same = (c.limit for c in self.compared.get(field, ()) if c.code == value.code and c.limit is not None)
            limit = next(same, None)
            self.limits[field] = None if limit is None else conversion(limit)

    def _bounds(self) -> None:
        size = sum(map(len, self.programs.values()))
        if size > MOST_CODE or max(map(depth, self.programs.values())) > MOST_STACK:
            message = f"the expressions of this rule make {size} steps, more than the {MOST_CODE} that one may have"
            self.problems.append(Problem.of("params.expr", message, "split it into several rules"))


def problem(field: str, wrong: Unreadable) -> Problem:
    return Problem.of(f"params.{field}", f"column {wrong.column}: {wrong.reason}", wrong.cure)


def trees(params: Texts) -> Iterator[tuple[str, Node]]:
    """The trees of all expressions that can be read."""
    for field in PROGRAMS:
        text = getattr(params, field)
        try:
            if text.strip():
                yield field, read(text)
        except Unreadable:
            continue  # `check` says so


def named_in(params: Texts) -> dict[str, tuple[str, Node]]:
    """Every tag that is named, with the first place where it is."""
    found: dict[str, tuple[str, Node]] = {}
    for field, tree in trees(params):
        for node in tree.tags():
            found.setdefault(node.tag, (field, node))
    return found
