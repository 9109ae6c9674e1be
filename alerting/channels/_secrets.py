"""Secrets of channels: read from a file or the environment, never shown."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, quote_plus

MASK = "***"


class SecretMissing(ValueError):
    """A secret is not where the configuration says; the message names the place and the cure, never the secret."""


class Secret:
    """A secret in a file or an environment variable.

    The file is read at every use, so a secret is rotated without a restart; while it cannot be read, the last one
    that could be is used.
    """

    __slots__ = ("_file", "_last", "_variable", "name")

    def __init__(self, name: str, *, file: str = "", variable: str = "") -> None:
        """Raises `SecretMissing`."""
        self.name = name
        self._file = file
        self._variable = variable
        self._last = ""
        self._last = self._read()

    def reveal(self) -> str:
        """The secret itself: for signing and sending only."""
        try:
            self._last = self._read()
        except SecretMissing:
            pass
        return self._last

    def __repr__(self) -> str:
        return f"Secret({self.name}: {MASK})"

    def _read(self) -> str:
        if not self._file:
            value = os.environ.get(self._variable, "")
            if not value:
                raise SecretMissing(f"{self.name}: the environment variable {self._variable} is not set")
            return value.strip()
        try:
            value = Path(self._file).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise SecretMissing(f"{self.name}: {self._file} cannot be read: {reason}") from None
        if not value:
            raise SecretMissing(f"{self.name}: {self._file} is empty")
        return value


def scrub(text: str, secrets: Iterable[str]) -> str:
    """The text without the secrets, plain or as URLs write them; for what a stranger's server sends back."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        for form in {secret, quote(secret, safe=""), quote_plus(secret)}:
            text = text.replace(form, MASK)
    return text
