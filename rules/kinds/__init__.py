"""Rule kinds, a file each: the contract, and the registry that scans this folder.

To add a kind, add one file `rules/kinds/<name>.py` that assigns a `Kind` to `KIND`; nothing else is edited. The file
holds everything about the kind: the struct of its parameters with units and defaults, its checks against the registry,
what it watches on each tag (`plan`), the loop over rows (`rows`), its timer if silence concerns it (`beat`), its words
(`say`), worked examples that run as tests, and the source of its formula. `hazwatch check`, the laws and the reference
find it by the scan.

A kind decides what a row says about each level of a condition; delays, hysteresis, holds, restatements and snapshots
belong to the engine (`rules.machine`).
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.changes import AlarmClass, Side
from schemas.problems import Problem
from schemas.registry import Revision, RuleCase, Struct, Tag
from schemas.text import Text

NO_ARRAY = np.dtype([("unused", "i8")])
"""For a kind without parameters or memory per condition."""


@dataclass(frozen=True, slots=True)
class Level:
    """A level that a condition can reach. `limit` is None when no number was crossed; `early` is a warning that comes
    before one is; `tier` is the urgency of a level that is one by itself, 0 leaves it to `schemas.tiers`."""

    name: str
    title: Text
    limit: float | None = None
    early: bool = False
    tier: int = 0


@dataclass(frozen=True, slots=True)
class Planned:
    """A condition to watch: `tags` are all whose rows concern it, the first one gives it its place.

    `levels` are counted from 1; a missing level (only high-high is set) is None. `values` are the kind's own numbers,
    by the names of its `param_dtype`, and `samples` is the size of its ring for a kind with a `window_dtype`.
    """

    tags: tuple[Tag, ...]
    side: Side
    levels: tuple[Level | None, ...]
    on_delay_s: float = 0.0
    off_delay_s: float = 0.0
    holds: bool = True
    values: Mapping[str, float] = field(default_factory=dict)
    samples: int = 0


@dataclass(frozen=True, slots=True)
class Said:
    """What a kind puts into words: the resulting level of a condition at a row. `age_s` is the reading's age when it
    is old enough to be told; `figures` are those of the kind's figures that are known."""

    condition: Planned
    level: Level | None
    value: float
    quality: int
    age_s: float
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def tag(self) -> Tag:
        return self.condition.tags[0]


Rows = Callable[..., int]
"""`rows(n, index, flags, at, value, quality, first, members, conditions, gates, setup, params, memory, now, append,
out, due) -> changes`: a `rules.compiling.kernel`. Shapes: `index` to `quality` (>= n,), one entry per row, `index`
being the tag's place or -1; the conditions of tag j are `members[first[j]:first[j + 1]]`; `conditions`, `setup`,
`params`, `memory` (c,), `gates` (c, levels); `out` has room for every change. For each condition of an admitted row it
calls `rules.machine.step`, and may leave that out where nothing is beyond and `conditions[c]["quiet"]` is set: then
nothing can change, and this is what keeps a healthy plant cheap. All times are int64 nanoseconds. It must not write to
the first eight. `memory` is a `rules.windows.Held` for a kind with a `window_dtype`. The value that it gives to `step`
is the one that people are told: an average, a slope or a number of votes where the kind judges such a thing. A kind
with `figures` writes them to `out[m]["figures"]` where `step` has made a change m."""

Beat = Callable[..., int]
"""`beat(link, since, tag_at, tags, conditions, gates, setup, params, memory, now, append, row, out, due) -> changes`:
judge the silence of the tags of link number `link` that lasted, under supervision, from `since` to `now` (LAWS T5). It
may change only conditions with that link in their `setup` (`tests/laws/test_rules_silence.py` holds it to that).
`tags[tag_at[c]]` is the state of a condition's first tag (`rules.admission.STATE`), with its last live reading. It may
lower `due` to the `now` at which a silence that lasts will be long enough: a replay has no heartbeats to wait for."""


