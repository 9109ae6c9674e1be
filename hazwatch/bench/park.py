"""The park of the bench as a configuration: 100 tags a gateway, gas points and pressures, all limits watched."""

from __future__ import annotations

import base64
import csv
import os
from pathlib import Path

from hazwatch.bench.plan import WIDTH, Step, is_pressure, tag_name

SOURCES = 10
"""Hazard sources: cells, and so the pieces that partitions are made of."""

_GAS = {
    "measure": "gas",
    "cas": "630-08-0",
    "unit": "ppm",
    "range_low": 0,
    "range_high": 200,
    "high": 17.18,
    "high_high": 34.35,
    "deadband": 4,
    "profile": "gb50493",
}
_PRESSURE = {
    "measure": "pressure",
    "unit": "MPa",
    "range_low": 0,
    "range_high": 2.5,
    "low_low": 0.2,
    "low": 0.4,
    "high": 1.5,
    "high_high": 1.7,
    "deadband": 0.05,
    "profile": "none",
}
_COMMON = {"on_delay_s": 0, "off_delay_s": 0, "stale_s": 30, "enterprise": "works"}

_TOML = """\
[park]
id = "bench"
name = {{ zh = "压测园区", en = "Bench park" }}

[[enterprise]]
id = "works"
park = "bench"
name = {{ zh = "压测企业", en = "Bench works" }}
{sources}
[tags]
files = ["tags.csv"]

[[source]]
name = "gateways"
topic = "bench/gateway/+"
format = "columnar"

[[source]]
name = "single"
topic = "bench/single/+"
format = "flat"

[[channel]]
name = "hook"
kind = "webhook"
url = "http://127.0.0.1:{webhook_port}/hook"
secret_file = "webhook-secret"

[[contact]]
id = "duty"
name = "值班员"

[[route]]
id = "all"
channel = "hook"
recipients = ["duty"]
on = ["raise", "rise", "reraise"]
classes = ["process"]

[log]
readings_partitions = {partitions}
{log}
"""
_SOURCE = """
[[hazard_source]]
id = "source-{0}"
enterprise = "works"
grade = 3
name = {{ zh = "压测源{0}", en = "Bench source {0}" }}
"""


def write_park(folder: Path, step: Step, *, tags: int, partitions: int, webhook_port: int, bootstrap: str) -> Path:
    """Write configuration, tag list and webhook secret; returns the configuration's file."""
    period_s = tags / step.rate
    with (folder / "tags.csv").open("w", newline="", encoding="utf-8") as file:
        columns = {"name": "", "title_zh": "", "title_en": "", "hazard_source": "", **_COMMON, **_GAS, **_PRESSURE}
        writer = csv.DictWriter(file, fieldnames=[*columns, "period_s"])
        writer.writeheader()
        writer.writerows(_row(index) | {"period_s": f"{period_s:.4g}"} for index in range(tags))
    secret = folder / "webhook-secret"
    secret.touch(mode=0o600)
    secret.write_text("whsec_" + base64.b64encode(os.urandom(32)).decode() + "\n")
    file_name = folder / "hazwatch.toml"
    text = _TOML.format(
        sources="".join(_SOURCE.format(i) for i in range(SOURCES)),
        webhook_port=webhook_port,
        partitions=partitions,
        log=f'kind = "kafka"\nbootstrap = "{bootstrap}"' if bootstrap else "",
    )
    file_name.write_text(text, encoding="utf-8")
    return file_name


def _row(index: int) -> dict[str, object]:
    name = tag_name(index)
    return {
        "name": name,
        "title_zh": f"测点{name}",
        "title_en": f"Point {name}",
        "hazard_source": f"source-{index // WIDTH % SOURCES}",
        **_COMMON,
        **(_PRESSURE if is_pressure(index) else _GAS),
    }
