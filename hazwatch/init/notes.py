"""What could not be decided, for people to decide."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.text import Text

SHOWN = 6


@dataclass(frozen=True, slots=True)
class Note:
    """An open question: the cell that it is about ("" for the whole list), the question, and the names concerned."""

    cell: str
    text: Text
    names: tuple[str, ...] = ()

    def told(self, *, chinese: bool) -> str:
        where = "" if not self.cell else f"单元 {self.cell}：" if chinese else f"cell {self.cell}: "
        names = listed(self.names, chinese=chinese)
        behind = "" if not names else f"（{names}）" if chinese else f" ({names})"
        return f"{where}{said(self.text, chinese=chinese)}{behind}"


def said(text: Text, *, chinese: bool) -> str:
    return text.zh if chinese else text.en


def listed(names: Iterable[str], *, chinese: bool) -> str:
    """The first few names, and how many more there are."""
    found = list(dict.fromkeys(names))
    shown = ("、" if chinese else ", ").join(found[:SHOWN])
    if len(found) <= SHOWN:
        return shown
    return f"{shown} 等 {len(found)} 个" if chinese else f"{shown} and {len(found) - SHOWN} more"
