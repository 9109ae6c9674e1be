"""`hazwatch bench` on real parts, for a few seconds: the ledger matches, and all that it promises to say is there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SECONDS = 4


@pytest.mark.slow
@pytest.mark.part("mosquitto")
@pytest.mark.part("postgres")
@pytest.mark.timeout(400)
def test_a_short_bench_on_the_embedded_log(tmp_path: Path) -> None:
    done, report, page = run_bench(tmp_path, "--log", "embedded", "--batch-rate", "4000", "--single-rate", "200")
    assert done.returncode == 0, done.stdout + done.stderr
    assert report["good"] is True
    assert report["failures"] == {}
    assert {"Mosquitto", "PostgreSQL", "Embedded log"} == report["durability"].keys()
    assert "synchronous_commit on" in report["durability"]["PostgreSQL"]
    assert report["machine"]["cores"] >= 1
    assert [(r["step"]["shape"], r["step"]["rate"]) for r in report["results"]] == [("batch", 4000), ("single", 200)]
    for result in report["results"]:
        check(result)
        assert {"alarm-path", "historian", "console", "postgres", "mosquitto", "load", "sink"} <= result["cpu"].keys()
    (lost,) = (t for t in report["targets"] if t["what"].startswith("nothing lost"))
    assert lost["met"]
    assert "cores/100k" in done.stdout
    assert "| embedded | batches of 100 | 4000 |" in page


@pytest.mark.slow
@pytest.mark.part("mosquitto")
@pytest.mark.part("postgres")
@pytest.mark.part("kafka")
@pytest.mark.timeout(400)
def test_a_short_bench_through_kafka(tmp_path: Path) -> None:
    done, report, _ = run_bench(tmp_path, "--log", "kafka", "--batch-rate", "4000")
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = report["results"]
    check(result)
    assert {"kafka", "ingest", "evaluate", "alarm"} <= result["cpu"].keys()
    assert "acks=all" in report["durability"]["Kafka"]


def run_bench(folder: Path, *options: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any], str]:
    words = ["--tags", "400", "--alarms", "5", "--warm-up", "3", "--seconds", str(SECONDS)]
    files = ["--json", str(folder / "bench.json"), "--markdown", str(folder / "bench.md")]
    argv = [sys.executable, "-m", "hazwatch", "bench", *options, *words, *files]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=380)
    report = json.loads((folder / "bench.json").read_text())
    return done, report, (folder / "bench.md").read_text() if report["results"] else ""


def check(result: dict[str, Any]) -> None:
    account = result["account"]
    assert result["ledger_matches"] is True
    assert account["published"] == account["stored"] > 0
    assert account["published_digest"] == account["stored_digest"]
    assert account["alarms_raised"] > 0
    assert account["alarms_lost"] == 0
    latency = result["latency"]
    assert latency["alarms"] > 0
    assert 0 < latency["p50_ms"] <= latency["p99_ms"] <= latency["max_ms"]
    assert result["sustained_per_s"] > 0
    assert result["readings_per_record"] > 0
    assert abs(sum(result["cpu"].values()) - result["cpu_total"]) < 1
    assert result["cores_per_100k"] > 0
    assert result["saturated"]
