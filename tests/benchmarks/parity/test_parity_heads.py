"""Heads that a recipe wants are trained before its parity is measured: on the database photos of all folds, and once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.identify.identifier import Identifier
from reid_edge.pack import NewFile, Pack, open_pack, write_pack

pytest.importorskip("torch")

from reid_edge_benchmarks.parity.packs import with_trained_heads
from reid_edge_calibration.labels.labelled_set import LabelledSet

SAMPLES = Path(__file__).resolve().parents[3] / "runtime" / "reid_edge" / "samples" / "gallery"
RECIPE = """
name = "headed"
version = "1"
description = "A classifier and a projection on the default pack's embedder."
licence = "Apache-2.0"
[networks.efficientnet-lite0]
storage = "fp16"
[heads.who]
kind = "classifier"
[heads.who.training]
epochs = 2
[heads.nearer]
kind = "projection"
dimension = 1280
[heads.nearer.training]
epochs = 1
[[recipe.embed]]
name = "lite"
network = "efficientnet-lite0"
[[recipe.concatenate]]
name = "behind"
of = ["lite"]
projection = "nearer"
[recipe.retrieve]
embedding = "lite"
candidates = 10
[[recipe.extract]]
name = "sift"
detector = "sift"
keypoints = 32
size = 160
mask = false
mask_margin = 0.0
[[recipe.match]]
name = "nearest"
keypoints = "sift"
matcher = "mutual-nearest"
min_score = 0.8
[[recipe.head]]
name = "who"
kind = "classifier"
network = "who"
embedding = "lite"
"""


@pytest.fixture
def untrained(identifier: Identifier, tmp_path: Path) -> Pack:
    """The system before its heads are trained, of the networks of the default pack."""
    pack = identifier.pack
    network = pack.manifest.networks["efficientnet-lite0"]
    recipe = {
        "embed": [{"name": "lite", "network": "efficientnet-lite0"}],
        "retrieve": {"embedding": "lite", "candidates": 10},
        "extract": [{"name": "sift", "detector": "sift", "keypoints": 32, "size": 160, "mask": False, "mask_margin": 0.0}],
        "match": [{"name": "nearest", "keypoints": "sift", "matcher": "mutual-nearest", "min_score": 0.8}],
    }
    manifest = replace(pack.manifest, networks={"efficientnet-lite0": network}, recipe=recipe, files=(), parity={})
    file = pack.manifest.file(network.file)
    write_pack(tmp_path / "untrained", manifest, [NewFile(file.path, pack.read_bytes(file.path), file.licence, file.origin)])
    return open_pack(tmp_path / "untrained")


def labelled(fold: str, *people: str) -> LabelledSet:
    rows = [Enrolment(SAMPLES / name / f"{name.lower()}_{turn}.jpg", name, "beast") for name in people for turn in (1, 2)]
    asked = tuple(Enrolment(SAMPLES / name / f"{name.lower()}_3.jpg", name, "beast") for name in people)
    return LabelledSet("beasts", fold, tuple(rows), asked, "beast")


def test_heads_learn_the_database_photos_of_all_folds_once(untrained: Pack, tmp_path: Path) -> None:
    recipe = tmp_path / "headed.toml"
    recipe.write_text(RECIPE, "utf-8")
    folder = tmp_path / "kept"
    folder.mkdir()
    sets = (labelled("calibrate", "Asha", "Chipo"), labelled("evaluate", "Imara"))

    def train(asked: tuple[LabelledSet, ...]) -> Pack:
        return with_trained_heads(untrained, str(recipe), asked, folder, lambda rows, _: rows, 0, "cpu", 1)

    trained = train(sets)
    assert trained.read_json("heads/who.json")["identities"] == ["Asha", "Chipo", "Imara"]
    assert {"who", "nearer"} < set(trained.manifest.networks)
    assert [each["name"] for each in trained.recipe["concatenate"]] == ["behind"]
    before = (trained.source / "pack.toml").stat().st_mtime_ns
    assert train(sets).sha256 == trained.sha256
    assert (trained.source / "pack.toml").stat().st_mtime_ns == before
    assert train(sets[:1]).read_json("heads/who.json")["identities"] == ["Asha", "Chipo"]
