"""The page of the library: every process and piece of equipment with what it expects and which rules follow."""

from __future__ import annotations

from collections.abc import Iterator

from hazwatch.reference.markdown import prose, table
from rules import library as room
from rules.library import Entry, Expect, library
from schemas.gases import gas
from schemas.text import Text


def parts() -> Iterator[str]:
    """The page without its heading."""
    yield prose(room)
    yield "`hazwatch init` proposes rules from it: see [From a tag list to rules](../howto/rules-for-a-tag-list.md)."
    for entry in library().values():
        yield from _entry(entry)


def _entry(entry: Entry) -> Iterator[str]:
    yield f"## `{entry.id}` — {entry.name.zh} / {entry.name.en}"
    yield _both(entry.about)
    known = [f"Basis: {entry.basis}. {entry.source}"]
    if entry.supervised:
        known.append(f"No. {entry.supervised} of the 18 hazardous processes under key supervision.")
    if entry.uses:
        known.append(f"Uses {', '.join(f'`{name}`' for name in entry.uses)}.")
    if entry.gases:
        formulas = [one.formula for cas in entry.gases if (one := gas(cas)) is not None]
        known.append(f"Gases that speak for it: {', '.join(formulas)}.")
    yield " ".join(known)
    if entry.key_parameters:
        yield f"Key parameters: {'; '.join(_both(text) for text in entry.key_parameters)}."
    yield "\n".join(f"- {_both(text)}" for text in entry.hazards)
    for accident in entry.accident:
        steps = " → ".join(_both(step) for step in accident.steps)
        yield f"**{_both(accident.name)}**: {steps}. Shown by {', '.join(f'`{sign}`' for sign in accident.signs)}."
    yield table(("expected", "what", "measure", "need", "limits", "why", "basis"), map(_expect, entry.expect))
    rows = [
        (
            f"`{r.id}`",
            f"`{r.kind}`",
            ", ".join(r.of),
            ", ".join(f"{k} = {v}" for k, v in r.params.items()),
            _both(r.why),
            r.basis,
        )
        for r in entry.rule
    ]
    yield table(("rule", "kind", "of", "parameters", "why", "basis"), rows)


def _expect(one: Expect) -> tuple[str, ...]:
    need = one.need + (f", {one.least} or more" if one.least > 1 else "")
    limits = ", ".join(one.limits) + (f" (profile {one.profile})" if one.profile else "")
    return f"`{one.id}`", _both(one.name), one.measure.value, need, limits, _both(one.why), one.basis


def _both(text: Text) -> str:
    return f"{text.zh} / {text.en}"
