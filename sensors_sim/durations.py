"""Times on the command line: `90`, `90s`, `15min`, `12h`, `7d`."""

from __future__ import annotations

import re
from typing import Any

import click

UNITS = {"": 1.0, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_WORD = re.compile(r"(\d+(?:\.\d+)?)\s*(|s|min|h|d)")


class Duration(click.ParamType[float]):
    """Seconds, or a number with its unit; None stays None."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        found = _WORD.fullmatch(value.strip())
        if found is None:
            self.fail(f"{value!r} is no duration; write seconds, or 15min, 12h, 7d", param, ctx)
        return float(found[1]) * UNITS[found[2]]
