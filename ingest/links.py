"""Which supervised link a topic, a tag and a gateway's status belong to. Pure, and the same for every revision.

`SourceConfig.link` is a template over the topic, so one source can stand for many gateways, each a link of its own; its
`status_topic` is one too, and says which gateway a status is of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ingest import topics
from ingest.config import SourceConfig

_TOPICS = 20_000


class Spoken(NamedTuple):
    """A status message is of this link, and this source says how to read it."""

    source: SourceConfig
    link: str


class Links:
    """The links of these sources; immutable but for its own cache."""

    def __init__(self, sources: Sequence[SourceConfig]) -> None:
        self._links = {s.name: topics.Backwards(s.link, s.topic) for s in sources}
        self._statuses = [(s, topics.Backwards(s.status_topic, s.topic)) for s in sources if s.status_topic]
        self._by_topic: dict[str, tuple[Spoken, ...]] = {}

    @property
    def status_filters(self) -> tuple[str, ...]:
        """The topic filters of all statuses, each once."""
        return tuple(dict.fromkeys(status.filter for _, status in self._statuses))

    def can_be(self, source: SourceConfig, link: str) -> bool:
        """Whether some topic of the source belongs to this link."""
        return self._links[source.name].levels(link) is not None

    def of(self, source: SourceConfig, topic: str) -> str:
        """The link over which a message of this source and topic came."""
        return topics.filled(source.link, topic)

    def statuses(self, topic: str) -> tuple[Spoken, ...]:
        """The links whose status is told on this topic; none when it is no status topic."""
        if not self._statuses:
            return ()
        found = self._by_topic.get(topic)
        if found is None:
            found = tuple(self._spoken(topic))
            if len(self._by_topic) >= _TOPICS:
                self._by_topic.clear()
            self._by_topic[topic] = found
        return found

    def _spoken(self, topic: str) -> list[Spoken]:
        spoken: dict[str, Spoken] = {}
        for source, status in self._statuses:
            levels = status.levels(topic)
            if levels is not None and topics.matches(status.filter, topic):
                link = topics.filled_with(source.link, levels)
                spoken.setdefault(link, Spoken(source, link))
        return list(spoken.values())
