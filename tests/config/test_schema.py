"""JSON Schema of configuration and records: generated, current, complete in itself, and true of real values."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hazwatch
from hazwatch.config.schema import all_schemas, config_schema
from schemas.alarms import Alarm, Change, State, Transition
from schemas.changes import AlarmClass, Side
from schemas.jsonschema import record_schemas, rendered
from schemas.records import Kind, Tick, encode

ROOT = Path(hazwatch.__file__).parent.parent
COMMITTED = ROOT / "docs" / "reference" / "schema"
CURE = "run: python -m hazwatch.config.schema docs/reference/schema"


def test_the_committed_schemas_are_current() -> None:
    wanted = {name: rendered(schema) for name, schema in all_schemas().items()}
    found = {file.name: file.read_text("utf-8") for file in COMMITTED.glob("*.json")}
    assert found.keys() == wanted.keys(), CURE
    for name, text in wanted.items():
        assert found[name] == text, f"{name}: {CURE}"


@pytest.mark.parametrize("name", sorted(all_schemas()))
def test_a_schema_refers_to_nothing_outside_of_itself(name: str) -> None:
    text = json.dumps(all_schemas()[name])
    defined = all_schemas()[name].get("$defs", {})
    for reference in re.findall(r'"\$ref": "([^"]*)"', text):
        prefix, _, target = reference.rpartition("/")
        assert prefix == "#/$defs" and target in defined


def faults(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> Iterator[str]:
    """What a validator would say, for the words that our schemas use."""
    if "$ref" in schema:
        yield from faults(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    elif "anyOf" in schema:
        told = [list(faults(value, one, root)) for one in schema["anyOf"]]
        if all(told):
            yield from min(told, key=len)
    elif "const" in schema or "enum" in schema:
        if value not in schema.get("enum", [schema.get("const")]):
            yield f"{value!r} is not {schema}"
    elif schema.get("type") == "object":
        yield from _object_faults(value, schema, root)
    elif schema.get("type") == "array":
        if not isinstance(value, list):
            yield f"{value!r} is no array"
            return
        for index, one in enumerate(value):
            inner = schema["prefixItems"][index] if "prefixItems" in schema else schema.get("items", {})
            yield from faults(one, inner, root)
    else:
        kinds = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}
        if schema.get("type") in kinds and not isinstance(value, kinds[schema["type"]]):  # type: ignore[arg-type]
            yield f"{value!r} is no {schema['type']}"


def _object_faults(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{value!r} is no object"
        return
    yield from (f"{name} is missing" for name in schema.get("required", []) if name not in value)
    for name, one in value.items():
        inner = schema.get("properties", {}).get(name, schema.get("additionalProperties", {}))
        if inner is False:
            yield f"{name} is not known"
        elif isinstance(inner, dict):
            yield from faults(one, inner, root)


def test_the_demo_fits_the_schema_and_a_broken_one_does_not() -> None:
    schema = config_schema()
    read = tomllib.loads((ROOT / "hazwatch" / "demo" / "hazwatch.toml").read_text("utf-8"))
    demo = json.loads(json.dumps(read, default=str))  # a schema knows a day of TOML as its text
    assert list(faults(demo, schema, schema)) == []
    demo["mqtt"]["prot"] = 1
    demo["channel"][0]["kind"] = "fax"
    assert len(list(faults(demo, schema, schema))) >= 2


def test_records_fit_their_schemas() -> None:
    alarm = Alarm(
        id="a-1",
        episode="e-1",
        revision=1,
        rule="limits",
        kind="limits",
        subject="CO-101",
        side=Side.HIGH,
        alarm_class=AlarmClass.PROCESS,
        state=State.UNACKNOWLEDGED,
        level=2,
        level_name="high_high",
        tier=1,
        peak_level=2,
        peak_level_name="high_high",
        peak_tier=1,
        value=40.0,
    )
    transition = Transition(change=Change.RAISE, alarm=alarm, previous_state=State.NORMAL, previous_tier=0, at_ns=1)
    schemas = record_schemas()
    for payload, kind in ((Tick(by="a"), Kind.TICK), (transition, Kind.TRANSITION)):
        schema = schemas[f"{kind}.json"]
        record = json.loads(encode(payload, id="x", at_ns=1))
        assert list(faults(record, schema, schema)) == []
        record["data"]["nonsense"] = 1
        assert list(faults(record, schema, schema)) == ["nonsense is not known"]


def test_readings_are_described_by_their_columns() -> None:
    described = record_schemas()["hazwatch.readings.v1.arrow.json"]
    assert described["metadata"] == {"schema": "hazwatch.readings/1"}
    assert [c["name"] for c in described["columns"]] == ["tag", "event_ns", "value", "quality", "sequence"]


@pytest.mark.parametrize(
    ("module", "expected"), [("schemas.jsonschema", record_schemas), ("hazwatch.config.schema", all_schemas)]
)
def test_as_a_command(module: str, expected: Any, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", module, str(tmp_path / "out")], check=True, cwd=ROOT)
    assert {f.name for f in (tmp_path / "out").iterdir()} == set(expected())
    assert subprocess.run([sys.executable, "-m", module], cwd=ROOT, capture_output=True).returncode == 1
