"""bench catalogue runs at a small size on a real server, keeps what it made, and says what it measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from reid_edge.gallery.search import ASKED_FOR_EACH
from reid_edge_benchmarks.cli import bench
from reid_edge_benchmarks.scale.searching import SHORTLIST
from reid_edge_benchmarks.scale.tables import catalogue_text

SIZES = (500, 1000)


def run_catalogue(*options: object) -> Result:
    done = CliRunner().invoke(bench, ["catalogue", *map(str, options)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture(scope="module")
def run(postgres: object, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, dict[str, Any], Path]:
    """The command once, its figures, and what it keeps."""
    folder = tmp_path_factory.mktemp("catalogue")
    out = folder / "figures.json"
    options = (
        "--sizes",
        ",".join(map(str, SIZES)),
        "--dimension",
        16,
        "--queries",
        4,
        "--threads",
        1,
        "--added",
        10,
        "--server",
        postgres,
    )
    done = run_catalogue(*options, "--keep", folder / "kept", "--json", out)
    return done, json.loads(out.read_text(encoding="utf-8"), parse_constant=pytest.fail), folder / "kept"


def test_both_stores_the_device_and_the_index_are_measured(run: tuple[Result, dict[str, Any], Path]) -> None:
    figures = run[1]
    assert [row["size"] for row in figures["catalogue"]] == list(SIZES)
    for row in figures["catalogue"]:
        for store in ("file", "server"):
            assert {kind: each["count"] for kind, each in row[store]["add"].items()} == {"known": 9, "new": 1}
            assert row[store]["copy_seconds"] > 0
        assert row["device"]["search"]["count"] == 4
        assert row["device"]["copy_bytes"] == row["size"] * 16 * 4
        assert [each["asked"] for each in row["index"]["asked"]] == [50, 100, 200, 400, 800]
        assert row["index"]["chosen"] == ASKED_FOR_EACH * SHORTLIST
        assert row["index"]["asked"][-1]["recall"] > 0.95
        assert row["index"]["scan"]["recall"] > 0.9  # exact but for the rounding to half precision
        assert row["index"]["index_bytes"] > 0
        assert row["individuals"]["photos"] == min(row["size"] // 50, 100) * 8


def test_parts_are_searched_by_species_and_by_region_in_three_ways(run: tuple[Result, dict[str, Any], Path]) -> None:
    parts = [(each["part"], each["way"]) for each in run[1]["catalogue"][-1]["parts"]]
    ways = ("product", "whole index, iterative", "own index")
    assert parts == [(part, way) for part in ("species", "region") for way in ways]
    for each in run[1]["catalogue"][-1]["parts"]:
        assert each["recall"] > 0.9
        assert ("index_bytes" in each) == (each["way"] == "own index")


def test_a_run_that_keeps_its_galleries_goes_on_with_them(run: tuple[Result, dict[str, Any], Path], postgres: object) -> None:
    kept = run[2]
    files = {path.name: path.stat().st_ino for path in kept.glob("*.sqlite")}
    assert len(files) == len(SIZES)
    assert not list(kept.glob("copies")), "copies of vectors are gone"
    options = ("--sizes", SIZES[0], "--dimension", 16, "--queries", 4, "--server", postgres, "--keep", kept)
    done = run_catalogue(*options, "--prepare")
    assert f"Prepared {SIZES[0]:,}." in done.stderr
    assert {path.name: path.stat().st_ino for path in kept.glob("*.sqlite")} == files


def test_the_terminal_shows_what_the_json_holds(run: tuple[Result, dict[str, Any], Path]) -> None:
    text = catalogue_text(run[1])
    assert text in run[0].stdout
    assert text.count("the product's choice") == len(SIZES)
    assert "| 100,000,000 |" in text


def test_a_gallery_to_identify_with_needs_photos(tmp_path: Path) -> None:
    done = CliRunner().invoke(bench, ["catalogue", "--identify", "10"])
    assert done.exit_code == 2
    assert "--like" in done.output


def test_answers_with_the_gallery_in_a_file_and_on_a_server_are_the_same(
    few_samples: Path, postgres: object, tmp_path: Path
) -> None:
    out = tmp_path / "figures.json"
    options = (
        "--like",
        few_samples,
        "--sizes",
        500,
        "--dimension",
        64,
        "--queries",
        3,
        "--threads",
        1,
        "--added",
        2,
        "--identify",
        20,
    )
    done = run_catalogue(*options, "--server", postgres, "--json", out)
    figures = json.loads(out.read_text(encoding="utf-8"))
    assert figures["identify"]["same"] == 1
    assert figures["identify"]["server"]["whole"]["count"] == 3
    assert "100% of the answers are the same" in done.stdout
    assert figures["queries"] == 3
