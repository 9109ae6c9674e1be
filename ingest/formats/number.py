"""`number`: a plain number as the whole payload, on a topic of its own per tag."""

from __future__ import annotations

import math
import re

import numpy as np

from ingest.config import SourceConfig
from ingest.decoding import Decoded, Example, Format, Names, Reading, Reason, Rejected
from schemas.text import Text

_NUMBER = re.compile(rb"[ \t\r\n]*(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)[ \t\r\n]*")
_LONGEST = 64
_NAMES = Names(("",))


def decode(payload: bytes, source: SourceConfig) -> Decoded | Rejected:
    """One reading with the key "" and without a time."""
    found = _NUMBER.fullmatch(payload) if len(payload) <= _LONGEST else None
    if found is None:
        return Rejected(Reason.MALFORMED, f"{payload[:40]!r} is not a decimal number such as 29.62")
    value = float(found[1])
    if not math.isfinite(value):
        return Rejected(Reason.MALFORMED, f"{payload[:40]!r} is larger than a number may be")
    return Decoded(_NAMES, np.array((value,)))


FORMAT = Format(
    name="number",
    title=Text(zh="纯数字", en="Plain number"),
    doc="""The payload is one decimal number, as JSON writes it, with blanks around it at most: no NaN, no infinity, no
thousands separator. The key is empty, so the name of the tag comes from the levels of the topic:
`tag = "{2}/{4}"`. There is no time in it; the time of arrival stands in.""",
    examples=(
        Example(
            Text(zh="温度", en="A temperature (Shelly, first generation)"),
            b"29.62",
            (Reading(key="", value=29.62),),
        ),
        Example(Text(zh="负数", en="A negative number"), b"-8.40", (Reading(key="", value=-8.4),)),
        Example(Text(zh="非数字", en="No number"), b"NaN", rejected=Reason.MALFORMED),
        Example(Text(zh="无穷大", en="No finite number"), b"1e400", rejected=Reason.MALFORMED),
    ),
    decode=decode,
)
