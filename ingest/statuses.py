"""What gateways say of themselves: birth and last will, read from their status topics, and what follows. Pure.

A link counts as up unless its gateway's last word was "down". A gateway without a status, one whose retained status was
emptied, and a link that nobody has told of are unknown, and unknown counts as up: the silence of their tags is watched.

A live reading is proof of life. It takes back a "down" that came before it, until the next status. Without that a
gateway that never publishes a birth message, or whose old connection ran out after its new one was made, would stay
down for ever while its data flows, and nobody would watch the silence of its single tags. Should the reading have
been an old one that waited somewhere, the price is no-data alarms beside the true one: too loud, never too quiet.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import Any, NamedTuple

from ingest.config import SourceConfig
from ingest.decoding import Reason, Rejected
from ingest.formats import _json

STRANGERS = 10_000
"""So many links that are down are remembered beyond those that have tags: a revision may give them some."""

_NEWS = 100
_PLAIN = 1_000_000
"""Numbers from here on are no words: one of 5 000 digits cannot even be written."""


class State(StrEnum):
    """What a status says."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


class News(NamedTuple):
    """A link changed, and by what."""

    link: str
    up: bool
    by: str


class Statuses:
    """The links whose gateways are down. `news` are the newest changes, for whoever wants to tell them."""

    def __init__(self) -> None:
        self._down: set[str] = set()
        self.news: deque[News] = deque(maxlen=_NEWS)

    @property
    def any_down(self) -> bool:
        return bool(self._down)

    def is_down(self, link: str) -> bool:
        """Whether the gateway's last word was that it is down."""
        return link in self._down

    def stated(self, link: str, state: State, *, has_tags: bool) -> None:
        """A status of the link's gateway came; a retained one counts like any other."""
        if state is not State.DOWN:
            self._up(link, "its status")
        elif link not in self._down and (has_tags or len(self._down) < STRANGERS):
            self._down.add(link)
            self.news.append(News(link, False, "its status"))

    def reading(self, link: str) -> None:
        """A live reading came over the link."""
        self._up(link, "a reading")

    def _up(self, link: str, by: str) -> None:
        if link in self._down:
            self._down.remove(link)
            self.news.append(News(link, True, by))


def stated_by(payload: bytes, source: SourceConfig) -> State | Rejected:
    """What a status payload says: one of the source's words, or a JSON object that has one under one of its keys.

    Nothing at all is how a retained status is taken back: unknown. What is neither is refused: the last word stands.
    """
    try:
        text = payload.decode().strip()
        if not text:
            return State.UNKNOWN
        state = _meaning(text, source)
        value = _json.loads(payload) if state is None else None
    except _json.FAULTS:
        return _refused("it is none of the words", source)
    if type(value) is dict:
        for key in source.status_keys:
            if key in value:
                return _meaning(_word(value[key]), source) or _refused(f"{key!r} has none of the words", source)
        return _refused(f"the object has none of the keys {', '.join(source.status_keys)}", source)
    return state or _meaning(_word(value), source) or _refused("it is none of the words", source)


def _meaning(word: str, source: SourceConfig) -> State | None:
    word = word.strip().casefold()
    if word in (one.casefold() for one in source.status_down):
        return State.DOWN
    return State.UP if word in (one.casefold() for one in source.status_up) else None


def _word(value: Any) -> str:
    """A JSON scalar as it would be written alone, nothing for anything else."""
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) in (int, float):
        return f"{value:g}" if abs(value) < _PLAIN else ""
    return value if type(value) is str else ""


def _refused(what: str, source: SourceConfig) -> Rejected:
    words = f"{', '.join(source.status_up)} (status_up) or {', '.join(source.status_down)} (status_down)"
    return Rejected(Reason.MALFORMED, f"a status that says neither up nor down, {what}: publish {words}, or list yours")
