"""What `deploy/` holds is accepted by the programs that it is for."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from hazwatch.cli import main
from hazwatch.metrics import METRICS

DEPLOY = Path(__file__).parents[2] / "deploy"


def accepts(*argv: str, cwd: Path = DEPLOY) -> str:
    program = shutil.which(argv[0])
    if program is None:
        pytest.skip(f"{argv[0]} is not installed")
    result = subprocess.run([program, *argv[1:]], cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_docker_compose_accepts_the_stack_and_it_holds_every_role() -> None:
    shown = accepts("docker-compose", "-f", "compose.yaml", "config")
    for role in ("ingest", "evaluate", "alarm", "historian", "console"):
        assert re.search(rf"^ +- run\n +- {role}$", shown, re.MULTILINE), role
    for image in ("eclipse-mosquitto", "apache/kafka", "timescale/timescaledb", "prom/prometheus"):
        assert image in shown


def test_prometheus_accepts_its_configuration_and_rules() -> None:
    accepts("promtool", "check", "config", "prometheus/prometheus.yml")


def test_the_rules_ask_for_metrics_that_exist() -> None:
    rules = (DEPLOY / "prometheus" / "rules.yml").read_text()
    known = set(METRICS) | {f"{name}_bucket" for name, metric in METRICS.items() if metric.kind == "histogram"}
    asked = set(re.findall(r"\bhazwatch_\w+", rules))
    assert asked
    assert asked <= known


def test_the_example_site_is_sound() -> None:
    result = CliRunner().invoke(main, ["check", str(DEPLOY / "site" / "hazwatch.toml")])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("unit", sorted(path.name for path in (DEPLOY / "systemd").glob("*.service")))
def test_units_start_a_command_that_exists(unit: str) -> None:
    text = (DEPLOY / "systemd" / unit).read_text()
    command = re.search(r"^ExecStart=\S+/hazwatch (\w+)", text, re.MULTILINE)
    assert command is not None
    assert CliRunner().invoke(main, [command[1], "--help"]).exit_code == 0
    assert "Restart=always" in text
