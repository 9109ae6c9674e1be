"""The registry: park > enterprise > hazard source > equipment > tag, and what is asked of each tag.

A registry is data: frozen, complete, and valid or not by its content alone (`schemas.checks`). Tag numbers are given
once and never reused; a tag that changes its cell gets a new number and the old one is retired (LAWS C3).
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum

import msgspec

from schemas.models import Model
from schemas.text import Text


class Struct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The base of everything that travels in a revision."""


class Measure(StrEnum):
    """What a tag measures."""

    GAS = "gas"
    TEMPERATURE = "temperature"
    PRESSURE = "pressure"
    LEVEL = "level"
    FLOW = "flow"
    WIND_SPEED = "wind_speed"
    WIND_DIRECTION = "wind_direction"
    HUMIDITY = "humidity"
    CURRENT = "current"
    STATE = "state"
    OTHER = "other"


class Park(Struct, frozen=True, kw_only=True):
    """A chemical park: one control room, one order of `events`."""

    id: str
    name: Text = Text()
    district: str = ""
    town: str = ""
    longitude: float | None = None
    latitude: float | None = None


class Enterprise(Struct, frozen=True, kw_only=True):
    id: str
    name: Text = Text()
    park: str
    district: str = ""
    town: str = ""


class Substance(Struct, frozen=True, kw_only=True):
    """What a hazard source holds at most, for its grade (`schemas.majorhazard`).

    `q_t` is the design maximum in tonnes. A substance of GB 18218-2018 table 1 is named by its `cas`, or by its `row`
    there where a CAS number has several rows or none; any other one by its hazard `classes` (table 2, such as "W5.3").
    """

    q_t: float
    cas: str = ""
    row: int = 0
    classes: tuple[str, ...] = ()
    name: Text = Text()


class HazardSource(Struct, frozen=True, kw_only=True):
    """A major hazard source (重大危险源). `grade` 1-4 is its grade by GB 18218 (一级 is 1), 0 when it has none.

    With an `inventory` the grade is computed, and one that is given beside it is only compared. `population` is how
    many people are within 500 m of the boundary. `assessed` is the day of the assessment, `valid_until` its last day
    (three years later when not given), `assessor` who made it and `assessment` its version or number.
    """

    id: str
    name: Text = Text()
    enterprise: str
    grade: int = 0
    inventory: tuple[Substance, ...] = ()
    population: int | None = None
    assessed: date | None = None
    valid_until: date | None = None
    assessor: str = ""
    assessment: str = ""


class Equipment(Struct, frozen=True, kw_only=True):
    id: str
    name: Text = Text()
    hazard_source: str


class Limits(Struct, frozen=True, kw_only=True):
    """The limits of a tag in the tag's own unit. For gas points `high` is level 1 and `high_high` level 2."""

    low_low: float | None = None
    low: float | None = None
    high: float | None = None
    high_high: float | None = None


class Tag(Struct, frozen=True, kw_only=True):
    """One measuring point.

    `cell` is the evaluation group: by default the hazard source, else the enterprise. `link` names the supervised path
    its readings come by. Times are in seconds, limits, deadband, range and resolution in the tag's unit.
    `bad_values` are numbers that mean "no value" on the wire (-200). `profile` names the set-point profile that the
    limits default from and are checked against; a looser limit needs `limit_reason`. `calibration_due` is the last day,
    at +08:00, of its calibration or verification, None when it is not known.
    """

    number: int
    name: str
    title: Text = Text()
    enterprise: str
    hazard_source: str = ""
    equipment: str = ""
    measure: Measure
    cas: str = ""
    unit: str
    range_low: float | None = None
    range_high: float | None = None
    resolution: float | None = None
    longitude: float | None = None
    latitude: float | None = None
    height_m: float | None = None
    x_m: float | None = None
    y_m: float | None = None
    cell: str = ""
    link: str = "ingest"
    period_s: float = 1.0
    lateness_s: float = 10.0
    stale_s: float = 30.0
    bad_values: tuple[float, ...] = ()
    limits: Limits = Limits()
    deadband: float = 0.0
    on_delay_s: float = 0.0
    off_delay_s: float = 0.0
    profile: str = "none"
    limit_reason: str = ""
    cause: Text = Text()
    consequence: Text = Text()
    action: Text = Text()
    response_s: float | None = None
    calibration_due: date | None = None
    retired: bool = False

    @property
    def cell_key(self) -> str:
        """The key of `readings` that this tag travels under."""
        return self.cell or self.hazard_source or self.enterprise


class RuleCase(Struct, frozen=True, kw_only=True):
    """An example beside a rule: readings and what must come of them.

    `readings` are (seconds, value), (seconds, value, quality name) or (seconds, value, quality name, seconds by its
    clock) of the case's tag, and of another tag with its name in second place; `expect` are (seconds, change, level
    name) of the case's tag."""

    name: str
    tag: str
    readings: tuple[tuple[float | str | None, ...], ...]
    expect: tuple[tuple[float, str, str], ...] = ()


class Rule(Struct, frozen=True, kw_only=True):
    """A rule: a kind, the tags it is asked of (shell patterns over names, or measures), and the kind's parameters."""

    id: str
    kind: str
    tags: tuple[str, ...] = ("*",)
    measures: tuple[Measure, ...] = ()
    tier: int = 0
    text: Text = Text()
    route: str = ""
    params: dict[str, bool | int | float | str | list[str]] = {}
    case: tuple[RuleCase, ...] = ()


class Route(Struct, frozen=True, kw_only=True):
    """Which alarms reach whom by which channel. Empty selectors match everything; all given selectors must match."""

    id: str
    channel: str
    recipients: tuple[str, ...] = ("",)
    tiers: tuple[int, ...] = ()
    classes: tuple[str, ...] = ()
    parks: tuple[str, ...] = ()
    enterprises: tuple[str, ...] = ()
    hazard_sources: tuple[str, ...] = ()
    route_classes: tuple[str, ...] = ()
    on: tuple[str, ...] = ("raise", "rise")


class Revision(Struct, frozen=True, kw_only=True):
    """Everything the folds need to know, under one rising number. Secrets and addresses are not in here."""

    number: int
    made_ns: int = 0
    made_by: str = ""
    note: str = ""
    parks: tuple[Park, ...]
    enterprises: tuple[Enterprise, ...] = ()
    hazard_sources: tuple[HazardSource, ...] = ()
    equipment: tuple[Equipment, ...] = ()
    tags: tuple[Tag, ...] = ()
    rules: tuple[Rule, ...] = ()
    routes: tuple[Route, ...] = ()
    models: tuple[Model, ...] = ()
