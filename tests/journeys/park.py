"""The park of the journeys: a few tags, each for one journey, and the configuration files that say so.

Every journey has tags of its own, so that all can share one running system. Gas points have no off-delay, so that an
alarm returns with the reading that is normal again. The two hazard sources are two cells, in a partition each.
"""

from __future__ import annotations

import base64
import csv
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

CO = "630-08-0"
HIGH, HIGH_HIGH = 17.18, 34.35
"""The limits of a carbon monoxide point in ppm by the profile gb50493."""

QUIET_S = 86_400.0
"""A tag that may be silent for this long is silent in peace."""


@dataclass(frozen=True, slots=True)
class Point:
    """A row of the tag list; the fields are its columns."""

    name: str
    hazard_source: str = "foundry"
    measure: str = "gas"
    cas: str = CO
    unit: str = "ppm"
    range_low: float = 0.0
    range_high: float = 200.0
    low_low: float | None = None
    low: float | None = None
    high: float | None = HIGH
    high_high: float | None = HIGH_HIGH
    deadband: float = 4.0
    on_delay_s: float = 0.0
    off_delay_s: float = 0.0
    profile: str = "gb50493"
    period_s: float = 1.0
    stale_s: float = QUIET_S

    @property
    def enterprise(self) -> str:
        return self.name.partition(".")[0]

    @property
    def key(self) -> str:
        """The name without the enterprise, as gateways know it."""
        return self.name.partition(".")[2]

    def row(self) -> dict[str, object]:
        cells = {field: getattr(self, field) for field in self.__dataclass_fields__}
        titles = {"title_zh": f"测点 {self.key}", "title_en": f"Point {self.key}"}
        return {**cells, **titles, "enterprise": self.enterprise}


def pressure(name: str) -> Point:
    """A pressure with four limits and a deadband."""
    return Point(
        name,
        hazard_source="spheres",
        measure="pressure",
        cas="",
        unit="MPa",
        range_high=2.5,
        low_low=0.2,
        low=0.4,
        high=1.5,
        high_high=1.7,
        deadband=0.05,
        profile="none",
    )


POINTS = (
    Point("metal.CO-RAISE"),
    Point("metal.CO-ACK"),
    Point("metal.CO-STALE-ACK"),
    Point("metal.CO-SILENT", stale_s=6.0),
    Point("metal.CO-DELAY", on_delay_s=10.0),
    Point("metal.CO-KILL"),
    Point("metal.CO-KILL-INGEST"),
    Point("metal.CO-KILL-EVALUATE"),
    Point("metal.CO-KILL-ALARM"),
    Point("metal.CO-KILL-HISTORIAN"),
    Point("metal.CO-KILL-CONSOLE"),
    Point("metal.CO-STOP"),
    Point("metal.CO-TIME"),
    Point("metal.CO-REPLAY"),
    Point("metal.CO-STORED"),
    Point("metal.CO-METRICS"),
    Point("metal.CO-BAD"),
    Point("metal.CO-NULL"),
    Point("metal.CO-HISTORY"),
    Point("metal.CO-DATABASE"),
    Point("metal.CO-GONE"),
    Point("metal.CO-BROWSER"),
    Point("metal.CO-INPUT"),
    # The limits of the profile in this tag's own unit.
    Point("metal.CO-MG", unit="mg/m3", range_high=250.0, high=20.0, high_high=40.0),
    Point("metal.CO-FAILPOINT"),
    pressure("lpg.PT-FAILPOINT"),
    pressure("lpg.PT-RISE"),
    pressure("lpg.PT-FALL"),
    pressure("lpg.PT-LOW"),
    pressure("lpg.PT-RELOAD"),
    pressure("lpg.PT-SHADOW"),
    Point("metal.CO-SHADOW-MISSED"),
    Point("metal.CO-SHADOW-NEW"),
)
"""The points of the journeys, each named after its own."""


