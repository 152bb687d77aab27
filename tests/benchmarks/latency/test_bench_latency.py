"""bench latency: one command measures all sides, and tells no ratio that the noise hides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from reid_edge_benchmarks.cli import bench
from reid_edge_benchmarks.latency.command import choose_photos
from reid_edge_benchmarks.latency.plots import plot_latency
from reid_edge_benchmarks.latency.tables import latency_text, ratio_cell, ratio_text, whole_table


@pytest.fixture(scope="module")
def output(few_samples: Path, weights: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any], Path]:
    """What the command printed, its JSON, and the folder that it kept."""
    folder = tmp_path_factory.mktemp("latency")
    report = folder / "latency.json"
    arguments = ["latency", str(few_samples), "--against", "torch", "--galleries", "6,9", "--against-up-to", "6"]
    arguments += ["--photos", "2", "--rounds", "1", "--batches", "1,2", "--cold", "0", "--threads", "1"]
    result = CliRunner().invoke(
        bench, [*arguments, "--keep", str(folder / "kept"), "--json", str(report), "--plots", str(folder)]
    )
    assert result.exit_code == 0, result.output
    return result.output, json.loads(report.read_text(encoding="utf-8")), folder


def test_every_side_is_measured_over_every_gallery_that_it_can_be(output: tuple[str, dict[str, Any], Path]) -> None:
    text, facts, _ = output
    small, large = facts["galleries"]
    assert (small["size"], set(small["sides"])) == (6, {"runtime", "torch"})
    assert (large["size"], set(large["sides"])) == (9, {"runtime"})
    assert "3 made-up animals" in large["made_of"]
    for side in small["sides"].values():
        assert side["whole"]["count"] == len(side["each"]) == 2
        assert (
            side["whole"]["p25"] <= side["whole"]["p50"] <= side["whole"]["p75"] <= side["whole"]["p95"] <= side["whole"]["p99"]
        )
        assert {"segment", "embed", "extract", "retrieve", "xfeat-lighterglue", "decide"} <= set(side["stages"])
        assert side["photos_per_second"] == pytest.approx(1e3 / side["whole"]["p50"])
        assert [batch["photos"] for batch in side["batches"]] == [1, 2]
        assert side["threads"] == 1
        assert 100e6 < side["peak_bytes"] < 3e9
    assert small["agreement"]["torch"]["same_identity"] == small["agreement"]["torch"]["same_verdict"] == 1
    assert "| xfeat-lighterglue |" in text
    assert "| PyTorch |" in whole_table(facts["galleries"]).replace("  ", "")


def test_two_photos_are_too_few_for_a_ratio_so_none_is_told(output: tuple[str, dict[str, Any], Path]) -> None:
    text, facts, _ = output
    assert facts["galleries"][0]["ratios"]["torch"]["value"] is None
    assert "too few for a ratio" in text
    assert "times as long as" not in text


def test_energy_and_the_machine_are_told_or_said_to_be_missing(output: tuple[str, dict[str, Any], Path]) -> None:
    text, facts, _ = output
    assert "Energy" in text
    assert facts["machine"]["libraries"]["torch"]
    assert facts["kind"] == "latency"
    assert facts["pack"]["name"] == "field"
    assert facts["command"].startswith("reid-edge")


def test_plots_are_small_pictures(output: tuple[str, dict[str, Any], Path]) -> None:
    for name in ("latency-stages.png", "latency-whole.png"):
        picture = (output[2] / name).read_bytes()
        assert picture[:4] == b"\x89PNG"
        assert len(picture) < 60_000  # measured: 16,000 and 19,000


def test_the_same_figures_give_the_same_tables_and_plots(output: tuple[str, dict[str, Any], Path], tmp_path: Path) -> None:
    text, facts, folder = output
    assert latency_text(facts) in text
    for again in plot_latency(facts, tmp_path):
        assert again.read_bytes() == (folder / again.name).read_bytes()


def test_a_ratio_stands_in_the_table_where_it_is_told_and_a_reason_where_not() -> None:
    told = {"value": 12.34, "low": 11.0, "high": 13.0}
    assert ratio_cell(told) == "12.3 (11.0 to 13.0)"
    assert ratio_cell({**told, "value": None, "low": 0.9}) == "within the noise"
    assert ratio_cell({"value": None, "low": None, "high": None}) == "too few"
    assert ratio_cell(None) == "–"


def test_the_ratio_of_the_common_pipeline_is_that_with_its_database_features_kept() -> None:
    agreement = {"photos": 5, "same_animals": 1.0, "same_identity": 1.0, "same_verdict": None, "counts": 0, "same_counts": None}
    agreement |= {"largest_difference": 0, "largest_cosine_difference": 0}
    gallery = {
        "size": 1000,
        "sides": {"wildfusion": {}},
        "ratios": {"wildfusion": {"value": 10.0, "low": 9.0, "high": 11.0, "pairs": 5, "as_published": {"value": 100.0}}},
        "agreement": {"wildfusion": agreement},
    }
    told = ratio_text(gallery, "wildfusion")
    assert "the features of its database kept from call to call, takes 10.00 times as long as reid-edge" in told
    assert "computing them in each call, as it was published, 100.0 times." in told
    del gallery["ratios"]["wildfusion"]["as_published"]  # results of an older version
    assert "kept" not in ratio_text(gallery, "wildfusion")


def test_without_labels_sample_animals_are_rendered_and_others_asked_about_than_enrolled(tmp_path: Path) -> None:
    for number in range(1, 10):  # rendered by a run before, as far as this one can tell
        (tmp_path / "rendered" / "animal-0000").mkdir(parents=True, exist_ok=True)
        (tmp_path / "rendered" / "animal-0000" / f"{number}.jpg").touch()
    photos = choose_photos((), None, 9, 1, tmp_path, lambda items, *_: items)
    assert (len(photos.database), len(photos.queries)) == (9, 1)
    assert photos.queries[0].path not in {row.path for row in photos.database}
    assert photos.queries[0].identity == photos.database[0].identity
    assert photos.database[0].path.stat().st_size > 10_000  # the one that was not there is rendered
    assert photos.what.startswith("rendered")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--against", "tensorflow"], "'tensorflow' is none of torch, wildfusion"),
        (["--galleries", "a,b"], "no list of numbers"),
        (["--galleries", "0,5"], "1 or more"),
        (["--prepare"], "--prepare makes galleries"),
        (["--against", "torch", "--device", "cuda"], "on the processor"),
        (["--recipe", "field", "--pack", "other"], "exclude each other"),
    ],
)
def test_what_cannot_be_measured_is_refused_at_once(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(bench, ["latency", *arguments])
    assert result.exit_code != 0
    assert said in f"{result.output}{result.exception}"
