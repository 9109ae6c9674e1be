"""Topic filters against a slow oracle, and templates."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.topics import filled, filter_fault, matches, namer, overlap

levels = st.sampled_from(["a", "b", "", "$s"])
filters = st.builds(
    lambda head, tail: "/".join([*head, *tail]),
    st.lists(levels | st.just("+"), min_size=1, max_size=4),
    st.sampled_from([(), ("#",)]),
)
topics = st.lists(levels, min_size=1, max_size=5).map("/".join)


def oracle(topic_filter: str, topic: str) -> bool:
    """By regular expression, from the words of the MQTT specification."""
    if topic.startswith("$") and topic_filter[:1] in ("+", "#"):
        return False
    body = topic_filter.removesuffix("/#") if topic_filter.endswith("/#") else topic_filter
    pattern = "/".join("[^/]*" if level == "+" else re.escape(level) for level in body.split("/"))
    if topic_filter == "#":
        return True
    return re.fullmatch(pattern + ("(/.*)?" if topic_filter.endswith("/#") else ""), topic) is not None


@given(filters, topics)
def test_matching_is_that_of_the_specification(topic_filter: str, topic: str) -> None:
    assert matches(topic_filter, topic) == oracle(topic_filter, topic)


@given(filters, filters, topics)
def test_filters_that_share_a_topic_overlap(one: str, other: str, topic: str) -> None:
    assert overlap(one, other) == overlap(other, one)
    if matches(one, topic) and matches(other, topic):
        assert overlap(one, other)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("park/+/up", "park/metal/+", True),
        ("park/+/up", "park/+/backfill", False),
        ("park/#", "park", True),
        ("a/b", "a/b/c", False),
        ("a/+/c", "a/b/#", True),
    ],
)
def test_overlap(one: str, other: str, expected: bool) -> None:
    assert overlap(one, other) is expected


@pytest.mark.parametrize("bad", ["", "a/#/b", "a/b#", "a+/b", "$share/g/a", "$SYS/#", "a\x00"])
def test_bad_filters_are_told(bad: str) -> None:
    assert filter_fault(bad)


@pytest.mark.parametrize("good", ["a", "/a", "+/#", "#", "$other/a"])
def test_good_filters(good: str) -> None:
    assert not filter_fault(good)


def test_templates() -> None:
    assert filled("{2}/{4}", "shellies/x-1/sensor/temperature") == "x-1/temperature"
    assert filled("{9}x", "a") == "x"
    assert namer("{1}.{key}", "gw/up")("co") == "gw.co"
    assert namer("{key}-{key}", "a")("b") == "b-b"
    assert namer("{1}.{key}", "{key}/up")("co") == "{key}.co", "the text of a topic is never a template"
