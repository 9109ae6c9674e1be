"""The examples beside the rules of a configuration, run through a real fold."""

from __future__ import annotations

from dataclasses import dataclass

from hazwatch.config.model import Config
from hazwatch.config.paths import Places
from schemas.problems import Problem


@dataclass(frozen=True, slots=True)
class Ran:
    """A case that was run; without problems, what came of it is what it expects."""

    rule: str
    name: str
    problems: tuple[Problem, ...]


def run_rule_cases(config: Config) -> list[Ran]:
    """Every case of every rule, in the order of the file. Compiles the rules, which may take some seconds."""
    from rules.cases import run_cases

    places = Places(config.file.name, {}, {"rule": [rule.id for rule in config.revision.rules]})
    return [
        Ran(result.rule, result.case.name, tuple(map(places.of, result.problems)))
        for result in run_cases(config.revision)
    ]
