"""Laws over the whole library: what an entry gives as examples, `hazwatch init` makes a sound configuration of."""

from __future__ import annotations

import csv
import io
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hazwatch.cli import main
from rules.library import Entry, library, samples
from schemas.registry import Tag
from schemas.setpoints import SIDES
from schemas.text import Text

every_entry = pytest.mark.parametrize("entry", library().values(), ids=list(library()))
STANDARD = ("limits", "stale", "quality")


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def whole(entry: Entry) -> list[Entry]:
    """The entry with the equipment that it uses."""
    return [entry, *(library()[name] for name in entry.uses)]


def tag_list(tags: list[Tag]) -> str:
    """As an engineer would write it: without profiles, deadbands and delays."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    names = ["name", "title_zh", "title_en", "enterprise", "hazard_source", "measure", "cas", "unit"]
    writer.writerow([*names, "range_low", "range_high", "x_m", "y_m", "calibration_due", *SIDES])
    for t in tags:
        row = [t.name, t.title.zh, t.title.en, t.enterprise, t.hazard_source, t.measure, t.cas, t.unit]
        numbers = [t.range_low, t.range_high, t.x_m, t.y_m, t.calibration_due, *(getattr(t.limits, s) for s in SIDES)]
        writer.writerow([*row, *("" if n is None else n for n in numbers)])
    return out.getvalue()


def examples(entry: Entry, hazard_source: str = "area") -> list[Tag]:
    return [tag for one in whole(entry) for tag in samples(one, "works", hazard_source)]


def proposed(folder: Path, entry: Entry) -> dict[str, Any]:
    (folder / "tags.csv").write_text(tag_list(examples(entry)), encoding="utf-8")
    said = [] if entry.always else ["--process", entry.id]
    result = run("init", folder / "tags.csv", *said, "--out", folder / "hazwatch.toml")
    assert result.exit_code == 0, result.output
    return tomllib.loads((folder / "hazwatch.toml").read_text("utf-8"))


@every_entry
def test_the_examples_become_a_configuration_that_passes_check(entry: Entry, tmp_path: Path) -> None:
    made = proposed(tmp_path, entry)
    result = run("check", tmp_path / "hazwatch.toml")
    assert result.exit_code == 0, result.output
    assert {r["kind"] for r in made["rule"]} >= set(STANDARD)


@every_entry
def test_every_expected_tag_has_a_rule_and_every_rule_comes_out(entry: Entry, tmp_path: Path) -> None:
    """Each proposal becomes a rule, unless an entry of higher rank already asks its tags the same kind."""
    made = proposed(tmp_path, entry)["rule"]
    own = [r for r in made if r["kind"] not in STANDARD]
    asked: dict[str, set[str]] = {}
    for rule in own:
        for name in rule["tags"]:
            asked.setdefault(name, set()).add(rule["kind"])
    for one in whole(entry):
        answering: dict[str, list[str]] = {}
        for tag in samples(one, "works", "area"):
            answer = one.answer(tag)
            assert answer is not None
            answering.setdefault(answer.id, []).append(tag.name)
        for rule in one.rule:
            names = [n for of in rule.of for n in answering[of]]
            if rule.kind in STANDARD:
                continue
            if any("{" in str(v) for v in rule.params.values()):
                assert any(r["id"].startswith(f"{one.id.replace('_', '-')}.{rule.id}") for r in own), rule.id
            else:
                without = [n for n in names if rule.kind not in asked.get(n, ())]
                assert not without or (rule.most and len(without) < len(names)), (rule.id, without)
        limited = {n for rule in one.rule if rule.kind in STANDARD for of in rule.of for n in answering[of]}
        for names in answering.values():
            assert all(n in asked or n in limited for n in names)


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("entry", [e for e in library().values() if not e.always], ids=lambda e: e.id)
def test_a_plant_is_recognised_by_its_name(entry: Entry, language: str, tmp_path: Path) -> None:
    """In either language, the name of the place and what is measured there are enough."""
    from hazwatch.config.tags_csv import read_tags
    from hazwatch.init.recognise import recognise
    from hazwatch.init.site import site_of

    name = getattr(entry.name, language)
    tags = [
        Tag(
            number=0, name=f"T-{n}", enterprise="works", hazard_source=name, measure=t.measure, cas=t.cas, unit=t.unit,
            title=Text() if entry.gases else t.title,
        )
        for n, t in enumerate(samples(entry, "works", name))
    ]  # fmt: skip
    found = read_tags(tag_list(tags).encode(), "tags.csv")
    assert not found.problems
    (cell,) = recognise(site_of(found.tags).revision)
    assert entry.id in [one.entry.id for one in cell.found], [one.entry.id for one in cell.found]
