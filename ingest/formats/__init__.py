"""The payload formats, a file each: a module of this folder that holds a `FORMAT` is a format, nothing else to edit."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from ingest.decoding import Format


def _scan() -> dict[str, Format]:
    found: dict[str, Format] = {}
    for module in sorted(iter_modules(__path__), key=lambda m: m.name):
        if module.name.startswith("_"):
            continue
        one = import_module(f"{__name__}.{module.name}").FORMAT
        if not isinstance(one, Format) or one.name in found:
            raise TypeError(f"ingest/formats/{module.name}.py: FORMAT is no Format with a name of its own")
        found[one.name] = one
    return found


FORMATS: dict[str, Format] = _scan()
"""All formats by name."""
