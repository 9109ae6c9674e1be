"""`flat`: a JSON object of keys and numbers, as ThingsBoard and most small devices send it."""

from __future__ import annotations

from ingest.config import SourceConfig
from ingest.decoding import Decoded, Example, Format, Reading, Reason, Rejected
from ingest.formats._json import FAULTS, Rows, loads, rejected, time_ns
from schemas.text import Text


def decode(payload: bytes, source: SourceConfig) -> Decoded | Rejected:
    """A reading per key. `ts` is the time; with an object under `values` the readings are in there."""
    try:
        message = loads(payload)
    except FAULTS as error:
        return rejected(error)
    if type(message) is not dict:
        return Rejected(Reason.MALFORMED, "the payload is not a JSON object")
    time = time_ns(message.pop("ts", None), source)
    inner = message.get("values")
    rows = Rows(source)
    for key, value in (inner if type(inner) is dict else message).items():
        rows.add(key, value, time)
    return rows.done()


FORMAT = Format(
    name="flat",
    title=Text(zh="扁平键值", en="Flat keys and values"),
    doc="""A JSON object whose keys are names and whose values are numbers; null means "no value". `ts` is the time for
all of them, as a number in the source's `time_unit` or as ISO 8601 text. The readings may also stand under `values`:
`{"ts": 1451649600000, "values": {...}}`. A value that is neither number nor null is refused by its key, the others
stand; keys named in `ignore` are passed over.""",
    examples=(
        Example(
            Text(zh="无时间", en="Without a time (ThingsBoard telemetry)"),
            b'{"temperature": 22.5, "humidity": 61}',
            (Reading(key="temperature", value=22.5), Reading(key="humidity", value=61.0)),
        ),
        Example(
            Text(zh="带时间", en="With a time"),
            b'{"ts": 1451649600000, "values": {"temperature": 22.5, "co": null}}',
            (
                Reading(key="temperature", value=22.5, time="2016-01-01T12:00:00.000Z"),
                Reading(key="co", value=None, time="2016-01-01T12:00:00.000Z"),
            ),
        ),
        Example(Text(zh="重复键", en="A key twice"), b'{"lel": 1.0, "lel": 61.0}', rejected=Reason.DUPLICATE_KEY),
        Example(Text(zh="截断", en="Cut off"), b'{"temperature": 22.5,', rejected=Reason.MALFORMED),
        Example(Text(zh="没有数字", en="No number in it"), b'{"state": "on"}', rejected=Reason.MALFORMED),
    ),
    decode=decode,
)
