"""Topic filters against a slow oracle, and templates."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.topics import Backwards, filled, filled_with, filter_fault, matches, namer, overlap

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


words = st.lists(st.sampled_from(["x", "a", "-", "/", ".", "{1}", "{2}", "{3}", "{5}"]), max_size=6).map("".join)


@given(filters, topics, words)
def test_a_template_read_backwards_knows_its_own_texts(topic_filter: str, topic: str, template: str) -> None:
    """Whatever a topic of the filter makes of the template is recognised, and fills the template alike again."""
    if not matches(topic_filter, topic):
        return
    backwards = Backwards(template, topic_filter)
    text = filled(template, topic)
    levels = backwards.levels(text)
    assert levels is not None and filled_with(template, levels) == text
    assert matches(backwards.filter, text) or text.startswith("$"), "the filter takes it"
    for level in template.split("/"):
        if re.fullmatch(r"\{[1-5]\}", level) and int(level[1]) in backwards.places:
            assert levels[int(level[1])] == (topic.split("/") + [""] * 5)[int(level[1]) - 1], "alone on its level"


@pytest.mark.parametrize(
    ("template", "text", "levels"),
    [
        ("gw-{3}", "gw-7", {1: "park", 2: "metal", 3: "7", 4: "up"}),
        ("{2}/{3}", "metal/7", {1: "park", 2: "metal", 3: "7", 4: "up"}),
        ("{2}/{3}", "chlorine/7", None),
        ("gw-{3}", "gw-7/8", None),
        ("gw-{3}", "radio", None),
        ("{3}.{3}", "7.7", {1: "park", 2: "metal", 3: "7", 4: "up"}),
        ("{3}.{3}", "7.8", None),
        ("g.{3}", "gx7", None),
        ("ingest", "ingest", {1: "park", 2: "metal", 4: "up"}),
    ],
)
def test_templates_read_backwards(template: str, text: str, levels: dict[int, str] | None) -> None:
    assert Backwards(template, "park/metal/+/up").levels(text) == levels


def test_the_filter_of_a_template() -> None:
    assert Backwards("status/{2}/gw-{3}", "park/metal/+/up").filter == "status/metal/+"
    assert Backwards("{3}/{2}/lwt", "tele/#").filter == "+/+/lwt"
    assert Backwards("{3}/{2}/lwt", "tele/#").places == {2, 3}
