"""The proposal as a configuration file, with a comment why for each rule."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from hazwatch.config.tags_csv import write_tags
from hazwatch.init.notes import Note, said
from hazwatch.init.propose import Proposed
from hazwatch.init.recognise import Cell
from schemas.registry import Revision, Rule, Tag
from schemas.text import Text

WIDTH = 118


def written(
    source: str,
    revision: Revision,
    cells: Sequence[Cell],
    rules: Sequence[Proposed],
    notes: Sequence[Note],
    chinese: bool,
) -> str:
    """The file as text; `source` is the name of the tag list."""
    blocks = (
        _head(source, cells, notes, chinese),
        _places(revision),
        _tags(revision.tags, chinese),
        _rules(rules, chinese),
        _ways(chinese),
    )
    return "\n".join(line for block in blocks for line in block) + "\n"


def _head(source: str, cells: Sequence[Cell], notes: Sequence[Note], chinese: bool) -> Iterator[str]:
    yield from _comment(
        f"由 hazwatch init 根据 {source} 提出：是起点，不是安全评价，也不表明符合任何标准。"
        if chinese
        else f"Proposed by `hazwatch init` for {source}: a place to begin. It is no safety study and shows conformity "
        "with no standard."
    )
    yield "#"
    yield "# 识别结果" if chinese else "# What was recognised"
    for cell in cells:
        if not cell.found:
            yield from _comment(f"单元 {cell.name}：通用" if chinese else f"cell {cell.name}: any plant", "#   ")
        for one in cell.found:
            why = said(one.why, chinese=chinese)
            name = said(one.entry.name, chinese=chinese)
            line = (
                f"单元 {cell.name}：{one.entry.id}（{name}），{why}"
                if chinese
                else (f"cell {cell.name}: {one.entry.id} ({name}), {why}")
            )
            yield from _comment(line, "#   ")
    if notes:
        yield "#"
        yield (
            f"# 未能确定，请逐项处理（{len(notes)}）"
            if chinese
            else f"# What could not be decided ({len(notes)}): for you to settle"
        )
        for note in notes:
            yield from _comment(f"- {note.told(chinese=chinese)}", "#   ")
    yield ""


def _places(revision: Revision) -> Iterator[str]:
    for park in revision.parks:
        yield from _table("[park]", {"id": park.id, "name": park.name})
    for enterprise in revision.enterprises:
        yield from _table("[[enterprise]]", {"id": enterprise.id, "park": enterprise.park, "name": enterprise.name})
    for source in revision.hazard_sources:
        fields = {"id": source.id, "enterprise": source.enterprise, "grade": source.grade, "name": source.name}
        yield from _table("[[hazard_source]]", fields)
    for one in revision.equipment:
        yield from _table("[[equipment]]", {"id": one.id, "hazard_source": one.hazard_source, "name": one.name})


def _tags(tags: Sequence[Tag], chinese: bool) -> Iterator[str]:
    yield from _comment(
        '测点：空的限值已按限值方案（profile）填好，原因、后果和处置来自规则库。可另存为文件： files = ["tags.csv"]。'
        if chinese
        else "Tags. Empty limits were filled in from the set-point profile, empty guidance from the library. The list "
        'may as well be a file of its own: files = ["tags.csv"].'
    )
    yield "[tags]"
    yield f"list = {_long(_csv(tags))}"
    yield ""


def _csv(tags: Sequence[Tag]) -> str:
    """The tag list without columns in which nothing stands."""
    rows = list(csv.reader(io.StringIO(write_tags(tags).decode("utf-8-sig"), newline="")))
    used = [place for place in range(len(rows[0])) if any(row[place] for row in rows[1:])]
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows([[row[place] for place in used] for row in rows])
    return out.getvalue()


def _rules(rules: Sequence[Proposed], chinese: bool) -> Iterator[str]:
    for one in rules:
        if not one.reasons:
            yield from _comment("每个测点都要" if chinese else "Asked of every tag.")
        for entry, why, basis in one.reasons:
            yield from _comment(f"{entry}: {said(why, chinese=chinese)} [{basis}]")
        yield from _rule(one.rule)


def _rule(rule: Rule) -> Iterator[str]:
    yield "[[rule]]"
    yield f"id = {_value(rule.id)}"
    yield f"kind = {_value(rule.kind)}"
    if rule.tags != ("*",):
        yield from _names(rule.tags)
    if rule.params:
        yield f"params = {{ {', '.join(f'{key} = {_value(value)}' for key, value in rule.params.items())} }}"
    if rule.tier:
        yield f"tier = {rule.tier}"
    if rule.text:
        yield f"text = {_value(rule.text)}"
    yield ""


def _names(names: Sequence[str]) -> Iterator[str]:
    line = f"tags = [{', '.join(map(_value, names))}]"
    if len(line) <= WIDTH:
        yield line
        return
    yield "tags = ["
    yield from textwrap.wrap(
        ", ".join(map(_value, names)) + ",", WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
    )
    yield "]"


def _ways(chinese: bool) -> Iterator[str]:
    yield from _comment(
        "数据入口：先可手工发布试用，如 mosquitto_pub -t hazwatch/manual/CO-101 -m 12；再换成网关的主题和格式。"
        if chinese
        else "The way in. To begin with, by hand: mosquitto_pub -t hazwatch/manual/CO-101 -m 12. Replace it by the "
        "topics and formats of your gateways."
    )
    yield from _table("[[source]]", {"name": "by-hand", "topic": "hazwatch/manual/+", "format": "number", "tag": "{3}"})
    yield from _comment(
        "通知出口：目前只写入日志，请接上短信或网络接口。"
        if chinese
        else "The way out. So far alarms are only logged: connect the channels that reach people."
    )
    yield from _table("[[channel]]", {"name": "log", "kind": "console_log", "language": "zh" if chinese else "en"})
    yield "[[route]]"
    yield 'id = "all"'
    yield 'channel = "log"'


def _table(heading: str, fields: dict[str, object]) -> Iterator[str]:
    yield heading
    for key, value in fields.items():
        if not isinstance(value, Text) or value:
            yield f"{key} = {_value(value)}"
    yield ""


def _comment(text: str, indent: str = "# ") -> Iterable[str]:
    deeper = indent + ("  " if text.startswith("- ") else "")
    plain = "".join(c if c.isprintable() else " " for c in text)
    return textwrap.wrap(plain, WIDTH, initial_indent=indent, subsequent_indent=deeper, break_on_hyphens=False)


def _value(value: object) -> str:
    """A TOML value."""
    if isinstance(value, Text):
        return f"{{ zh = {_value(value.zh)}, en = {_value(value.en)} }}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)


def _long(text: str) -> str:
    """A TOML string of several lines; escaped only where the plain form cannot hold it."""
    if "'''" not in text and all(c == "\n" or c == "\t" or (c >= " " and c != "\x7f") for c in text):
        return f"'''\n{text}'''"
    return _value(text)
