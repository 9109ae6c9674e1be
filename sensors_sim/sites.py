"""Sites: plants to play scenarios in. The demo park, and one small site for each process unit.

A site is a folder with `tags.csv` and `hazwatch.toml`, to be copied as a start for a configuration of one's own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from sensors_sim.plant import Plant
from sensors_sim.taglist import read_instruments
from sensors_sim.units import units

DEMO = "demo"
_DEMO_FOLDER = Path(__file__).parent.parent / "hazwatch" / "demo"
_FOLDER = Path(__file__).parent / "sites"


@dataclass(frozen=True, slots=True)
class Site:
    """A plant by name and where its tag list and configuration lie."""

    name: str
    folder: Path

    @property
    def tags(self) -> Path:
        return self.folder / "tags.csv"

    @property
    def files(self) -> list[Path]:
        """What somebody needs to run it: the configuration and what it names."""
        return sorted(file for file in self.folder.iterdir() if file.suffix in (".toml", ".csv"))


def sites() -> dict[str, Site]:
    """Every site by name."""
    found = {file.parent.name: Site(file.parent.name, file.parent) for file in _FOLDER.glob("*/tags.csv")}
    return {DEMO: Site(DEMO, _DEMO_FOLDER), **dict(sorted(found.items()))}


def build(name: str, seed: int, start_s: float, tags: Path | None = None) -> Plant:
    """The plant of a site, with the site's own tag list or another one. A process unit makes steps as long as its
    instruments' periods allow and starts at a multiple of them. Raises ValueError for a tag list that cannot be
    read, KeyError for a site that does not exist."""
    site = sites()[name]
    instruments = read_instruments(tags or site.tags)
    module = units().get(name)
    if module is None:
        return Plant(instruments, seed, start_s)
    step_s = reduce(math.gcd, [max(1, round(tag.period_s)) for tag in instruments])
    start_s = math.ceil(start_s / step_s) * step_s
    return Plant(
        instruments,
        seed,
        start_s,
        step_s=float(step_s),
        unit=module.Unit(seed, start_s),
        sensors=[sensor.name for sensor in module.SENSORS],
    )
