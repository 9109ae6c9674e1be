"""What is wrong with a configuration that could be read, and what deserves a look; each room judges its own part.

Paths are in the words of the registry (`tags[CO-101].high`) or of the file (`[mqtt].port`); `paths.Places` makes them
places in the files.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from alerting import contacts as contact_checks
from hazwatch.config.model import Config
from ingest.config import problems as ingest_problems
from ingest.directory import Directory
from ingest.formats import FORMATS
from schemas.advice import advice
from schemas.checks import check
from schemas.problems import Problem
from schemas.registry import Revision

_SOURCE = re.compile(r"""source(?:\[\d+\])? (?:'([^']*)'|"([^"]*)")\.?([\w.]*):?\s*(.*)""", re.DOTALL)
_MQTT = re.compile(r"mqtt\.(\w+\*?\w*) (.*)", re.DOTALL)
_TAG = re.compile(r"(tags\[.*?\]\.link): (.*)", re.DOTALL)
_NO_SOURCE = "source: "


def faults(config: Config, *, channels: Collection[str], recipients: Collection[str]) -> Iterator[Problem]:
    """Everything wrong. `channels` and `recipients` are the names written down, even those that could not be read."""
    yield from check(config.revision, channels=channels, recipients=recipients)
    yield from contact_checks.check(config.contacts, ())
    for name, times in Counter(c.name for c in config.channels).items():
        if times > 1:
            yield Problem.of(f"channel[{name}].name", f"{name!r} stands {times} times", "give each its own name")
    for channel in config.channels:
        yield from channel.problems()
    for text in ingest_problems(config.mqtt, config.sources, tuple(FORMATS)):
        if not text.startswith(_NO_SOURCE):
            yield _from_ingest(text)
    yield from config.log.problems()
    for problem in config.historian.problems():
        path = re.sub(r"^historian\.", "[historian].", problem.path)
        yield Problem.of(path, problem.message, problem.cure)
    for text in config.console.problems():
        field, _, message = text.partition(": ")
        yield Problem.of(f"[console].{field}", message)


def rules_judged(revision: Revision, spoiled: Collection[str] = ()) -> tuple[list[Problem], list[Problem]]:
    """What is wrong with the rules over these tags, and what deserves a look. Imports the rules, which takes a second.

    `spoiled` are tags that have problems of their own or could not be read: rules that look at one of them are left for
    the time when it is sound, the others are judged all the same.
    """
    from hazwatch.config.reach import unheard
    from rules.contradictions import judge
    from rules.doubts import doubts

    if spoiled:
        return list(judge(_without(revision, spoiled))[1]), []
    book, problems = judge(revision)
    found = list(problems)
    advice: list[Problem] = []
    if book is not None and not problems:
        for serious, problem in unheard(revision, book):
            (found if serious else advice).append(problem)
        advice += doubts(revision, book)
    return found, advice


def _without(revision: Revision, spoiled: Collection[str]) -> Revision:
    """The revision without these tags, and without the rules that may look at one of them by its name."""
    sound = tuple(tag for tag in revision.tags if tag.name not in spoiled)
    kept = [r for r in revision.rules if not any(fnmatchcase(name, p) for name in spoiled for p in r.tags)]
    return msgspec.structs.replace(revision, tags=sound, rules=tuple(kept))


def mapping_faults(config: Config) -> Iterator[Problem]:
    """What the sources say that the registry does not know. For a revision without other faults."""
    directory = Directory.of(config.revision, config.sources, config.log.partitions)
    yield from map(_from_ingest, directory.problems())


def advised(config: Config) -> Iterator[Problem]:
    """What is allowed but deserves a look. For a configuration without faults."""
    yield from advice(config.revision)
    if not config.sources:
        yield Problem.of("[[source]]", "there is no source", "nothing can be received before there is one")
    yield from _missing_files(config)


def _missing_files(config: Config) -> Iterator[Problem]:
    """Secrets and certificates that are not there (yet): a machine that only checks may lack them."""
    for path, part in (
        ("[mqtt]", config.mqtt),
        ("[log]", config.log),
        ("[historian]", config.historian),
        *((f"channel[{c.name}]", c) for c in config.channels),
    ):
        for field, value in msgspec.structs.asdict(part).items():
            files = value.values() if field.endswith("_files") else [value] if field.endswith("_file") else []
            for name in filter(None, files):
                if not Path(name).is_file():
                    yield Problem.of(f"{path}.{field}", f"{name} is not there", "make it before the start")


def _from_ingest(text: str) -> Problem:
    """One of ingest's sentences, which begin with their place, as a problem."""
    if found := _SOURCE.fullmatch(text):
        quoted, doubly, field, message = found.groups()
        name = quoted if quoted is not None else doubly
        return Problem.of(f"source[{name}]{'.' + field if field else ''}", message)
    if found := _MQTT.fullmatch(text):
        return Problem.of(f"[mqtt].{found[1]}", found[2])
    if found := _TAG.fullmatch(text):
        return Problem.of(found[1], found[2], "correct one of the two")
    return Problem.of("[[source]]", text)
