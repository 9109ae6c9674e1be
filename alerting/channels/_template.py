"""Templates of the `http` channel: `{name}` stands for a fact, escaped for what it is written into. Pure.

Braces that do not enclose a lower-case name are taken as they are, so JSON needs no escaping of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import quote, quote_plus

PLACE = re.compile(r"\{([a-z_]+(?:\.[A-Za-z0-9_-]+)?)\}")
Escape = Callable[[str], str]
_XML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def names(template: str) -> list[str]:
    """The names that a template asks for, each once."""
    return list(dict.fromkeys(PLACE.findall(template)))


def render(template: str, values: Mapping[str, str], escape: Escape) -> str:
    """The template with every value escaped. Raises KeyError for a name without a value."""
    return PLACE.sub(lambda place: escape(values[place.group(1)]), template)


def unknown(template: str, known: Iterable[str]) -> list[str]:
    """Names in the template that stand for nothing."""
    allowed = set(known)
    return [name for name in names(template) if name not in allowed]


def escape_for(content_type: str, charset: str) -> Escape:
    """The escaping of a body by its content type: JSON strings, form values, XML text, or plain text."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind.endswith("json"):
        return in_json
    if kind == "application/x-www-form-urlencoded":
        return lambda text: quote_plus(text, encoding=charset, errors="replace")
    if kind.endswith("xml") or kind == "text/html":
        return in_xml
    return plain


def in_json(text: str) -> str:
    """Inside a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def in_xml(text: str) -> str:
    """Inside XML text or an attribute; characters that XML cannot hold are left out."""
    return "".join(_XML.get(character, character) for character in _NOT_XML.sub("", text))


def in_url(text: str) -> str:
    """Inside a path segment or a query value."""
    return quote(text, safe="")


def in_header(text: str) -> str:
    """Inside a header value: no control characters, anything but ASCII as percent escapes."""
    return quote(
        "".join(character for character in text if character.isprintable()), safe=" !\"#$&'()*+,/:;<=>?@[]^`{|}~"
    )


def plain(text: str) -> str:
    """Plain text: line breaks stay, other control characters go."""
    return "".join(character for character in text if character.isprintable() or character == "\n")