ALARMING = tuple(Point(f"metal.CO-LOAD-{i:02}") for i in range(25))
"""The points that raise and return in turn under load."""

BUSY = tuple(
    Point(name, source, "temperature", "", "degC", -40.0, 400.0, high=300.0, high_high=350.0, profile="none")
    for source, enterprise in (("foundry", "metal"), ("spheres", "lpg"))
    for name in (f"{enterprise}.TT-LOAD-{i:02}" for i in range(50))
)
"""The points of the load, half in each enterprise, that never alarm."""


@dataclass(frozen=True, slots=True)
class Park:
    """What the configuration of a system says about its park, and where its parts are."""

    points: tuple[Point, ...] = (*POINTS, *ALARMING, *BUSY)
    mqtt_port: int = 1883
    webhook_url: str = ""
    bootstrap: str = ""
    database_url: str = ""

    def with_point(self, changed: Point) -> Park:
        """The same with other settings of one point, or with one more."""
        others = tuple(changed if p.name == changed.name else p for p in self.points)
        return replace(self, points=others if changed in others else (*others, changed))

    def point(self, name: str) -> Point:
        return next(p for p in self.points if p.name == name)

    def write(self, folder: Path) -> Path:
        """Write the configuration with its tag list and secret; returns its file."""
        _write_tags(folder / "tags.csv", self.points)
        secret = folder / "webhook-secret"
        if not secret.exists():
            secret.touch(mode=0o600)
            secret.write_text("whsec_" + base64.b64encode(os.urandom(32)).decode() + "\n")
        file = folder / "hazwatch.toml"
        file.write_text(_TOML + self._parts())
        return file

    def _parts(self) -> str:
        lines = [
            "[mqtt]",
            f"port = {self.mqtt_port}",
            "[[channel]]",
            'name = "hook"',
            'kind = "webhook"',
            f'url = "{self.webhook_url}"',
            'secret_file = "webhook-secret"',
            "[log]",
            "readings_partitions = 2",
        ]
        if self.bootstrap:
            lines += ['kind = "kafka"', f'bootstrap = "{self.bootstrap}"']
        if self.database_url:
            lines += ["[historian]", f'url = "{self.database_url}"']
        return "\n".join(lines) + "\n"


def _write_tags(file: Path, points: Iterable[Point]) -> None:
    rows = [point.row() for point in points]
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


_TOML = """\
[park]
id = "park"
name = { zh = "试验园区", en = "Trial park" }

[[enterprise]]
id = "metal"
park = "park"
name = { zh = "金属厂", en = "Metal works" }

[[enterprise]]
id = "lpg"
park = "park"
name = { zh = "液化气库", en = "Tank farm" }

[[hazard_source]]
id = "foundry"
enterprise = "metal"
grade = 3
name = { zh = "铸造车间", en = "Foundry" }

[[hazard_source]]
id = "spheres"
enterprise = "lpg"
grade = 2
name = { zh = "球罐区", en = "Spheres" }

[tags]
files = ["tags.csv"]

[[source]]
name = "gateways"
topic = "park/+/gateway/up"
format = "columnar"
enterprise = "{2}"
tag = "{2}.{key}"

[[source]]
name = "kept"
topic = "park/+/gateway/kept"
format = "columnar"
enterprise = "{2}"
tag = "{2}.{key}"
history = true

[[source]]
name = "flat"
topic = "park/+/flat/up"
format = "flat"
enterprise = "{2}"
tag = "{2}.{key}"

[[source]]
name = "numbers"
topic = "park/+/number/+"
format = "number"
enterprise = "{2}"
tag = "{2}.{4}"

[[source]]
name = "opc"
topic = "park/+/vtq/+"
format = "vtq"
enterprise = "{2}"
tag = "{2}.{4}"

[[contact]]
id = "duty"
name = "值班员"

[[route]]
id = "all"
channel = "hook"
recipients = ["duty"]
on = ["raise", "rise", "reraise", "return"]

"""
