"""All that is wrong with a configuration, collected before anything is refused."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.problems import Problem


class ConfigProblems(Exception):
    """The configuration cannot be used; `problems` holds everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = f"{len(self.problems)} problem{'' if len(self.problems) == 1 else 's'}"
        super().__init__("\n".join([f"{count}:", *(f"  {p}" for p in self.problems)]))
