"""What a channel's file offers: its configuration, its examples, and how it is opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from alerting.sending import Delivery, Sent
from schemas.problems import Problem
from schemas.registry import Struct
from schemas.text import Text


class OpenChannel(Protocol):
    """A channel in use."""

    async def send(self, delivery: Delivery) -> Sent:
        """Try once, within the channel's own deadline. Never raises; the outcome bears no secret."""
        ...

    async def close(self) -> None:
        """Release connections. Idempotent, at most a second."""
        ...


class ChannelConfig(Struct, frozen=True, kw_only=True):
    """What every `[[channel]]` has: the `name` that routes use, the `kind`, and how hard it may be worked.

    `concurrency` attempts run at the same time at most; one attempt ends after `deadline_s`. `language` is that of
    recipients who are no contacts.
    """

    name: str
    kind: str
    concurrency: int = 4
    deadline_s: float = 10.0
    language: Literal["zh", "en"] = "zh"

    def problems(self) -> tuple[Problem, ...]:
        """Everything that is wrong with the values, found without the network and without reading secrets."""
        found = []
        if not self.name:
            found.append(self.problem("name", "the channel has no name", "name it as the routes do"))
        if not 1 <= self.concurrency <= 64:
            found.append(self.problem("concurrency", f"{self.concurrency} is not within 1 to 64"))
        if not 0.1 <= self.deadline_s <= 60:
            found.append(self.problem("deadline_s", f"{self.deadline_s} is not within 0.1 to 60 s", "10 is usual"))
        return tuple(found)

    def problem(self, field: str, message: str, cure: str = "") -> Problem:
        return Problem(path=f"channel[{self.name}].{field}", message=message, cure=cure)


@dataclass(frozen=True, slots=True)
class Context:
    """What the composition gives every channel. `console_url` is where people find the alarm, empty when unknown."""

    console_url: str = ""

    def link(self, delivery: Delivery) -> str:
        """The address of the alarm's page."""
        return f"{self.console_url.rstrip('/')}/?alarm={delivery.notice.alarm.id}" if self.console_url else ""


@dataclass(frozen=True, slots=True)
class Example:
    """A `[[channel]]` that works once the address and the secrets are one's own."""

    title: Text
    toml: str


@dataclass(frozen=True, slots=True)
class ChannelKind:
    """One kind of channel: what its file offers under the name `KIND`.

    `open` may read secret files and raises ValueError with the cure; it makes no connection. `reaches_people` is False
    for a channel that only writes something down. `documentation` is for the reference.
    """

    kind: str
    title: Text
    documentation: str
    config: type[ChannelConfig]
    open: Callable[[Any, Context], OpenChannel]
    examples: tuple[Example, ...]
    reaches_people: bool = True


def language_of(delivery: Delivery, config: ChannelConfig) -> Literal["zh", "en"]:
    """The contact's language, else the channel's."""
    return delivery.contact.language if delivery.contact else config.language
