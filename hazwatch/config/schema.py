"""JSON Schema of the configuration file, for editors and for the reference: `python -m hazwatch.config.schema DIR`.

Writes `hazwatch.toml.json` and, beside it, the schemas of all records (`schemas.jsonschema`). What depends on more than
one table (references, units, limits) only `hazwatch check` can tell.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from alerting.channels import kinds
from hazwatch.config.load import ARRAYS, SINGLE
from schemas.jsonschema import DIALECT, components, record_schemas, write
from schemas.text import Text

FILE = "hazwatch.toml.json"


def config_schema() -> dict[str, Any]:
    """The schema of `hazwatch.toml`. A single table may stand for an array of tables, one text for both languages."""
    channels = {name: kind.config for name, kind in kinds().items()}
    types: list[type[msgspec.Struct]] = [*ARRAYS.values(), *SINGLE.values(), *channels.values(), Text]
    references, definitions = components(types)
    of = dict(zip(types, references, strict=True))
    for name, kind in channels.items():
        definitions[kind.__name__]["properties"]["kind"] = {"const": name}
    definitions["Text"] = {"anyOf": [definitions["Text"], {"type": "string"}]}
    properties: dict[str, Any] = {name: _one_or_many(of[kind]) for name, kind in ARRAYS.items()}
    properties |= {name: of[kind] for name, kind in SINGLE.items()}
    properties["channel"] = _one_or_many({"anyOf": [of[kind] for kind in channels.values()]})
    return {
        "$schema": DIALECT,
        "title": "hazwatch.toml",
        "description": "The configuration of Hazwatch; `hazwatch check FILE` judges it whole.",
        "type": "object",
        "properties": properties,
        "required": ["park"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def all_schemas() -> dict[str, dict[str, Any]]:
    """The schemas of the configuration and of every record, by the name of their file."""
    return {FILE: config_schema()} | record_schemas()


def _one_or_many(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [{"type": "array", "items": schema}, schema]}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m hazwatch.config.schema DIR")
    write(all_schemas(), Path(sys.argv[1]))
