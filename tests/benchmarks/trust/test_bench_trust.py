"""bench trust: every query is asked about every law, and the page says what was counted."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from reid_edge.gallery import Gallery
from reid_edge_benchmarks.cli import bench
from reid_edge_benchmarks.report.sections import section
from reid_edge_benchmarks.trust.counting import wilson_interval
from reid_edge_benchmarks.trust.laws import LAWS
from reid_edge_benchmarks.trust.tables import trust_text

COPIES = 3


@pytest.fixture(scope="module")
def herd(few_samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The few samples as one species: three individuals of two photos each, two queries of Imara and one of a stranger."""
    with few_samples.open(newline="", encoding="utf-8") as table:
        rows = [{**row, "species": "sample animal"} for row in csv.DictReader(table)]
    path = tmp_path_factory.mktemp("herd") / "metadata.csv"
    with path.open("w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(scope="module")
def run(herd: Path) -> tuple[Result, Path]:
    """`bench trust` once, with its JSON and what it keeps."""
    kept, out = str(herd.parent / "kept"), str(herd.parent / "trust.json")
    options = ["--copies", str(COPIES), "--keep", kept, "--json", out, "--threads", "2"]
    result = CliRunner().invoke(bench, ["trust", str(herd), *options])
    assert result.exit_code == 0, (result.output, result.exception)
    return result, herd.parent


@pytest.fixture(scope="module")
def figures(run: tuple[Result, Path]) -> dict[str, Any]:
    made: dict[str, Any] = json.loads((run[1] / "trust.json").read_text("utf-8"), parse_constant=pytest.fail)
    return made


def test_every_law_is_counted_over_the_queries_that_can_tell(figures: dict[str, Any], run: tuple[Result, Path]) -> None:
    name = run[1].name
    facts = figures["sets"][name]
    assert (facts["individuals"], facts["photos"], facts["queries"], facts["strangers"]) == (3, 6, 3, 1)
    assert facts["copied"] == "Asha"  # all have two photos, and the first by name is taken
    assert list(figures["laws"]) == [law.name for law in LAWS]
    trials = {law: {row: each["trials"] for row, each in made["sets"][name].items()} for law, made in figures["laws"].items()}
    assert trials["near-copies"]["strangers after"] == 1
    assert trials["near-copies"]["left out after"] == 2
    assert trials["two-names"]["new"] == 2
    assert trials["rearranged"] == {"rearranged": 3, "twice": 3, "twice moved": 3}
    assert trials["small-galleries"]["wrong 1"] == 5  # two queries of known animals count with their own individual too
    assert trials["far-individuals"] == trials["growth"] == {}
    for made in figures["laws"].values():
        for row in made["sets"][name].values():
            assert 0 <= row["count"] <= row["trials"]
            assert row["share"] == row["count"] / row["trials"]
            assert [row["low"], row["high"]] == list(wilson_interval(row["share"], row["queries"]))


def test_order_and_names_change_nothing(figures: dict[str, Any], run: tuple[Result, Path]) -> None:
    assert figures["laws"]["rearranged"]["sets"][run[1].name]["rearranged"]["count"] == 0


def test_galleries_and_copies_are_kept_and_the_made_up_galleries_are_not(run: tuple[Result, Path]) -> None:
    galleries = sorted((run[1] / "kept").glob("*.sqlite"), key=lambda path: len(path.name))
    assert [len(Gallery.open(path, writable=False).sightings()) for path in galleries] == [6, 6 + COPIES]
    assert len(list((run[1] / "kept").rglob("near-copies/*.jpg"))) == COPIES


def test_fewer_queries_are_taken_evenly_from_strangers_and_known_ones(run: tuple[Result, Path], herd: Path) -> None:
    out = herd.parent / "two.json"
    options = ["--queries", "2", "--copies", str(COPIES), "--keep", str(herd.parent / "kept"), "--json", str(out)]
    assert CliRunner().invoke(bench, ["trust", str(herd), *options]).exit_code == 0
    facts = json.loads(out.read_text("utf-8"))["sets"][herd.parent.name]
    assert (facts["queries"], facts["strangers"]) == (2, 1)


def test_the_terminal_and_the_page_show_what_the_json_holds(run: tuple[Result, Path], figures: dict[str, Any]) -> None:
    text = trust_text(figures)
    assert text in run[0].stdout
    assert text in section("trust", {"trust": figures})
    assert section("trust", {}) == "*Not measured yet.*"
    for made in figures["laws"].values():
        assert made["law"] in text
        for row in made["sets"][run[1].name].values():
            assert f"| {row['counted']} | {row['count']} of {row['trials']} ({row['low']:.2f}–{row['high']:.2f})" in text
    assert text.count("No set has enough individuals.") == 2


def test_a_broken_law_is_named_with_what_is_allowed() -> None:
    row = {"counted": "strangers known", "count": 10, "trials": 22, "share": 10 / 22, "low": 0.27, "high": 0.65, "allowed": 0.045}
    good = {**row, "counted": "others", "count": 0, "low": 0.0, "allowed": 0.05, "kept": "yes"}
    facts = {"individuals": 18, "photos": 149, "queries": 68, "strangers": 22, "copied": "z10"}
    law = {"law": "A law.", "how": "So.", "sets": {"zebra": {"good": good, "bad": {**row, "kept": "no"}}, "tiger": {}}}
    text = trust_text({"copies": 110, "sets": {"zebra": facts, "tiger": facts}, "laws": {"near-copies": law}})
    assert "| 1. near-copies | zebra | strangers known | 10 of 22 | 0.27–0.65 | 0.045 | no |" in text
    assert "| 1. near-copies | tiger | – | – | – | – | – |" in text
    assert "| strangers known | 10 of 22 (0.27–0.65), **no**: allowed 0.045 | – |" in text
    assert "| others | 0 of 22 (0.00–0.65) | – |" in text
