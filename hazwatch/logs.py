"""What a process says on stderr: one format, and no library that says the same thing ten times a second."""

from __future__ import annotations

import logging
import sys
import time

QUIET_S = 30.0
_CHATTY = ("aiokafka", "psycopg")
"""Libraries that report every try while a server is away; the rooms report the outage and its end themselves."""

_MOST_KINDS = 500


class RateLimit(logging.Filter):
    """Lets a message of a chatty library through once in 30 s, and says then how many were held back.

    Two records are the same message when logger, level and text before formatting are the same.
    """

    def __init__(self, quiet_s: float = QUIET_S) -> None:
        super().__init__()
        self._quiet_s = quiet_s
        self._last: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(_CHATTY):
            return True
        key = (record.name, record.levelno, str(record.msg)[:200])
        now = time.monotonic()
        last_s, held = self._last.get(key, (-self._quiet_s, 0))
        if now - last_s < self._quiet_s:
            self._last[key] = (last_s, held + 1)
            return False
        if len(self._last) >= _MOST_KINDS:
            self._last.clear()
        self._last[key] = (now, 0)
        if held:
            record.msg = f"{record.getMessage()} (and {held} more like it)"
            record.args = ()
        return True


def set_up(level: str) -> None:
    """Log to stderr from `level` on. Raises ValueError for a level that does not exist."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    handler.addFilter(RateLimit())
    logging.basicConfig(level=level.upper(), handlers=[handler])
    for name in (*_CHATTY, "uvicorn"):
        logging.getLogger(name).setLevel(logging.WARNING)
