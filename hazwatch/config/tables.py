"""From tables of a TOML file to frozen structs: unknown keys refused, every problem found, each with its path.

msgspec stops at the first error of a value, so tables are walked here and msgspec converts what has no table inside.
Paths are written as the file writes its headings: `[mqtt].port`, `[[source]][2].format` (the second one).
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import msgspec

from schemas.problems import Problem
from schemas.text import Text

S = TypeVar("S", bound=msgspec.Struct)
MISSING = object()
_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text in quotes",
    "bool": "true or false",
    "array": "a list in [ ]",
    "object": "a table",
}


def read_toml(file: Path, shown: str) -> tuple[dict[str, Any], list[Problem]]:
    """The tables of a TOML file and what is wrong with the file itself; with problems the tables may be empty."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        return {}, [Problem.of(shown, f"it cannot be read ({error.strerror})", "check the path and its permissions")]
    except UnicodeDecodeError as error:
        return {}, [Problem.of(shown, f"byte {error.start} is not UTF-8", "save the file as UTF-8")]
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return {}, [Problem.of(shown, str(error), "correct the line; nothing after it was read")]
    except RecursionError:
        return {}, [Problem.of(shown, "brackets within brackets without end", "close what was opened")]
    return tables, [
        Problem.of(f"{shown}: {path}", f"{value} is not a finite number", "write a number")
        for path, value in _floats(tables, "")
        if not math.isfinite(value)
    ]


def _floats(value: object, path: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, float):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _floats(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, inner in enumerate(value, 1):
            yield from _floats(inner, f"{path}[{index}]")


class Tables:
    """Converts tables of one file and remembers what is wrong with them."""

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self.problems: list[Problem] = []

    def refuse(self, path: str, message: str, cure: str) -> None:
        self.problems.append(Problem.of(f"{self._shown}: {path}" if path else self._shown, message, cure))

    def keys(self, table: Mapping[str, Any], known: Iterable[str], path: str) -> None:
        """Complains about each key that is not among the known ones, with the one that was probably meant."""
        names = sorted(known)
        for key in table:
            if key not in names:
                close = get_close_matches(key, names, n=1)
                cure = f"did you mean {close[0]!r}?" if close else "known are " + ", ".join(names)
                self.refuse(f"{path}.{key}" if path else _heading(key, table[key]), f"there is no {key!r} here", cure)

    def many(self, value: object, kind: type[S], name: str) -> tuple[S, ...]:
        """The structs of an array of tables `[[name]]`; a single table `[name]` counts as one."""
        rows = [value] if isinstance(value, dict) else value
        if not isinstance(rows, list):
            self.refuse(f"[[{name}]]", "expected tables", f"write [[{name}]] and its fields below it")
            return ()
        made = (self.one(row, kind, f"[[{name}]][{index}]") for index, row in enumerate(rows, 1))
        return tuple(one for one in made if one is not None)

    def one(self, value: object, kind: type[S], path: str) -> S | None:
        """The struct of one table, None (and problems) when it cannot be made."""
        if kind is Text and isinstance(value, str):
            return kind(value, value)
        if not isinstance(value, dict):
            self.refuse(path, "expected a table", f"give its fields: {', '.join(kind.__struct_fields__)}")
            return None
        fields = {f.encode_name: f for f in msgspec.structs.fields(kind)}
        self.keys(value, fields, path)
        made: dict[str, Any] = {}
        whole = True
        for key, field in fields.items():
            if key not in value:
                if field.required:
                    self.refuse(path, f"{key} is missing", "add it")
                    whole = False
                continue
            converted = self._field(value[key], field.type, f"{path}.{key}")
            if converted is MISSING:
                whole = False
            else:
                made[field.name] = converted
        return kind(**made) if whole else None

    def _field(self, value: object, annotation: Any, path: str) -> object:
        if _is_struct(annotation):
            made = self.one(value, annotation, path)
            return MISSING if made is None else made
        inner = get_args(annotation)
        if get_origin(annotation) is tuple and len(inner) == 2 and inner[1] is Ellipsis and _is_struct(inner[0]):
            if not isinstance(value, list):
                self.refuse(path, "expected tables", "write a list of tables")
                return MISSING
            parts = [self.one(row, inner[0], f"{path}[{index}]") for index, row in enumerate(value, 1)]
            return MISSING if None in parts else tuple(parts)
        try:
            return msgspec.convert(value, annotation)
        except msgspec.ValidationError as error:
            self.refuse(path + _inside(error), *_explained(error))
            return MISSING


def _is_struct(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)


def _heading(key: str, value: object) -> str:
    if isinstance(value, dict):
        return f"[{key}]"
    return f"[[{key}]]" if isinstance(value, list) else key


def _inside(error: msgspec.ValidationError) -> str:
    """Where in the value the error lies: `[2]` from msgspec's `$[1]`, counted from one as everywhere."""
    found = re.search(r" - at `\$(.*)`$", str(error))
    if found is None:
        return ""
    return re.sub(r"\[(\d+)\]", lambda m: f"[{int(m[1]) + 1}]", found[1])


def _explained(error: msgspec.ValidationError) -> tuple[str, str]:
    text = re.sub(r" - at `\$.*`$", "", str(error))
    text = re.sub(r"`([a-z]+(?: \| [a-z]+)*)`", lambda m: _in_words(m[1]), text)
    wanted, _, got = text.partition(", got ")
    if not got:
        return text, "correct it"
    return f"this is {got}", wanted[0].lower() + wanted[1:]


def _in_words(types: str) -> str:
    return " or ".join(_WORDS.get(name, name) for name in types.split(" | ") if name != "null")
