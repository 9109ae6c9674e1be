"""The [historian] table: its defaults are sound, and what is wrong is said all at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from historian.config import URL_VARIABLE, HistorianConfig

SECRET = "postgresql://hazwatch:very-secret@db/hazwatch"


def test_the_defaults_are_sound() -> None:
    assert HistorianConfig().problems() == []


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({"raw_retention_days": 29}, ["raw_retention_days"]),
        ({"raw_retention_days": 30, "compress_after_days": 29}, []),
        ({"raw_retention_days": 30, "compress_after_days": 30}, ["compress_after_days"]),
        ({"aggregate_retention_days": 364}, ["aggregate_retention_days"]),
        ({"raw_retention_days": 500}, ["aggregate_retention_days"]),
        ({"alarm_retention_days": 1095}, ["alarm_retention_days"]),
        ({"hour_retention_days": 399}, ["hour_retention_days"]),
        ({"partition_hours": 5}, ["partition_hours"]),
        ({"url": SECRET, "url_file": "x"}, ["url_file"]),
        ({"batch_rows": 10, "stalled_s": 0.0, "read_connections": 0}, ["batch_rows", "stalled_s", "read_connections"]),
        ({"batch_delay_s": float("nan")}, ["batch_delay_s"]),
    ],
)
def test_every_problem_is_named(changes: dict[str, object], paths: list[str]) -> None:
    found = replace(HistorianConfig(), **changes).problems()
    assert [problem.path for problem in found] == [f"historian.{path}" for path in paths]
    assert all(problem.cure for problem in found)


def test_less_than_the_law_asks_for_is_refused_with_its_reason() -> None:
    (problem,) = HistorianConfig(raw_retention_days=7).problems()
    assert "law" in problem.message


def test_the_address_is_a_secret_and_the_environment_wins(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://from-file/\n")
    config = HistorianConfig(url=SECRET)
    assert "very-secret" not in repr(config)
    assert config.database_url({}) == SECRET
    assert HistorianConfig(url_file=str(file)).database_url({}) == "postgresql://from-file/"
    assert config.database_url({URL_VARIABLE: "postgresql://from-environment/"}) == "postgresql://from-environment/"
    assert HistorianConfig().database_url({}) == ""
