"""``reid-edge bench systems measure`` on the sample animals, with a small system, and the page of its figures."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import reid_edge
from reid_edge.identify.identifier import Identifier
from reid_edge.pack import NewFile, write_pack
from reid_edge_benchmarks.cli import bench

SAMPLES = Path(reid_edge.__file__).parent / "samples"
FOLDS = {"calibrate": ("Asha", "Baraka", "Chipo", "Duma", "Enzi", "Farida", "Imara"), "evaluate": ("Asha", "Chipo", "Imara")}
SYSTEM = {
    "embed": [{"name": "lite", "network": "efficientnet-lite0"}],
    "retrieve": {"embedding": "lite", "candidates": 20},
    "extract": [{"name": "sift", "detector": "sift", "keypoints": 128, "size": 256, "mask": False, "mask_margin": 0.0}],
    "match": [{"name": "nearest", "keypoints": "sift", "matcher": "mutual-nearest", "min_score": 0.8}],
    "fuse": [{"name": "mean", "groups": [{"scores": ["lite", "nearest"], "weight": 1.0}]}],
    "step": [{"do": "gate", "source": "nearest", "then": "take", "limit": 0.9, "calibrated": True}],
    "decide": {},
}


@pytest.fixture
def small_pack(identifier: Identifier, tmp_path: Path) -> Path:
    """The embedder of the default pack and SIFT, on whole frames."""
    pack = identifier.pack
    network = pack.manifest.networks["efficientnet-lite0"]
    file = pack.manifest.file(network.file)
    manifest = replace(pack.manifest, name="small", networks={"efficientnet-lite0": network}, recipe=SYSTEM, files=(), parity={})
    write_pack(tmp_path / "small", manifest, [NewFile(file.path, pack.read_bytes(file.path), file.licence, file.origin)])
    return tmp_path / "small"


@pytest.fixture
def metadata(tmp_path: Path) -> Path:
    """Of every animal of a fold two photos are in the database, the third and the trail photos are asked for, and Jabari beside them."""
    with (SAMPLES / "metadata.csv").open(newline="", encoding="utf-8") as table:
        samples = list(csv.DictReader(table))
    path = tmp_path / "metadata.csv"
    with path.open("w", newline="", encoding="utf-8") as table:
        rows = csv.writer(table)
        rows.writerow(["image_id", "identity", "path", "orientation", "species", "split", "fold"])
        for fold, people in FOLDS.items():
            for sample in samples:
                photo, trail = SAMPLES / sample["path"], sample["split"] == "query"
                split = "query" if trail or photo.stem.endswith("_3") or sample["identity"] == "Jabari" else "database"
                if trail or sample["identity"] in (*people, "Jabari"):
                    rows.writerow([f"{fold}-{photo.stem}", sample["identity"], photo, "left", "beast", split, fold])
    return path


def test_a_system_is_measured_once_and_told_part_by_part(small_pack: Path, metadata: Path, tmp_path: Path) -> None:
    figures, keep = tmp_path / "measured-small.json", tmp_path / "kept"
    arguments = ["systems", "measure", str(metadata), "--pack", str(small_pack), "--json", str(figures), "--keep", str(keep)]
    result = CliRunner().invoke(bench, [*arguments, "--device", "cpu", "--threads", "1"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    told = json.loads(figures.read_text("utf-8"))
    (measured,) = told["sets"].values()
    assert measured["photos"]["report"]["database"] == 6
    assert measured["photos"]["fit"]["known individuals"] == 7
    assert [row["row"] for row in measured["alone"]] == ["lite", "nearest"]
    assert [row["row"] for row in measured["ladder"]] == [
        "lite, the shortlist's",
        "local matchers, their mean",
        "+ embedders among the scores",
        "+ weights fitted on GeoMean",
        "the system, with what else it has",
    ]
    assert {key: value for key, value in measured["ladder"][-1].items() if key != "row"} == {
        key: value for key, value in measured["system"].items() if key != "row"
    }
    assert measured["system"]["R-1"] >= 0.8  # measured 1.0
    assert len(list(keep.glob("*.npz"))) == 2
    page = tmp_path / "systems.md"
    CliRunner().invoke(bench, ["systems", "page", str(tmp_path), "--out", str(page)], catch_exceptions=False)
    assert f"| `small` | {measured['system']['R-1']:.3f} [" in page.read_text("utf-8")
