"""Patterns mean the same tags as the names that they stand for."""

from __future__ import annotations

from fnmatch import fnmatchcase

from hypothesis import given
from hypothesis import strategies as st

from hazwatch.init.patterns import FEW, compact

NAME = st.from_regex(r"\A[AB][-.]?[0-9]{1,3}(-[XY][0-9])?\Z")


@given(st.lists(NAME, unique=True, max_size=60), st.data())
def test_they_match_these_and_no_others(everyone: list[str], data: st.DataObject) -> None:
    chosen = data.draw(st.sets(st.sampled_from(everyone))) if everyone else set()
    names = [name for name in everyone if name in chosen]
    made = compact(names, everyone)
    assert {n for n in everyone if any(fnmatchcase(n, pattern) for pattern in made)} == chosen
    assert len(made) <= len(names) and len(set(made)) == len(made)


def test_few_are_named_and_many_alike_are_one_pattern() -> None:
    detectors = [f"metal.CO-{n}" for n in (*range(101, 117), *range(201, 213))]
    assert compact(detectors[:FEW], detectors) == tuple(detectors[:FEW])
    assert compact(detectors, [*detectors, "metal.PT-1"]) == ("metal.CO-*",)
    assert compact(detectors[:16], detectors) == ("metal.CO-1*",)
    assert compact([*detectors[:16], "TT-1"], [*detectors, "TT-1"]) == ("metal.CO-1*", "TT-1")
    cells = [f"A{c}-CL-{n}" for c in range(20) for n in range(4)]
    assert compact(cells, [*cells, *(n.replace("CL", "PT") for n in cells)]) == ("A*-CL-*",)
