"""docs/systems.md from figures that were kept: every figure of them is on it, and none of different photos is beside another."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import pytest
from click.testing import CliRunner

from reid_edge.errors import UsageError
from reid_edge_benchmarks.cli import bench
from reid_edge_benchmarks.systems.overview import ACCOUNTS, in_order, overview
from reid_edge_benchmarks.systems.page import SystemFigures, read_figures, systems_page
from reid_edge_export.recipe_check import check_recipe
from reid_edge_export.recipe_file import recipe_names

PHOTOS = {
    "fit": {"database": 8, "queries": 13, "known individuals": 4, "unknown individuals": 1},
    "report": {"database": 10, "queries": 12, "known individuals": 5, "unknown individuals": 2},
}


def row(name: str, geomean: float) -> dict[str, object]:
    measures = {"R-1": 0.5, "BAKS": 0.25, "BAUS": 1.0, "GeoMean": geomean}
    ends = {f"{measure} {end}": max(0.0, min(1.0, value + by)) for measure, value in measures.items() for end, by in ENDS}
    return {"row": name, **measures, **ends}


ENDS = (("low", -0.125), ("high", 0.125))


def measured(recipe: str, **geomeans: float) -> dict[str, object]:
    sets = {
        name: {
            "photos": PHOTOS,
            "system": row("system", geomean),
            "alone": [row("near", 0.25), row("first", 0.375)],
            "ladder": [row("near, the shortlist's", 0.25), {"row": "+ weights fitted on GeoMean", "problem": "too few"}],
        }
        for name, geomean in geomeans.items()
    }
    return {"recipe": recipe, "sets": sets}


PARITY = {
    "recipe": "hybrid@light",
    "random": [],
    "photos": {"zebra": {"database": 10, "queries": 40, "fitted on": 13}},
    "sets": {
        "zebra": {
            "predictions in common": 11 / 12,
            "figures": {"reference": {"GeoMean": 0.7071}, "runtime": {"GeoMean": 0.7313}},
            "GeoMean difference": {"value": 0.0242, "low": -0.01, "high": 0.05},
            "targets": [{"met": False}, {"met": True}],
            "answered differently": [{"photo": "z1.jpg", "truth": "z", "reference": "new_individual", "runtime": "z"}],
        }
    },
    "differences": [
        {"stage": "embedding lite0", "largest": 1e-6},
        {"stage": "embedding lite2", "largest": 2e-6},
        {"stage": "counts unequal disk-adalam", "largest": 0.125},
        {"stage": "counts unequal disk-fginn", "largest": 0.0},
        {"stage": "calibrator lite0, same scores, all knots", "largest": 3e-16},
        {"stage": "calibrator lite0, same scores, thinned", "largest": 0.5},
        {"stage": "confidence of the answer", "largest": 0.031},
    ],
}


def test_every_recipe_is_told_with_its_networks_and_heads() -> None:
    text = overview()
    for name in recipe_names():
        checked = check_recipe(name)
        assert f"**`{name}`** {checked.data['description']}" in text
        for used in (*(named.network.name for named in checked.networks.values()), *checked.heads):
            assert f"`{used}`" in text
    assert "only with `--accept-terms`: `yolo11m-seg`" in text


def test_systems_come_in_their_order_and_their_variants_behind_them() -> None:
    assert sorted(["station", "hybrid@open", "mine", "field", "hybrid"], key=in_order) == [
        "hybrid",
        "hybrid@open",
        "field",
        "station",
        "mine",
    ]
    assert set(ACCOUNTS) <= set(recipe_names())


def test_parity_tells_targets_and_the_farthest_stage() -> None:
    page = systems_page(SystemFigures([PARITY]))
    (line,) = [each for each in page.splitlines() if each.startswith("| `hybrid@light`") and "fitted on 13" in each]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[2:] == ["91.7%", "0.707", "0.731", "+0.0242 (-0.010 to +0.050)", "missed"]
    assert "- `hybrid@light`, z1.jpg: PyTorch new_individual, runtime z; it shows z" in page
    (stages,) = [each for each in page.splitlines() if each.startswith("| `hybrid@light`") and "adalam" in each]
    assert [cell.strip() for cell in stages.strip("|").split("|")][1:] == [
        "2.0e-06 (lite2)",
        "–",
        "12.5% (disk-adalam)",
        "3e-16 (lite0)",
        "0.031",
    ]
    few = {**PARITY, "photos": {"zebra": {"database": 10, "queries": 12, "fitted on": 13}}}
    assert "| too few queries (12 of 40) |" in " ".join(systems_page(SystemFigures([few])).split())
    assert "random weights" in systems_page(SystemFigures([{**PARITY, "random": ["superpoint"]}]))


def test_recipes_are_beside_each_other_on_the_same_photos_only() -> None:
    page = systems_page(
        SystemFigures(measured=[measured("hybrid@light", zebra=0.5, tiger=0.625), measured("station", zebra=0.375)])
    )
    assert "12 queries of 5 known and 2 unknown individuals over 10 database photos" in page
    assert "0.625 [0.50, 0.75]" in page
    tiger, zebra = (line for line in page.splitlines() if line.startswith("Not measured on these photos: "))
    assert ("`field`" in zebra, "`station`" in zebra, "`hybrid@open`" in zebra, "`hybrid`" in zebra) == (True, False, True, False)
    assert "`station`" in tiger
    other = deepcopy(measured("station", zebra=0.5))
    other["sets"]["zebra"]["photos"] = {**PHOTOS, "fit": {**PHOTOS["fit"], "queries": 14}}  # type: ignore[index]
    with pytest.raises(UsageError, match="of different photos"):
        systems_page(SystemFigures(measured=[measured("field", zebra=0.5), other]))


def test_the_ladder_is_beside_the_account_and_station_beside_its_scores() -> None:
    page = systems_page(
        SystemFigures(measured=[measured("hybrid@light", zebra=0.5), measured("station", zebra=0.5, tiger=0.375, turtle=0.25)])
    )
    assert "| + Optimized fusion weights" in page
    assert "0.668" in page
    (untold,) = [line for line in page.splitlines() if line.startswith("| + weights fitted on GeoMean")]
    assert untold.rstrip("| ").endswith("–")
    assert "- zebra: the whole is better than its best single score, first (0.500 against 0.375)." in page
    assert "- tiger: the whole is as good as its best single score, first" in page
    assert "- turtle: the whole is worse than its best single score, first" in page


def test_a_recipe_at_full_size_is_a_row_of_time_memory_and_size() -> None:
    steps = {"export": (600.0, 5), "gallery add": (40.0, 3), "train-head xgboost": (9.0, 1), "identify": (30.0, 4)}
    figures = {
        "recipe": "wildfusion-cascade",
        "version": "2",
        "species": "lynx",
        "random": ["a", "b"],
        "networks": 12,
        "pack": 2_345_000_000,
        "enrolled": 4,
        "steps": [{"step": name, "seconds": seconds, "memory": gb * 10**9} for name, (seconds, gb) in steps.items()],
        "answer": {"verdict": "new", "timings_ms": {"embed": 5000.0, "loftr": 250.0}},
        "machine": {"processor": "a processor", "cores": 2, "others": 0.012, "python": "3.12"},
    }
    page = systems_page(SystemFigures(full_size=[figures]))
    (line,) = [each for each in page.splitlines() if each.startswith("| `wildfusion-cascade`, lynx")]
    assert [cell.strip() for cell in line.strip("|").split("|")][1:] == [
        "12, 2",
        "2345 MB",
        "600 s, 5.0 GB",
        "10.0 s, 3.0 GB",
        "train-head xgboost 9 s",
        "30 s, 4.0 GB",
        "5.2 s",
    ]
    assert "- `wildfusion-cascade`: a processor, 2 cores, 1.2% of its processors' time taken by others" in page


def test_each_system_is_beside_field_on_the_same_photos_and_overlapping_intervals_are_no_difference() -> None:
    near = [measured("field", zebra=0.5), measured("station", zebra=0.625, tiger=0.5)]
    page = systems_page(SystemFigures(measured=near))
    told = "- `station`, zebra: R-1 0.500, `field` 0.500; GeoMean 0.625 [0.50, 0.75], `field` 0.500 [0.38, 0.62]: "
    assert f"{told}the intervals overlap." in page
    assert "`station`, tiger:" not in page
    assert "no system was better or worse than `field` by more than the intervals" in page
    apart = systems_page(SystemFigures(measured=[measured("field", zebra=0.25), measured("station", zebra=0.75)]))
    assert "`field` 0.250 [0.12, 0.38]: better." in apart
    assert "In 1 of 1 comparisons a system and `field` differ by more than the intervals." in apart


def test_the_page_is_written_from_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no parity"):
        read_figures(tmp_path)
    (tmp_path / "parity-light.json").write_text(json.dumps(PARITY), "utf-8")
    (tmp_path / "measured-station.json").write_text(json.dumps(measured("station", zebra=0.5)), "utf-8")
    (tmp_path / "measured-field.json").write_text(json.dumps(measured("field", zebra=0.5)), "utf-8")
    out = tmp_path / "systems.md"
    result = CliRunner().invoke(bench, ["systems", "page", str(tmp_path), "--out", str(out)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert out.read_text("utf-8") == systems_page(read_figures(tmp_path))
    assert [each["recipe"] for each in read_figures(tmp_path).measured] == ["field", "station"]
    (tmp_path / "parity-light.json").write_text("{", "utf-8")
    with pytest.raises(UsageError, match="is not JSON"):
        read_figures(tmp_path)


@pytest.mark.parametrize("arguments", [[], ["--recipe", "field", "--pack", "field"]])
def test_either_a_recipe_or_a_pack_is_measured(arguments: list[str], few_samples: Path, tmp_path: Path) -> None:
    json_path = str(tmp_path / "m.json")
    with pytest.raises(UsageError, match="Name a recipe or a pack"):
        CliRunner().invoke(
            bench, ["systems", "measure", str(few_samples), *arguments, "--json", json_path], catch_exceptions=False
        )


def test_a_file_that_cannot_be_written_is_known_before_the_measuring(few_samples: Path, tmp_path: Path) -> None:
    arguments = ["systems", "measure", str(few_samples), "--pack", "field", "--json", str(tmp_path / "none" / "m.json")]
    with pytest.raises(UsageError, match="There is no folder"):
        CliRunner().invoke(bench, arguments, catch_exceptions=False)


def test_figures_of_another_version_of_a_recipe_are_named() -> None:
    version = check_recipe("hybrid@light").data["version"]
    present = {**measured("hybrid@light", zebra=0.5), "version": version}
    assert "to be measured again" not in systems_page(SystemFigures(measured=[present]))
    assert "to be measured again: `hybrid@light` 0." in systems_page(SystemFigures(measured=[{**present, "version": "0"}]))
