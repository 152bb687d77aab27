"""bench scaling: the search by gallery size, a photo by its shortlist, and the law between."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from reid_edge.identify.session import Session
from reid_edge_benchmarks.cli import bench
from reid_edge_benchmarks.latency.candidate_scaling import measure_pairs
from reid_edge_benchmarks.latency.scaling import law_text, nearest_to_recipe, search_law, search_table
from reid_edge_benchmarks.latency.statistics import LEAST_PAIRS
from reid_edge_benchmarks.latency.torch_reference import TorchReference


@pytest.fixture(scope="module")
def figures(few_samples: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("scaling")
    report = folder / "scaling.json"
    arguments = ["scaling", str(few_samples), "--galleries", "50,600", "--candidates", "1,2", "--photos", "1", "--rounds", "1"]
    result = CliRunner().invoke(
        bench, [*arguments, "--threads", "1", "--keep", str(folder / "kept"), "--json", str(report), "--plots", str(folder)]
    )
    assert result.exit_code == 0, result.output
    assert (folder / "scaling-search.png").stat().st_size > 1000
    assert (folder / "scaling-candidates.png").stat().st_size > 1000
    found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return found


def test_exact_search_is_measured_for_every_size(figures: dict[str, Any]) -> None:
    assert [row["size"] for row in figures["search"]] == [50, 600]
    for row in figures["search"]:
        assert row["exact"]["count"] == 3  # of six photos one is a query, in three rounds
        assert row["exact"]["p50"] > 0
        assert row["bytes"] in (1280 * 2, 1280 * 4)


def test_an_index_of_neighbours_is_measured_where_it_is_installed(figures: dict[str, Any]) -> None:
    pytest.importorskip("usearch")
    index = figures["search"][1]["usearch"]
    assert 0.5 < index["recall"] <= 1  # measured: 1.0 of 600
    assert index["build_seconds"] > 0
    assert index["file_bytes"] > 600 * 1280 * 2
    assert "| 600 " in search_table(figures["search"])


def test_more_candidates_mean_more_matching(figures: dict[str, Any]) -> None:
    rows = {(row["candidates"], row["all"]): row for row in figures["candidates"]}
    assert set(rows) == {(1, False), (1, True), (2, False), (2, True)}
    for row in rows.values():
        assert row["whole"]["p50"] > row["stages"]["segment"]["p50"]


def test_pairs_a_second_are_told(figures: dict[str, Any]) -> None:
    assert 0.1 < figures["pairs"]["xfeat-lighterglue"]["pairs_per_second"] < 1e5


def test_the_law_is_found_again_and_says_where_the_search_stops_being_free() -> None:
    search = [{"size": size, "exact": {"p50": 0.5 + size / 1000 * 0.2}} for size in (100, 1000, 10_000, 100_000)]
    law = search_law(search, whole=410)
    assert law["start"] == pytest.approx(0.5)
    assert law["per_thousand"] == pytest.approx(0.2)
    assert law["free_until"] == pytest.approx(100_000)  # 0.5 ms and 0.2 ms a thousand are 5 % of 410 ms
    assert "100,000 photos" in law_text({"law": law, "search": search})


def test_pairs_are_matched_often_enough_beside_pytorch_for_a_ratio(session: Session, reference: TorchReference) -> None:
    pairs = measure_pairs(session, reference, rounds=1)["xfeat-lighterglue"]
    assert pairs["ratio"]["pairs"] == LEAST_PAIRS
    assert pairs["ratio"]["low"] is not None
    assert 0.1 < pairs["torch"] < 1e5


def test_the_search_is_compared_with_a_photo_of_the_recipes_own_shortlist() -> None:
    rows = [{"candidates": length, "all": whole} for length in (50, 100, 200) for whole in (False, True)]
    assert nearest_to_recipe(rows, 110) == {"candidates": 100, "all": False}
