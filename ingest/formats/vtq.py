"""`vtq`: one value with its time and quality, as OPC gateways publish it, on a topic of its own per tag."""

from __future__ import annotations

from ingest.config import SourceConfig
from ingest.decoding import Decoded, Example, Format, Reading, Reason, Rejected
from ingest.formats._json import FAULTS, Rows, first, loads, quality_of, rejected, time_ns
from schemas.text import Text

_VALUES = ("value", "d", "v")
_TIMES = ("time", "timestamp", "ts", "t")
_QUALITIES = ("quality", "q")
_UNITS = ("unit", "u")
_NAMES = ("tag", "name")


def decode(payload: bytes, source: SourceConfig) -> Decoded | Rejected:
    """One reading; its key is "" unless the payload names the tag."""
    try:
        message = loads(payload)
    except FAULTS as error:
        return rejected(error)
    if type(message) is not dict:
        return Rejected(Reason.MALFORMED, "the payload is not a JSON object")
    if not any(key in message for key in _VALUES):
        return Rejected(Reason.MALFORMED, f"there is no value under {', '.join(_VALUES)}")
    key = first(message, _NAMES)
    if key is not None and type(key) is not str:
        return Rejected(Reason.MALFORMED, "the name of the tag is not text")
    rows = Rows(source)
    quality = quality_of(first(message, _QUALITIES), source, "opc_da")
    rows.add(
        key or "",
        first(message, _VALUES),
        time_ns(first(message, _TIMES), source),
        first(message, _UNITS) or "",
        quality,
    )
    return rows.done()


FORMAT = Format(
    name="vtq",
    title=Text(zh="值、时间、质量", en="Value, time, quality"),
    doc="""A JSON object with one value: under `value`, `d` or `v`; its time under `time`, `timestamp`, `ts` or `t` (ISO
8601 text, or a number in the source's `time_unit`); its quality under `quality` or `q`; its unit under `unit` or `u`.
A quality number is a classic OPC code (192 good, 0 bad, 4 configuration error) unless the source says
`quality = "opc_ua"` (status codes, where 0 is good) or `"hazwatch"`; text is a name (`good`, `bad`). What is not
understood is bad. The name of the tag comes from the levels of the topic (`tag = "{1}/{2}"`), or from `tag` or `name`
in the payload as `{key}`.""",
    examples=(
        Example(
            Text(zh="AVEVA JSON-VTQ1", en="AVEVA MQTT Publisher, JSON-VTQ1"),
            b'{"d": 81.2, "dt": 5, "ts": "2021-06-17T22:46:07Z", "q": 192}',
            (Reading(key="", value=81.2, time="2021-06-17T22:46:07.000Z"),),
        ),
        Example(
            Text(zh="质量为坏", en="Bad by its quality, in words"),
            b'{"value": 3.5, "time": 1767225600000, "quality": "bad", "unit": "ppm"}',
            (Reading(key="", value=3.5, time="2026-01-01T00:00:00.000Z", unit="ppm", quality="BAD"),),
        ),
        Example(
            Text(zh="OPC UA 状态码", en="A status code of OPC UA"),
            b'{"value": 3.5, "quality": 2156593152}',
            (Reading(key="", value=3.5, quality="SENSOR_FAILURE"),),
            source={"quality": "opc_ua"},
        ),
        Example(
            Text(zh="空值", en="No value"),
            b'{"value": null, "quality": 0}',
            (Reading(key="", value=None, quality="BAD"),),
        ),
        Example(
            Text(zh="本地时间", en="A local time, with the source's offset"),
            b'{"value": 1, "time": "2026-01-01T08:00:00"}',
            (Reading(key="", value=1.0, time="2026-01-01T00:00:00.000Z"),),
            source={"utc_offset": "+08:00"},
        ),
        Example(Text(zh="没有值", en="Without a value"), b'{"q": 192}', rejected=Reason.MALFORMED),
        Example(Text(zh="重复键", en="A key twice"), b'{"d": 1, "d": 61}', rejected=Reason.DUPLICATE_KEY),
    ),
    decode=decode,
)