Calm = Callable[[npt.NDArray[np.void]], tuple[npt.ArrayLike, npt.ArrayLike]]
"""`calm(params) -> (above, below)`: two numbers for each row of `params`, or for all. NaN: every reading matters."""


Moved = Callable[[Any, npt.NDArray[Any], Sequence[int], Sequence[int]], None]
"""`moved(own, ring, numbers, places)`: put the memory `own` of a condition right after a revision. The sample of the
tag `numbers[k]` is `ring[k]` now and was at `places[k]` before, or nowhere (-1)."""


def samples_only(own: Any, ring: npt.NDArray[Any], numbers: Sequence[int], places: Sequence[int]) -> None:
    """`Kind.moved` where nothing but the samples knows of the tags' places."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """Everything the engine knows about a rule kind.

    `plan` gives the conditions for the tags of one cell, in registry order; `check` the problems of the parameters with
    one tag, paths relative to the rule; `check_cell` those with all tags of a cell; `levels` the most levels of a
    condition. A field `value` of `memory_dtype` is what the kind judges instead of the reading, in the unit that `unit`
    gives: it is told where no row is at hand. `figures` names what its changes carry beside the value; a field
    `figures` of `memory_dtype` holds them where no row is at hand. `bind` gives what `plan` and the checks get as
    `params`, for a kind that needs more of the revision than tags; it must not raise. `calm` says which readings change
    nothing of a quiet condition: good ones strictly between two numbers. They are not shown to `rows` (`rules.screen`),
    which makes a large healthy plant cheap; so a kind that remembers every reading or looks at several tags has none.
    `moved` is for a kind whose rings hold one sample for each tag of a condition, with a field `number` that says
    whose: a revision that adds, removes or moves tags takes these along, and `moved` what else names them.
    """

    name: str
    title: Text
    alarm_class: AlarmClass
    params: type[Struct]
    levels: int
    plan: Callable[[Sequence[Tag], Any], Iterable[Planned]]
    check: Callable[[Tag, Any], Iterable[Problem]]
    rows: Rows
    say: Callable[[Said], Text]
    source: str
    beat: Beat | None = None
    param_dtype: np.dtype[np.void] = NO_ARRAY
    memory_dtype: np.dtype[np.void] = NO_ARRAY
    window_dtype: np.dtype[np.void] | None = None
    check_cell: Callable[[Sequence[Tag], Any], Iterable[Problem]] = lambda tags, params: ()
    unit: Callable[[Planned], str] = lambda planned: planned.tags[0].unit
    figures: tuple[str, ...] = ()
    calm: Calm | None = None
    moved: Moved | None = None
    bind: Callable[[Any, Revision], Any] = lambda params, revision: params
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """A worked example: a tag, parameters, and a case to run through a real fold. `others` are more tags of its cell,
    for kinds that look at several; the case names the tag of such a reading, `(second, "name", value)`."""

    tag: Tag
    case: RuleCase
    params: Mapping[str, bool | int | float | str | list[str]] = field(default_factory=dict)
    others: tuple[Tag, ...] = ()

    @property
    def tags(self) -> tuple[Tag, ...]:
        return (self.tag, *self.others)


class KindError(TypeError):
    """A file in the folder of kinds is not a kind."""


@cache
def kinds() -> Mapping[str, Kind]:
    """Every kind in this folder by name. Raises `KindError` for a file without a `KIND` of its own name."""
    found: dict[str, Kind] = {}
    for module in pkgutil.iter_modules(__path__):
        kind = getattr(import_module(f"{__name__}.{module.name}"), "KIND", None)
        if not isinstance(kind, Kind) or kind.name != module.name:
            raise KindError(f"rules/kinds/{module.name}.py must assign KIND = Kind(name={module.name!r}, ...)")
        found[kind.name] = kind
    return MappingProxyType(found)
