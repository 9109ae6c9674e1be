"""The little Markdown that the pages need."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import Any, get_args, get_origin

import msgspec


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; bars in cells are escaped."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def fence(text: str, language: str = "") -> str:
    return f"```{language}\n{text.rstrip()}\n```"


def prose(thing: Any) -> str:
    """The docstring of something, as paragraphs."""
    return inspect.cleandoc(thing.__doc__ or "")


def fields(struct: type[msgspec.Struct], *, leave: frozenset[str] = frozenset()) -> str:
    """The fields of a struct with their types and defaults."""
    rows = []
    for field in msgspec.structs.fields(struct):
        if field.name in leave:
            continue
        default = "required" if field.required else shown(_default(field))
        rows.append((f"`{field.encode_name}`", type_name(field.type), default))
    return table(("field", "type", "default"), rows) if rows else "No fields."


def _default(field: msgspec.structs.FieldInfo) -> object:
    return field.default if field.default is not msgspec.NODEFAULT else field.default_factory()


def shown(value: object) -> str:
    """A default as the configuration file would write it."""
    if value is None or value in ("", (), {}, []):
        return "none"
    if isinstance(value, msgspec.Struct):
        return "none" if value == type(value)() else "see its fields"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{msgspec.json.encode(value).decode()}`"
    return f"`{value}`"


def type_name(kind: Any) -> str:
    """A type in words."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is None:
        return {float: "number", int: "whole number", str: "text", bool: "true or false"}.get(
            kind, getattr(kind, "__name__", str(kind))
        )
    if origin in (tuple, list):
        return f"list of {type_name(args[0])}"
    if origin is dict:
        return f"table of {type_name(args[1])}"
    if str(origin) == "typing.Literal":
        return " or ".join(f"`{a}`" if a else "empty" for a in args)
    inner = [type_name(a) for a in args if a is not type(None)]
    return " or ".join(dict.fromkeys(inner))
