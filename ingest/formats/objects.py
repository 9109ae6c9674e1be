"""`objects`: a JSON array of objects, a reading or a moment each; one object alone is an array of one."""

from __future__ import annotations

from ingest.config import SourceConfig
from ingest.decoding import Decoded, Example, Format, Reading, Reason, Rejected
from ingest.formats._json import FAULTS, Rows, first, loads, quality_of, rejected, time_ns
from schemas.quality import Quality
from schemas.text import Text

_NAMES = ("tag", "name")
_TIMES = ("ts", "time")


def decode(payload: bytes, source: SourceConfig) -> Decoded | Rejected:
    """The readings of all objects, in order."""
    try:
        message = loads(payload)
    except FAULTS as error:
        return rejected(error)
    objects = message if type(message) is list else [message]
    rows = Rows(source)
    for one in objects:
        if type(one) is not dict:
            return Rejected(Reason.MALFORMED, "the payload is neither a JSON object nor an array of objects")
        time = time_ns(first(one, _TIMES), source)
        values = one.get("values")
        if type(values) is dict:
            for key, value in values.items():
                rows.add(key, value, time)
            continue
        key = first(one, _NAMES)
        if type(key) is not str:
            return Rejected(Reason.MALFORMED, "an object has neither values nor the name of a tag under tag or name")
        if "value" not in one:
            rows.refuse(key, "there is no value")
            continue
        stated = one.get("quality")
        quality = Quality.GOOD if stated is None else quality_of(stated, source, "hazwatch")
        rows.add(key, one["value"], time, one.get("unit") or "", quality)
    return rows.done()


FORMAT = Format(
    name="objects",
    title=Text(zh="对象数组", en="Array of objects"),
    doc="""A JSON array of objects, or one object. An object is one reading,
`{"tag": "co-1", "value": 3.5, "ts": 1767225600000, "unit": "ppm", "quality": 0}`, or one moment of many,
`{"ts": 1767225600000, "values": {"co-1": 3.5}}`, as ThingsBoard writes it. `name` stands for `tag` too and `time` for
`ts`; a time is a number in the source's `time_unit` or ISO 8601 text; `quality` is a number of the house or a name
(`good`, `over_range`). A value of null is "no value"; other values that are no numbers are refused one by one.""",
    examples=(
        Example(
            Text(zh="积压数据", en="A backlog, in order (ThingsBoard)"),
            b'[{"ts": 1451649600000, "values": {"temperature": 22.5}}, '
            b'{"ts": 1451649601000, "values": {"temperature": 22.7}}]',
            (
                Reading(key="temperature", value=22.5, time="2016-01-01T12:00:00.000Z"),
                Reading(key="temperature", value=22.7, time="2016-01-01T12:00:01.000Z"),
            ),
        ),
        Example(
            Text(zh="带单位和质量", en="With a unit and a quality"),
            b'[{"tag":"co-1","value":40,"time":"2026-01-01T08:00:00+08:00","unit":"mg/m3","quality":"uncertain"},'
            b'{"tag":"co-2","value":null}]',
            (
                Reading(key="co-1", value=40.0, time="2026-01-01T00:00:00.000Z", unit="mg/m3", quality="UNCERTAIN"),
                Reading(key="co-2", value=None),
            ),
        ),
        Example(
            Text(zh="重复键", en="A key twice"),
            b'[{"tag":"co-1","value":1,"value":90}]',
            rejected=Reason.DUPLICATE_KEY,
        ),
        Example(Text(zh="没有名称", en="No name"), b'[{"value": 1}]', rejected=Reason.MALFORMED),
        Example(Text(zh="文本值", en="Text as a value"), b'[{"tag":"a","value":"3.5"}]', rejected=Reason.MALFORMED),
    ),
    decode=decode,
)
