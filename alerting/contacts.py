"""The people who are told: read from the configuration, kept out of the registry and the log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from schemas.problems import Problem
from schemas.registry import Route, Struct


class Contact(Struct, frozen=True, kw_only=True):
    """A person or a desk. `addresses` gives the address per channel name where a channel needs one of its own."""

    id: str
    name: str = ""
    phone: str = ""
    email: str = ""
    language: Literal["zh", "en"] = "zh"
    addresses: dict[str, str] = {}

    def address(self, channel: str) -> str:
        return self.addresses.get(channel, "")

    def __repr__(self) -> str:
        """Without phone, e-mail and addresses: they do not belong into a log."""
        return f"Contact(id={self.id!r}, name={self.name!r})"


class Contacts:
    """The contacts by id."""

    def __init__(self, contacts: Iterable[Contact] = ()) -> None:
        self._by_id = {contact.id: contact for contact in contacts}

    def get(self, recipient: str) -> Contact | None:
        """The contact of a recipient; None for the empty one (the channel's own address) and for a stranger."""
        return self._by_id.get(recipient)

    def __iter__(self) -> Iterator[Contact]:
        return iter(self._by_id.values())


def check(contacts: Iterable[Contact], routes: Iterable[Route]) -> tuple[Problem, ...]:
    """Contacts that stand there twice, and recipients of routes who are no contacts."""
    problems = []
    known: set[str] = set()
    for contact in contacts:
        if not contact.id or contact.id in known:
            problems.append(Problem(path=f"contact[{contact.id}]", message="the id is empty or stands there twice"))
        known.add(contact.id)
    for route in routes:
        problems += [
            Problem(
                path=f"routes[{route.id}].recipients",
                message=f"there is no contact {recipient!r}",
                cure="add a [[contact]] with this id, or correct the name",
            )
            for recipient in route.recipients
            if recipient and recipient not in known
        ]
    return tuple(problems)
