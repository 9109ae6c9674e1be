"""The real parts that tests talk to: one module per part, each a server the test started itself and may break.

Fixtures over these stand in `tests/conftest.py`. A part that this machine lacks raises `PartMissing`, which skips the
test, or fails it when `HAZWATCH_REQUIRE` names the part.
"""

from __future__ import annotations

PARTS = ("mosquitto", "kafka", "postgres", "timescaledb", "chromium")
"""Every name that the marker `part(name)` and the variable `HAZWATCH_REQUIRE` know."""


class PartMissing(Exception):
    """This machine lacks the real part `part`; the message says what would install it."""

    def __init__(self, part: str, cure: str) -> None:
        super().__init__(f"{part} is missing: {cure}")
        self.part = part
