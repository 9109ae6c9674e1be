"""JSON Schema of every record that travels as JSON, generated from the structs: `python -m schemas.jsonschema DIR`.

One file per record kind, named like the kind (`hazwatch.transition.v1.json`), each complete in itself. Readings travel
as Arrow IPC: their columns are described beside the others in `hazwatch.readings.v1.arrow.json`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from inspect import cleandoc
from pathlib import Path
from typing import Any

import msgspec

from schemas import batch
from schemas.records import _PAYLOADS, Envelope, Kind

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ARROW_FILE = f"{Kind.READINGS}.arrow.json"


def record_schemas() -> dict[str, dict[str, Any]]:
    """Every schema by the name of its file."""
    found = {f"{kind}.json": _record(kind, payload) for kind, payload in _PAYLOADS.items()}
    return found | {ARROW_FILE: _readings()}


def components(types: Iterable[Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The schemas of these types, and the definitions that they refer to under `$defs`."""
    schemas, definitions = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    for definition in definitions.values():
        if "description" in definition:
            definition["description"] = cleandoc(definition["description"])
    return list(schemas), definitions


def write(schemas: Mapping[str, Mapping[str, Any]], directory: Path) -> None:
    """Write each schema to its file in this directory, which is made when it is missing."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, schema in schemas.items():
        (directory / name).write_text(rendered(schema), "utf-8")


def rendered(schema: Mapping[str, Any]) -> str:
    """A schema as the text of its file: the same for the same schema."""
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


def _record(kind: Kind, payload: type) -> dict[str, Any]:
    (reference,), definitions = components([Envelope[payload]])  # type: ignore[valid-type]
    envelope = definitions.pop(reference["$ref"].rpartition("/")[2])
    envelope["properties"]["type"] = {"const": str(kind)}
    return {
        "$schema": DIALECT,
        "title": str(kind),
        "description": cleandoc(payload.__doc__ or ""),
        **{key: envelope[key] for key in ("type", "properties", "required")},
        "$defs": definitions,
    }


def _readings() -> dict[str, Any]:
    schema = batch._SEQUENCED
    return {
        "title": str(Kind.READINGS),
        "description": cleandoc(batch.__doc__ or ""),
        "metadata": {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()},
        "columns": [{"name": field.name, "type": str(field.type)} for field in schema],
    }


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m schemas.jsonschema DIR")
    write(record_schemas(), Path(sys.argv[1]))
