"""What is wrong with a configuration: a value that names the place and the cure."""

from __future__ import annotations

from schemas.registry import Struct


class Problem(Struct, frozen=True, kw_only=True):
    """One problem.

    `path` names the place in the words of the registry, `tags[CO-101].high` or `routes[duty]`; whoever read the
    content from a file turns it into file, row and column. `message` says what is wrong, `cure` what to do.
    """

    path: str
    message: str
    cure: str = ""

    @classmethod
    def of(cls, path: str, message: str, cure: str = "") -> Problem:
        return cls(path=path, message=message, cure=cure)

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" + (f"; {self.cure}" if self.cure else "")
