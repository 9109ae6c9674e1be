"""`load_config`: a configuration file and its tag lists -> `Config`, or every problem of all of them at once."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from alerting.channels import ChannelConfig
from alerting.channels import kinds as channel_kinds
from alerting.contacts import Contact
from console.config import ConsoleConfig
from hazwatch.config import judge
from hazwatch.config.log import LogConfig
from hazwatch.config.model import Config
from hazwatch.config.models import ModelFile, read_models
from hazwatch.config.numbers import numbered
from hazwatch.config.paths import Places, Row
from hazwatch.config.problems import ConfigProblems
from hazwatch.config.tables import Tables, read_toml
from hazwatch.config.tags_csv import read_tags
from historian.config import HistorianConfig
from ingest.config import MqttConfig, SourceConfig
from schemas.majorhazard import graded
from schemas.models import Model
from schemas.problems import Problem
from schemas.registry import Enterprise, Equipment, HazardSource, Park, Revision, Route, Rule, Struct, Tag

S = TypeVar("S", bound=msgspec.Struct)
_OF_TAG = re.compile(r"tags\[(.*?)\]")
replace = msgspec.structs.replace


class TagFiles(Struct, frozen=True, kw_only=True):
    """`[tags]`: the tag lists, relative to the configuration file. `list` holds the text of a further one, for a
    configuration that is one file."""

    files: tuple[str, ...] = ()
    list: str = ""


ARRAYS: dict[str, type[msgspec.Struct]] = {
    "park": Park,
    "enterprise": Enterprise,
    "hazard_source": HazardSource,
    "equipment": Equipment,
    "rule": Rule,
    "route": Route,
    "source": SourceConfig,
    "contact": Contact,
    "model": ModelFile,
}
"""The arrays of tables of a configuration file; `[[channel]]` stands apart, its fields follow from its kind."""

SINGLE: dict[str, type[msgspec.Struct]] = {
    "tags": TagFiles,
    "mqtt": MqttConfig,
    "log": LogConfig,
    "historian": HistorianConfig,
    "console": ConsoleConfig,
}
"""The tables that stand once; all of them may be left out."""


def load_config(file: Path, *, rules: bool = True, models: bool = True) -> Config:
    """The configuration in this file. Raises `ConfigProblems` with everything that is wrong.

    With `rules` False the rules are not compiled against the tags, which spares a process that has no use for them the
    second that this takes. With `models` False their files are not read, for the process that writes them.
    """
    return _Loader(file.absolute(), models).load(rules)


class _Loader:
    def __init__(self, file: Path, models: bool) -> None:
        self._file = file
        self._reads_models = models
        self._folder = file.parent
        self._tables = Tables(file.name)
        self._problems: list[Problem] = []
        self._rows: dict[str, Row] = {}

    def load(self, rules: bool) -> Config:
        found, problems = read_toml(self._file, self._file.name)
        if problems and not found:
            raise ConfigProblems(problems)
        self._tables.keys(found, (*ARRAYS, *SINGLE, "channel"), "")
        config = self._config(found)
        order = {name: _names(found, name) for name in (*ARRAYS, "channel")}
        written = {name for names in order.values() for name in names}
        places = Places(self._file.name, self._rows, order)
        problems += [*self._tables.problems, *self._problems]
        faults = [
            p
            for p in judge.faults(config, channels=order["channel"], recipients=order["contact"])
            if not self._told_already(p, written)
        ]
        advice: list[Problem] = []
        spoiled = self._rows.keys() - {t.name for t in config.revision.tags}
        spoiled |= {tag[1] for p in faults if (tag := _OF_TAG.match(p.path))}
        if rules:
            more, advice = judge.rules_judged(config.revision, spoiled)
            told = {p.path for p in faults}
            faults += (p for p in more if p.path not in told and not self._told_already(p, written))
        if not problems and not faults:
            faults += judge.mapping_faults(config)
        problems += dict.fromkeys(map(places.of, faults))
        if problems:
            raise ConfigProblems(problems)
        return replace(config, advice=tuple(map(places.of, [*judge.advised(config), *advice])))

    def _config(self, found: Mapping[str, Any]) -> Config:
        """What could be read; tables with problems are left out, and the problems kept."""
        arrays: dict[str, Any] = {
            name: self._tables.many(found.get(name, []), kind, name) for name, kind in ARRAYS.items()
        }
        single: dict[str, Any] = {name: self._single(found.get(name, {}), kind, name) for name, kind in SINGLE.items()}
        revision = Revision(
            number=1,
            parks=arrays["park"],
            enterprises=arrays["enterprise"],
            hazard_sources=tuple(map(graded, arrays["hazard_source"])),
            equipment=arrays["equipment"],
            tags=numbered(self._tags(single["tags"], arrays)),
            rules=arrays["rule"],
            routes=arrays["route"],
            models=tuple(self._models(arrays["model"])),
        )
        return Config(
            file=self._file,
            tag_files=tuple(self._folder / name for name in single["tags"].files),
            revision=revision,
            sources=arrays["source"],
            contacts=arrays["contact"],
            channels=tuple(self._absolute(c) for c in self._channels(found.get("channel", []))),
            mqtt=self._absolute(single["mqtt"]),
            log=self._absolute(single["log"]),
            historian=self._absolute(single["historian"]),
            console=single["console"],
        )

    def _single(self, value: object, kind: type[msgspec.Struct], name: str) -> msgspec.Struct:
        made = self._tables.one(value, kind, f"[{name}]")
        return kind() if made is None else made

    def _channels(self, tables: object) -> list[ChannelConfig]:
        made: list[ChannelConfig] = []
        for index, table in enumerate(_tables_in(tables), 1):
            path = f"[[channel]][{index}]"
            kind = channel_kinds().get(str(table.get("kind", "")))
            if kind is None:
                cure = f"kind is one of {', '.join(channel_kinds())}"
                self._tables.refuse(f"{path}.kind", f"{table.get('kind', '')!r} is no kind of channel", cure)
                continue
            one = self._tables.one(table, kind.config, path)
            if one is not None:
                made.append(one)
        return made

    def _tags(self, listed: TagFiles, arrays: Mapping[str, Any]) -> list[Tag]:
        source_of = {e.id: e.hazard_source for e in arrays["equipment"]}
        enterprise_of = {s.id: s.enterprise for s in arrays["hazard_source"]}
        tags: list[Tag] = []
        lists: list[tuple[str, bytes]] = []
        for name in listed.files:
            try:
                data = (self._folder / name).read_bytes()
            except OSError as error:
                cure = "paths are relative to the configuration file"
                self._tables.refuse("[tags].files", f"{name!r} cannot be read ({error.strerror})", cure)
                continue
            lists.append((name, data))
        if listed.list:
            lists.append(("[tags].list", listed.list.encode()))
        for name, data in lists:
            found = read_tags(data, name)
            self._problems += found.problems
            for known, number in found.rows.items():
                self._rows.setdefault(known, Row(name, number))
            for tag in found.tags:
                source = tag.hazard_source or source_of.get(tag.equipment, "")
                enterprise = tag.enterprise or enterprise_of.get(source, "")
                tags.append(replace(tag, hazard_source=source, enterprise=enterprise))
        return tags

    def _models(self, listed: Sequence[ModelFile]) -> list[Model]:
        if not self._reads_models:
            return []
        found, problems = read_models(listed, self._folder)
        for problem in problems:
            self._tables.refuse(problem.path, problem.message, problem.cure)
        return found

    def _told_already(self, problem: Problem, written: Collection[str]) -> bool:
        """Whether it misses something that is written down, but could not be read and has a problem of its own."""
        if problem.path == "parks":
            return bool(self._tables.problems)
        missing = re.match(r"there is no [a-z ]+ '(.*)'$", problem.message)
        return missing is not None and (missing[1] in self._rows or missing[1] in written)

    def _absolute(self, struct: S) -> S:
        """The struct with its `*_file` fields made absolute, as they are relative to the configuration file."""
        changes: dict[str, Any] = {}
        for field in struct.__struct_fields__:
            value = getattr(struct, field)
            if field.endswith("_file") and value:
                changes[field] = str(self._folder / value)
            elif field.endswith("_files") and value:
                changes[field] = {name: str(self._folder / path) for name, path in value.items()}
        return replace(struct, **changes) if changes else struct


def _tables_in(value: object) -> list[dict[str, Any]]:
    rows = [value] if isinstance(value, dict) else value
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _names(found: Mapping[str, Any], table: str) -> list[str]:
    """The ids (or names) in an array of tables, readable or not, in their order."""
    return [str(row.get("id", row.get("name", ""))) for row in _tables_in(found.get(table, []))]
