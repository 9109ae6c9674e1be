"""From text to a tree: what is written, and where.

    or         = and { "or" and }
    and        = not { "and" not }
    not        = "not" not | comparison
    comparison = sum [ ( "<" | "<=" | ">" | ">=" | "==" | "!=" ) sum ]
    sum        = product { ( "+" | "-" ) product }
    product    = factor { ( "*" | "/" ) factor }
    factor     = "-" factor | number [ unit ] | "{" tag "}" | "(" or ")" | function "(" or { "," or } ")"
    function   = "min" | "max" | "mean" | "abs" | "if"

Written by hand because two of its words (a tag in braces, the unit behind a number) are in no library's grammar, and
because a person who writes a rule deserves to be told the column and the cure. Length, depth and size are bounded, so
no text can exhaust anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from schemas.quantities import BARE, Quantity, written
from schemas.units import UnitError

MOST_CHARACTERS = 1000
MOST_DEEP = 24
MOST_NODES = 120
FUNCTIONS = {"min": (2, 16), "max": (2, 16), "mean": (2, 16), "abs": (1, 1), "if": (3, 3)}
"""The fewest and the most arguments of each."""
COMPARISONS = ("<=", ">=", "==", "!=", "<", ">")
_WORDS = ("and", "or", "not", *FUNCTIONS)
_WIDE = str.maketrans("（），＞＜＋－＊／｛｝％　＝！．×÷−", "(),><+-*/{}% =!.*/-")
"""One character for one, so columns stay: what an input method for Chinese writes."""
_SIGNS = {"≥": ">=", "≤": "<=", "≠": "!="}
_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<tag>\{[^{}]*\})"
    r"|(?P<sign><=|>=|==|!=|[<>+\-*/(),≥≤≠])|(?P<word>[^\W\d]\w*)",
)
_UNIT = re.compile(r"\s*(?P<unit>(?:[^\W\d_]|[%°℃µ])[^\s,<>=!+*{}≥≤≠]*)")
_CURES = {
    "=": "write ==",
    "&": "write and",
    "|": "write or",
    "!": "write not",
    "{": "a tag stands between { and }",
    "}": "a tag stands between { and }",
    "'": "a tag stands between { and }",
    '"': "a tag stands between { and }",
    "^": "write a product",
    "%": "% is a unit and stands behind a number",
}


class Unreadable(ValueError):
    """What is wrong at which column, and the cure."""

    def __init__(self, column: int, reason: str, cure: str) -> None:
        super().__init__(f"column {column}: {reason}; {cure}")
        self.column = column
        self.reason = reason
        self.cure = cure


@dataclass(frozen=True, slots=True)
class Node:
    """`what` is an operator, a function, "number" or "tag"; `column` counts from 1."""

    what: str
    column: int
    parts: tuple[Node, ...] = ()
    value: float = 0.0
    quantity: Quantity = BARE
    tag: str = ""

    def tags(self) -> Iterator[Node]:
        """Every tag in it, in the order in which they are written."""
        if self.what == "tag":
            yield self
        for part in self.parts:
            yield from part.tags()


@dataclass(frozen=True, slots=True)
class _Token:
    what: str
    column: int
    text: str
    value: float = 0.0
    quantity: Quantity = BARE


@lru_cache(maxsize=256)
def read(text: str) -> Node:
    """The tree of an expression. Raises `Unreadable`."""
    if len(text) > MOST_CHARACTERS:
        raise Unreadable(MOST_CHARACTERS + 1, f"{len(text)} characters are too many", "split it into several rules")
    return _Reader(list(_tokens(text.translate(_WIDE)))).whole()


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            shown = text[at]
            cure = _CURES.get(shown, "see the page on expressions for what can be written")
            raise Unreadable(at + 1, f"{shown!r} is no sign of this language", cure)
        column, piece, at = at + 1, found.group(), found.end()
        match found.lastgroup:
            case "number":
                quantity, at = _unit_behind(text, at)
                value = float(piece)
                if value - value != 0.0:
                    raise Unreadable(column, f"{_short(piece)} is too large", "write a number that can be measured")
                yield _Token("number", column, piece, value, quantity)
            case "tag":
                yield _Token("tag", column, piece[1:-1].strip())
            case "sign":
                yield _Token("sign", column, _SIGNS.get(piece, piece))
            case "word" if piece.casefold() in _WORDS:
                yield _Token("word", column, piece.casefold())
            case "word":
                raise Unreadable(
                    column,
                    f"{_short(piece)} is no word of this language",
                    f"a tag stands in braces: {{{_short(piece)}}}",
                )
    yield _Token("end", len(text) + 1, "")


def _unit_behind(text: str, at: int) -> tuple[Quantity, int]:
    """The longest unit that is written here, and where it ends; none before a word or a sign."""
    found = _UNIT.match(text, at)
    if found is None:
        return BARE, at
    start, piece = found.start("unit"), found["unit"]
    word = re.match(r"\w*", piece)
    if (
        word is not None
        and word.group().casefold() in _WORDS
        and not (word.group() == "min" and not _calls(text, start))
    ):
        return BARE, at
    wrong: UnitError | None = None
    for end in range(len(piece), 0, -1):
        behind = piece[end : end + 1]
        if behind and behind not in "/()":
            continue
        try:
            return written(piece[:end]), start + end
        except UnitError as error:
            wrong = error
    assert wrong is not None
    raise Unreadable(start + 1, wrong.reason, wrong.cure)


def _calls(text: str, at: int) -> bool:
    """Whether the word at this place is a function with its bracket."""
    return re.match(r"\w+\s*\(", text[at:]) is not None


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."


class _Reader:
    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens = tokens
        self.place = 0
        self.depth = 0
        self.count = 0

    @property
    def token(self) -> _Token:
        return self.tokens[self.place]

    def whole(self) -> Node:
        if self.token.what == "end":
            raise Unreadable(1, "there is nothing", "write a condition, such as {TI-101} > 80 degC")
        found = self.either()
        if self.token.what != "end":
            raise self.unexpected("an operator such as > or and")
        return found

    def taken(self, *texts: str) -> _Token | None:
        """The next token when it is one of these signs or words."""
        token = self.token
        if token.what in ("sign", "word") and token.text in texts:
            self.place += 1
            return token
        return None

    def unexpected(self, wanted: str) -> Unreadable:
        token = self.token
        if token.what == "end":
            return Unreadable(token.column, "it ends too early", f"here belongs {wanted}")
        return Unreadable(token.column, f"{_short(token.text)!r} does not belong here", f"here belongs {wanted}")

    def node(self, what: str, column: int, *parts: Node) -> Node:
        self.counted(column)
        return Node(what, column, parts)

    def counted(self, column: int) -> None:
        self.count += 1
        if self.count > MOST_NODES:
            raise Unreadable(
                column, f"more than {MOST_NODES} numbers, tags and operators", "split it into several rules"
            )

    def deeper(self, column: int) -> None:
        self.depth += 1
        if self.depth > MOST_DEEP:
            raise Unreadable(column, f"nested more than {MOST_DEEP} deep", "split it into several rules")

    def chain(self, operators: tuple[str, ...], deeper: str) -> Node:
        found: Node = getattr(self, deeper)()
        while (sign := self.taken(*operators)) is not None:
            found = self.node(sign.text, sign.column, found, getattr(self, deeper)())
        return found

    def either(self) -> Node:
        return self.chain(("or",), "both")

    def both(self) -> Node:
        return self.chain(("and",), "inverse")

    def inverse(self) -> Node:
        if (sign := self.taken("not")) is None:
            return self.comparison()
        self.deeper(sign.column)
        found = self.node("not", sign.column, self.inverse())
        self.depth -= 1
        return found

    def comparison(self) -> Node:
        left = self.sum()
        if (sign := self.taken(*COMPARISONS)) is None:
            return left
        found = self.node(sign.text, sign.column, left, self.sum())
        if (again := self.taken(*COMPARISONS)) is not None:
            raise Unreadable(again.column, "a second comparison", "join two with and: a < b and b < c")
        return found

    def sum(self) -> Node:
        return self.chain(("+", "-"), "product")

    def product(self) -> Node:
        return self.chain(("*", "/"), "factor")

    def factor(self) -> Node:
        token = self.token
        self.deeper(token.column)
        try:
            return self._factor(token)
        finally:
            self.depth -= 1

    def _factor(self, token: _Token) -> Node:
        if self.taken("-") is not None:
            return self.node("neg", token.column, self.factor())
        if self.taken("(") is not None:
            found = self.either()
            self.closed(token)
            return found
        if token.what == "word" and token.text in FUNCTIONS:
            self.place += 1
            return self.called(token)
        if token.what not in ("number", "tag"):
            raise self.unexpected("a number, a tag in braces or a bracket")
        self.place += 1
        self.counted(token.column)
        if token.what == "number":
            return Node("number", token.column, value=token.value, quantity=token.quantity)
        return Node("tag", token.column, tag=token.text)

    def called(self, token: _Token) -> Node:
        fewest, most = FUNCTIONS[token.text]
        if self.taken("(") is None:
            raise self.unexpected(f"( after {token.text}")
        parts = [self.either()]
        while self.taken(",") is not None:
            parts.append(self.either())
        self.closed(token)
        if not fewest <= len(parts) <= most:
            wanted = str(fewest) if fewest == most else f"{fewest} to {most}"
            raise Unreadable(token.column, f"{token.text} with {len(parts)} values", f"give it {wanted}")
        return self.node(token.text, token.column, *parts)

    def closed(self, opened: _Token) -> None:
        if self.taken(")") is None:
            raise self.unexpected(f") for the bracket of column {opened.column}")
