"""A first configuration for a recording that nobody has described: what its columns may be, and limits to begin with.

What a column measures is taken from its name where that says so, and is `other` else: a guess about a gas or a unit
would be worse than none. Range, period and the numbers that stand for "no value" come from the readings. The limits lie
outside of nearly all that was recorded: they show what is unusual, and know nothing of what is dangerous.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hazwatch.replay.csvfile import RecordingError
from hazwatch.replay.recording import Rows, read_rows
from hazwatch.replay.times import Shape
from schemas.checks import TAG_NAME
from schemas.registry import Measure
from schemas.time import SECOND

Floats = npt.NDArray[np.float64]
MOST_KEPT = 200_000
"""Readings of a column that are looked at, from its beginning on."""
FEW = 20
"""Columns with fewer readings get no limits."""
SIGMA = 1.4826
"""From the median absolute deviation to a standard deviation, for normal noise."""
FAR = 8.0
"""Limits lie so many robust deviations from the median, and outside of 99.9 % of the readings."""
STATES = 8
"""A column of so few different whole numbers is a state."""

STUCK_S, STUCK_PERIODS = 1800.0, 24
"""So long a number may stay the same."""

_SAID = (
    (r"temp|温度|(^|[^a-z])t[it]c?[-_ .]?\d", Measure.TEMPERATURE, "degC"),
    (r"press|压力|(^|[^a-z])p[it]c?[-_ .]?\d", Measure.PRESSURE, "kPa"),
    (r"level|液位|(^|[^a-z])l[it]c?[-_ .]?\d", Measure.LEVEL, "m"),
    (r"humid|湿度", Measure.HUMIDITY, "%"),
    (r"wind.*dir|风向", Measure.WIND_DIRECTION, "deg"),
    (r"wind.*sp|风速", Measure.WIND_SPEED, "m/s"),
)


@dataclass(slots=True)
class Column:
    """What is known of one name."""

    name: str
    kept: list[Floats] = field(default_factory=list)
    times: list[npt.NDArray[np.int64]] = field(default_factory=list)
    size: int = 0

    def take(self, time_ns: npt.NDArray[np.int64], value: Floats) -> None:
        room = MOST_KEPT - self.size
        if room > 0:
            self.kept.append(value[:room])
            self.times.append(time_ns[:room])
            self.size += len(value[:room])

    @property
    def values(self) -> Floats:
        """Without those that are no number."""
        found = np.concatenate(self.kept) if self.kept else np.empty(0)
        return found[np.isfinite(found)]

    @property
    def period_s(self) -> float:
        """The usual time between two readings."""
        steps = np.diff(np.concatenate(self.times)) if self.times else np.empty(0)
        steps = steps[steps > 0]
        return float(np.median(steps)) / SECOND if len(steps) else 1.0


def guess(files: Sequence[Path], shape: Shape) -> str:
    """A configuration, as TOML, that `hazwatch check` accepts. Raises `RecordingError`."""
    columns = _columns(rows for file in files for rows in read_rows(file, shape))
    if not columns:
        raise RecordingError([f"{', '.join(map(str, files))}: there are no readings to guess from"])
    named = [column for column in columns if TAG_NAME.fullmatch(column.name)]
    nameless = [column.name for column in columns if not TAG_NAME.fullmatch(column.name)]
    if not named:
        raise RecordingError([f"{name!r} can be no tag's name; rename that column" for name in nameless])
    return _toml(files, list(map(_row, named)), nameless)


def _columns(blocks: Iterable[Rows]) -> list[Column]:
    found: dict[str, Column] = {}
    for rows in blocks:
        order = np.argsort(rows.tag, kind="stable")
        edges = np.searchsorted(rows.tag[order], np.arange(len(rows.names) + 1))
        for name, a, b in zip(rows.names, edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            if b > a:
                mine = order[a:b]
                found.setdefault(name, Column(name)).take(rows.time_ns[mine], rows.value[mine])
    return list(found.values())


def _row(column: Column) -> dict[str, str]:
    values = column.values
    missing = no_values(values)
    values = values[~np.isin(values, missing)]
    measure, unit = measure_of(column.name, values)
    period_s = _short(max(column.period_s, 0.001))
    row = {
        "name": column.name,
        "enterprise": "recording",
        "measure": str(measure),
        "unit": unit,
        "period_s": period_s,
        "stale_s": _short(max(10 * float(period_s), 30.0)),
        "bad_values": " ".join(map(_short, missing)),
    }
    if measure is Measure.STATE or len(values) < FEW:
        return row
    low, high = _limits(values)
    room = 0.5 * (high - low)
    bottom, top = low - room, high + room
    for value in missing:  # a number that stands for "no value" lies outside of what can be measured
        bottom = max(bottom, (low + value) / 2) if value < low else bottom
        top = min(top, (high + value) / 2) if value > high else top
    row |= {"range_low": _short(bottom), "range_high": _short(top)}
    if measure not in (Measure.WIND_DIRECTION, Measure.HUMIDITY):
        row |= {"low": _short(low), "high": _short(high), "deadband": _short(0.02 * (high - low))}
    else:
        row |= {"range_low": "0", "range_high": "360" if measure is Measure.WIND_DIRECTION else "100"}
    return row


def no_values(values: Floats) -> list[float]:
    """Numbers that stand for "no value": repeated ends of all that was read, far from everything else, like -200. Never
    0, which is what a pump says that stands still."""
    found: list[float] = []
    for sign in (1.0, -1.0):
        distinct, counts = np.unique(sign * values, return_counts=True)
        if len(distinct) < 3 or counts[0] < 3:
            continue
        rest = distinct[1:]
        if distinct[1] - distinct[0] > max(rest[-1] - rest[0], 1e-9) / 4 and distinct[0] == round(distinct[0]) != 0:
            found.append(float(sign * distinct[0]))
    return found


def measure_of(name: str, values: Floats) -> tuple[Measure, str]:
    """What a column measures, and in which unit, as far as its name says so."""
    plain = name.lower()
    for pattern, measure, unit in _SAID:
        if re.search(pattern, plain):
            return measure, unit
    distinct = np.unique(values)
    if 1 < len(distinct) <= STATES and (distinct == np.round(distinct)).all():
        return Measure.STATE, "1"
    return Measure.OTHER, "1"


def _limits(values: Floats) -> tuple[float, float]:
    median = float(np.median(values))
    least = max(1.0, abs(median)) / 100  # for a number that never moved; its deviation is mere rounding
    deviation = float(np.std(values)) if np.ptp(values) > 0 else least
    spread = SIGMA * float(np.median(np.abs(values - median))) or deviation
    low, high = np.quantile(values, (0.001, 0.999))
    return _rounded(min(median - FAR * spread, float(low)), down=True), _rounded(
        max(median + FAR * spread, float(high)), down=False
    )


def _rounded(value: float, *, down: bool) -> float:
    """To two significant digits, away from the readings."""
    if value == 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    return (math.floor if down else math.ceil)(round(value / unit, 6)) * unit


def _short(number: float) -> str:
    return f"{number:.9g}"


def _toml(files: Sequence[Path], rows: Sequence[dict[str, str]], nameless: Sequence[str]) -> str:
    return "\n".join(_lines(files, rows, nameless)) + "\n"


def _lines(files: Sequence[Path], rows: Sequence[dict[str, str]], nameless: Sequence[str]) -> Iterator[str]:
    yield f"# Guessed by `hazwatch replay --guess` from {', '.join(file.name for file in files)}."
    yield "# The limits lie outside of nearly all that was recorded. They are a place to begin, not limits of safety:"
    yield "# replace them with what the process, the equipment and the substance allow, and measures and units with"
    yield "# what the instruments measure."
    for name in nameless:
        yield f"# Left out, because {name!r} can be no tag's name; rename that column in the recording."
    yield ""
    yield '[park]\nid = "recording"\nname = { zh = "录制数据", en = "Recording" }\n'
    yield '[[enterprise]]\nid = "recording"\npark = "recording"\n'
    yield "[tags]\nlist = '''"
    yield _csv(rows) + "'''"
    numbers = [row for row in rows if row["measure"] != Measure.STATE]
    if numbers:
        longest = max(STUCK_S, STUCK_PERIODS * max(float(row["period_s"]) for row in numbers))
        yield ""
        yield "# An instrument that says the same number for too long."
        yield '[[rule]]\nid = "stuck"\nkind = "stuck"'
        yield f"tags = [{', '.join(_quoted(row['name']) for row in numbers)}]"
        yield f"params = {{ stuck_s = {_short(longest)} }}"


def _quoted(name: str) -> str:
    """A TOML string that matches the name and nothing else."""
    special = "".join(f"[{c}]" if c in "*?[" else c for c in name)
    return '"' + special.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _csv(rows: Sequence[dict[str, str]]) -> str:
    fields = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, fields, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
