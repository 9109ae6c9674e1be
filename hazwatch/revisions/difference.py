"""Two revisions side by side: what is added, removed and changed, field by field, and which of it is less strict.

A pure function of both. Tags are the same by name, everything else by id. Rules are those in force, so a default that
the configuration replaces is compared with what replaces it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from hazwatch.revisions import fields
from hazwatch.revisions.effect import Effect, effects, params_of
from hazwatch.revisions.fields import OF_THE_TAG, UNKNOWN, Field
from hazwatch.revisions.strictness import RISKY, Strictness, unclear, worst
from rules.rulebook import rules_of
from schemas.models import Model, stamp
from schemas.registry import Measure, Revision, Rule, Struct, Tag
from schemas.setpoints import SIDES
from schemas.text import Text
from schemas.units import UnitError, conversion

FORMAT = 1
SAME_TO = 1e-9
"""Two numbers that differ by less than this share of themselves are one number, converted."""


class FieldChange(msgspec.Struct, frozen=True, kw_only=True):
    """A field of which the value is another. `old` and `new` are as the registry holds them, None when not given."""

    field: str
    title: Text
    old: Any
    new: Any
    unit: str
    old_unit: str
    strictness: Strictness


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A tag, rule, route or place that is `added`, `removed` or `changed`; `fields` are those that changed."""

    what: str
    id: str
    title: Text
    change: str
    strictness: Strictness
    fields: tuple[FieldChange, ...] = ()


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """All that changes. `counts` says how many entries, fields and effects there are of each strictness."""

    format: int = FORMAT
    old: str
    new: str
    entries: tuple[Entry, ...]
    effects: tuple[Effect, ...]
    counts: dict[Strictness, int]

    @property
    def empty(self) -> bool:
        """The two say the same."""
        return not self.entries and not self.effects

    @property
    def risky(self) -> bool:
        """Something is less strict, or nobody can say that it is not."""
        return any(self.counts.get(strictness) for strictness in RISKY)


def difference(old: Revision, new: Revision, old_name: str, new_name: str) -> Difference:
    """What `new` changes of `old`; the names are for people."""
    entries = tuple(_entries(old, new))
    found = tuple(effects(old, new))
    counts = Counter(strictness for entry in entries for strictness in _strictnesses(entry))
    counts.update(effect.strictness for effect in found)
    ordered = {strictness: counts[strictness] for strictness in Strictness if counts[strictness]}
    return Difference(old=old_name, new=new_name, entries=entries, effects=found, counts=ordered)


def _strictnesses(entry: Entry) -> Iterator[Strictness]:
    if entry.fields:
        yield from (change.strictness for change in entry.fields)
    else:
        yield entry.strictness


def _entries(old: Revision, new: Revision) -> Iterator[Entry]:
    before, after = ({tag.name: tag for tag in one.tags if not tag.retired} for one in (old, new))
    yield from _compared("tag", before, after, _tag_changes, Strictness.LESS)
    yield from _compared("rule", _by_id(rules_of(old)), _by_id(rules_of(new)), _rule_changes, Strictness.LESS)
    yield from _compared("route", _by_id(old.routes), _by_id(new.routes), _route_changes, Strictness.LESS)
    models = ({model.name: model for model in one.models} for one in (old, new))
    yield from _compared("model", next(models), next(models), _model_changes, Strictness.LESS)
    for what, many in (
        ("park", "parks"),
        ("enterprise", "enterprises"),
        ("hazard_source", "hazard_sources"),
        ("equipment", "equipment"),
    ):
        before, after = (_by_id(getattr(one, many)) for one in (old, new))
        yield from _compared(what, before, after, _place_changes, Strictness.NEUTRAL)


def _compared(
    what: str, old: Mapping[str, Any], new: Mapping[str, Any], changes: Any, gone: Strictness
) -> Iterator[Entry]:
    """The differences of one sort of thing; `gone` is what losing one means."""
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        title = _title(after if after is not None else before)
        if after is None:
            yield Entry(what=what, id=name, title=title, change="removed", strictness=gone)
        elif before is None:
            come = Strictness.STRICTER if gone is Strictness.LESS else gone
            yield Entry(what=what, id=name, title=title, change="added", strictness=come)
        elif found := tuple(changes(before, after)):
            verdict = worst(change.strictness for change in found)
            yield Entry(what=what, id=name, title=title, change="changed", strictness=verdict, fields=found)


