"""Regimes against a calendar, and what is said of lines that are unclear."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.kinds.limits_by_state import PARAMS
from rules.regimes import STRICTEST, Unclear, read, states_of, values, which
from schemas.time import MINUTE, SECOND
from tests.laws.settings import traces as laws
from tests.laws.traces import (
    START,
)

LINES = (
    "start-up; state 2, 3; high 95, high_high 110",
    "night; 22:00-06:00 mon-fri; high 60",
    "weekend; sat,sun; high 70",
    "cleaning; states 5; 08:00-16:30; low none",
    "lunch; 12:00-13:00; high_high none",
    "new year; 20:00-04:00 sun; low 3",
)
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
APPLIES = {
    LINES[0]: lambda state, at: state in (2, 3),
    LINES[1]: lambda state, at: (
        (at.hour >= 22 and at.weekday() < 5) or (at.hour < 6 and at.weekday() in (1, 2, 3, 4, 5))
    ),
    LINES[2]: lambda state, at: at.weekday() >= 5,
    LINES[3]: lambda state, at: state == 5 and 8 * 60 <= at.hour * 60 + at.minute < 16 * 60 + 30,
    LINES[4]: lambda state, at: at.hour == 12,
    LINES[5]: lambda state, at: (at.hour >= 20 and at.weekday() == 6) or (at.hour < 4 and at.weekday() == 0),
}
moments = st.builds(
    lambda quarters, off: START + quarters * 15 * MINUTE + off,
    st.integers(-3000, 3000),
    st.sampled_from([0, 0, -1, 1, 7 * MINUTE]),
)


@laws(500)
@given(
    st.lists(st.sampled_from(LINES), max_size=8),
    st.sampled_from([math.nan, 0.0, 1.0, 2.0, 3.0, 5.0, 7.0, 2.5, -1.0, 61.0, 62.0, 1e300]),
    moments,
    st.sampled_from([8.0, 0.0, -5.5]),
    st.booleans(),
)
def test_the_regime_is_that_of_the_calendar(
    lines: list[str], state: float, at: int, zone_h: float, by_state: bool
) -> None:
    lines = [line for line in lines if by_state or "state" not in line]
    p = np.zeros(1, PARAMS)
    for key, value in values([read(line) for line in lines], states_of(["0", "1"]), by_state, zone_h).items():
        p[key] = value
    local = datetime.fromtimestamp(at // SECOND, UTC).astimezone(timezone(timedelta(hours=zone_h)))
    applying = [k for k, line in enumerate(lines, 1) if APPLIES[line](state, local)]  # type: ignore[no-untyped-call]
    if by_state and state not in range(62):
        wanted = STRICTEST
    elif applying:
        wanted = applying[0]
    else:
        wanted = STRICTEST if by_state and state not in (0, 1) else 0
    assert which(p[0], state, at) == wanted


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "is no regime"),
        ("start-up; high 95", "write name; when; limits"),
        ("start-up; state 2;", "is no regime"),
        ("start-up; state x; high 95", "'x' is no state"),
        ("start-up; state 62; high 95", "whole numbers from 0 to 61"),
        ("start-up; soon; high 95", "says nothing about hours, days or states"),
        ("night; 25:00-06:00; high 95", "are no hours of a day"),
        ("night; 22:00-06:60; high 95", "are no hours of a day"),
        ("night; 08:00-08:00; high 95", "are no hours of a day"),
        ("shifts; 08:00-16:00; 17:00-18:00; high 95", "'17:00-18:00' says a second time when it applies"),
        ("night; 22:00-06:00; mon-fri; high 95", "'mon-fri' says a second time when it applies"),
        ("start-up; state 1; state 2; high 95", "'state 2' says a second time when it applies"),
        ("night; mon-someday; high 95", "says nothing about hours"),
        ("night; 22:00-06:00; top 95", "'top 95' is no limit"),
        ("night; 22:00-06:00; high 95, high 96", "'high 96' is no limit"),
        ("night; 22:00-06:00; high ten", "'ten' is no number"),
        ("night; 22:00-06:00; high inf", "'inf' is no number"),
    ],
)
def test_a_line_that_is_unclear_is_told_with_a_cure(line: str, said: str) -> None:
    with pytest.raises(Unclear) as caught:
        read(line)
    assert said in str(caught.value)
