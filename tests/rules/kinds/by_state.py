"""Tags, a rule and stories for kind `limits_by_state`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from schemas.changes import ConditionChange
from schemas.registry import Limits, Measure, Revision, Rule, Tag
from tests.laws.traces import (
    gas_tag,
    revision,
)
from tests.rules.helpers import Story

RULE = "limits_by_state"
NONE = Limits()


def under(tags: Sequence[Tag], **params: object) -> Revision:
    return msgspec.structs.replace(revision(*tags), rules=(Rule(id=RULE, kind=RULE, params=dict(params)),))  # type: ignore[arg-type]


MODE = Tag(number=2, name="MODE", enterprise="works", measure=Measure.STATE, unit="1", stale_s=60.0)
DETECTOR = gas_tag(1, limits=NONE, deadband=2.0, stale_s=6.0)
NO_GAS = msgspec.structs.replace(DETECTOR, measure=Measure.OTHER)


def story(tags: Sequence[Tag], **params: object) -> Story:
    told = Story(of=under(tags, **params))
    told.beat(0)
    return told


def last(told: Story, side: str = "high") -> ConditionChange:
    return [c for c in told.said if c.rule == RULE and c.side == side][-1]


def levels(told: Story, side: str = "high") -> list[int]:
    hidden = ("first", "restatement")
    return [c.level for c in told.said if c.rule == RULE and c.side == side and c.basis not in hidden]