def _by_id(things: Iterable[Any]) -> dict[str, Any]:
    return {thing.id: thing for thing in things}


def _title(thing: Any) -> Text:
    for name in ("title", "name"):
        if isinstance(found := getattr(thing, name, None), Text):
            return found
    return Text()


# Field by field


def _plain(old: Struct, new: Struct, table: Mapping[str, Field], skip: Iterable[str]) -> Iterator[FieldChange]:
    for name in old.__struct_fields__:
        if name not in skip:
            yield from _changed(name, getattr(old, name), getattr(new, name), table.get(name, UNKNOWN))


def _changed(
    name: str, old: Any, new: Any, field: Field, old_unit: str = "", new_unit: str = ""
) -> Iterator[FieldChange]:
    if old == new:
        return
    yield FieldChange(
        field=name,
        title=field.title or Text(zh=name, en=name),
        old=msgspec.to_builtins(old),
        new=msgspec.to_builtins(new),
        unit=new_unit or field.unit,
        old_unit=old_unit or field.unit,
        strictness=field.judge(old, new),
    )


def _tag_changes(old: Tag, new: Tag) -> Iterator[FieldChange]:
    for name in old.__struct_fields__:
        if name in ("number", "name", "retired"):
            continue
        if name == "limits":
            for side in SIDES:
                field = fields.TAG[side]
                if new.measure is Measure.GAS and side in fields.GAS_LIMITS:
                    field = field._replace(title=fields.GAS_LIMITS[side])
                yield from _in_tag_unit(side, getattr(old.limits, side), getattr(new.limits, side), field, old, new)
            continue
        field = fields.TAG.get(name, UNKNOWN)
        if field.unit == OF_THE_TAG:
            yield from _in_tag_unit(name, getattr(old, name), getattr(new, name), field, old, new)
        else:
            yield from _changed(name, getattr(old, name), getattr(new, name), field)


def _in_tag_unit(
    name: str, old: float | None, new: float | None, field: Field, before: Tag, after: Tag
) -> Iterator[FieldChange]:
    """A number in the tag's unit, which may be another one now: it is judged by what it is in the new unit."""
    if before.unit == after.unit:
        yield from _changed(name, old, new, field, before.unit, after.unit)
        return
    if old is None and new is None:
        return
    verdict = unclear(old, new)
    try:
        converted = None if old is None else conversion(before.unit, after.unit, after.cas)(old)
    except UnitError:
        pass
    else:
        same = converted is not None and new is not None and abs(converted - new) <= SAME_TO * abs(new)
        verdict = Strictness.NEUTRAL if same else field.judge(converted, new)
    if old != new or verdict is not Strictness.NEUTRAL:
        yield FieldChange(
            field=name, title=field.title, old=old, new=new, unit=after.unit, old_unit=before.unit, strictness=verdict
        )


def _rule_changes(old: Rule, new: Rule) -> Iterator[FieldChange]:
    yield from _plain(old, new, fields.RULE, ("id", "params"))
    if old.kind != new.kind:
        if old.params != new.params:
            yield from _changed("params", old.params, new.params, Field(Text(zh="参数", en="parameters"), unclear))
        return
    before, after = params_of(old), params_of(new)
    for name in sorted(before.keys() | after.keys()):
        judge = fields.param(new.kind, name)
        title = fields.TAG[name].title if name in fields.TAG else Text(zh=name, en=name)
        unit = "s" if name.endswith("_s") else ""
        yield from _changed(f"params.{name}", before.get(name), after.get(name), Field(title, judge, unit))


def _route_changes(old: Struct, new: Struct) -> Iterator[FieldChange]:
    return _plain(old, new, fields.ROUTE, ("id",))


def _model_changes(old: Model, new: Model) -> Iterator[FieldChange]:
    for name, field in fields.MODEL.items():
        yield from _changed(name, getattr(old, name), getattr(new, name), field)
    as_before = msgspec.structs.replace(new, **{name: getattr(old, name) for name in fields.MODEL})
    if as_before != old:
        yield from _changed("learned", stamp(old), stamp(new), fields.LEARNED)


def _place_changes(old: Struct, new: Struct) -> Iterator[FieldChange]:
    return _plain(old, new, fields.PLACE, ("id",))
