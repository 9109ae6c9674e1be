"""The rule for missing parts: a skip with a reason, but a failure when `HAZWATCH_REQUIRE` names the part."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

_TESTS = """
import pytest
import tests.parts.mosquitto
from tests.parts import PartMissing

@pytest.fixture(autouse=True)
def no_mosquitto(monkeypatch):
    def missing(part, program, package):
        raise PartMissing(part, "buy one")
    monkeypatch.setattr(tests.parts.mosquitto, "require_program", missing)

def test_by_fixture(mosquitto): ...

def test_by_hand():
    tests.parts.mosquitto.Mosquitto()

@pytest.mark.part("kafka")
def test_by_marker():
    pytest.skip("no jars")

@pytest.mark.part("kafka")
@pytest.mark.skipif(True, reason="never runs")
def test_by_condition(): ...

@pytest.mark.part("kafka")
@pytest.mark.xfail
def test_known_failure():
    raise AssertionError

def test_without_part():
    pytest.skip("not today")

def test_good(): ...
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("HAZWATCH_REQUIRE", raising=False)
    pytester.makepyfile(_TESTS)
    return pytester


def run(suite: pytest.Pytester, *args: str) -> pytest.RunResult:
    return suite.runpytest_subprocess("-p", "tests.conftest", "-ra", *args)


def test_a_missing_part_is_a_skip_with_its_reason(suite: pytest.Pytester) -> None:
    result = run(suite)
    result.assert_outcomes(passed=1, skipped=5, xfailed=1)
    result.stdout.fnmatch_lines(["*mosquitto is missing: buy one*"])


def test_a_required_part_may_not_be_skipped(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAZWATCH_REQUIRE", "mosquitto, kafka")
    result = run(suite)
    # A skip in a fixture is an error in pytest's words, a skip in the test itself a failure.
    result.assert_outcomes(passed=1, skipped=1, xfailed=1, failed=2, errors=2)
    result.stdout.fnmatch_lines(["*HAZWATCH_REQUIRE names mosquitto, but mosquitto is missing: buy one*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_only_the_named_part_is_required(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAZWATCH_REQUIRE", "mosquitto")
    run(suite).assert_outcomes(passed=1, skipped=3, xfailed=1, failed=1, errors=1)


def test_an_unknown_part_is_refused(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAZWATCH_REQUIRE", "kafka,postgre")
    result = run(suite)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*HAZWATCH_REQUIRE names *'postgre'*; the parts are mosquitto, kafka, postgres*"])


def test_a_module_that_skips_itself_fails_while_parts_are_required(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAZWATCH_REQUIRE", "kafka")
    suite.makepyfile(test_whole="import pytest; pytest.skip('all of it', allow_module_level=True)")
    result = run(suite, "test_whole.py")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*all of it*"])


def test_fixtures_mark_their_tests(suite: pytest.Pytester) -> None:
    result = run(suite, "-m", "not part")
    result.assert_outcomes(passed=1, skipped=2, deselected=4)
