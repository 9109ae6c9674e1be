"""A small plant for training: a pump, its tank and a heater, with a daily cycle, written as recordings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
NAMES = ("F-1", "P-1", "L-1", "T-1", "T-2", "PUMP", "SPARE")
BEGIN_S = 1_767_225_600
CONFIG = """
[park]
id = "park"

[[enterprise]]
id = "works"
park = "park"

[tags]
list = '''
name,enterprise,measure,unit,period_s,stale_s
F-1,works,flow,m3/h,60,600
P-1,works,pressure,MPa,60,600
L-1,works,level,m,60,600
T-1,works,temperature,°C,60,600
T-2,works,temperature,°C,60,600
PUMP,works,state,1,60,600
SPARE,works,pressure,MPa,60,600
'''
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """From `begin` on (minutes), `change` is added to a column, growing over `rise` minutes."""

    column: str
    begin: int
    change: float
    rise: int = 1


def plant(minutes: int, seed: int, *faults: Fault, begin: int = 0) -> Floats:
    """Readings every minute, (minutes, 7). Load wanders slowly and with the day; everything follows it."""
    rng = np.random.default_rng(seed)
    load = np.zeros(minutes)
    for i in range(1, minutes):
        load[i] = 0.97 * load[i - 1] + 0.1 * rng.normal()
    day = np.sin(2 * np.pi * (begin + np.arange(minutes)) / 1440)
    noise = rng.normal(size=(minutes, 5))
    demand = load + 0.8 * day
    made = np.column_stack([
        50 + 5 * demand + 0.3 * noise[:, 0],
        1 - 0.05 * demand + 0.004 * noise[:, 1],
        3 - 0.3 * demand + 0.02 * noise[:, 2],
        60 + 4 * day + 0.2 * noise[:, 3],
        60 + 4 * day - 1.5 * load + 0.2 * noise[:, 4],
        np.ones(minutes),
        np.full(minutes, 0.7),
    ])  # fmt: skip
    for fault in faults:
        growing = np.clip((np.arange(minutes) - fault.begin) / fault.rise, 0, 1)
        made[:, NAMES.index(fault.column)] += fault.change * growing
    return made


def write(file: Path, values: Floats, begin: int = 0) -> Path:
    lines = [f"time,{','.join(NAMES)}"]
    for i, row in enumerate(values.tolist()):
        lines.append(f"{BEGIN_S + 60 * (begin + i)},{','.join(f'{v:.6g}' for v in row)}")
    file.write_text("\n".join(lines) + "\n", "utf-8")
    return file
