"""A recipe with networks of its own names, heads to train and weights that are not at hand becomes a pack that the runtime reads."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from reid_edge.errors import EngineError, PackError, UsageError
from reid_edge.pack import Pack, open_pack
from reid_edge.recipe import parse_recipe
from reid_edge_export.export import export_network
from reid_edge_export.kept_exports import KeptExports, hash_of
from reid_edge_export.recipe_export import RECIPE_FILE, RecipeRequest, export_recipe

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

RECIPE = """
name = "tiny"
version = "1"
description = "Two networks of one kind, one of timm, and a head."
licence = "Apache-2.0 AND LicenseRef-SuperPoint-noncommercial"

[networks.tiny]
network = "timm:test_resnet.r160_in1k"
size = 96
[networks.superpoint-few]
network = "superpoint"
keypoints = 16
size = 96
[networks.superpoint-more]
network = "superpoint"
keypoints = 32
size = 96

[[recipe.embed]]
name = "tiny"
network = "tiny"
[recipe.retrieve]
embedding = "tiny"
candidates = 10
[[recipe.extract]]
name = "few"
network = "superpoint-few"
mask = false
mask_margin = 0.0
[[recipe.extract]]
name = "more"
network = "superpoint-more"
mask = false
mask_margin = 0.0
[[recipe.match]]
name = "few-nearest"
keypoints = "few"
matcher = "mutual-nearest"
min_score = 0.5
[[recipe.match]]
name = "more-nearest"
keypoints = "more"
matcher = "mutual-nearest"
min_score = 0.5
[[recipe.head]]
name = "opinion"
kind = "classifier"
network = "mlp"
embedding = "tiny"
[heads.mlp]
kind = "classifier"
[[recipe.fuse]]
name = "all"
groups = [{ scores = ["tiny", "few-nearest", "more-nearest", "opinion"], weight = 1.0 }]
[[recipe.step]]
do = "gate"
source = "opinion"
then = "take"
limit = 0.9
[recipe.decide]
threshold = 0.5
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(RECIPE)
    return str(path)


@pytest.fixture(scope="module")
def pack(recipe: str, photos: list[np.ndarray], timm: ModuleType) -> Pack:
    """The pack of the recipe with random weights; what was said on the way lies beside it."""
    said: list[str] = []
    made = export_recipe(recipe, Path(recipe).parent / "pack", RecipeRequest(photos, random=True), said.append)
    Path(recipe).with_name("said.txt").write_text("\n".join(said))
    return made


def test_a_recipe_without_its_weights_becomes_a_pack_that_says_so(pack: Pack) -> None:
    assert "Exporting superpoint-few, with random weights\n" in pack.source.with_name("said.txt").read_text()
    with pytest.raises(PackError, match="random weights"):
        open_pack(pack.source)
    networks = open_pack(pack.source, allow_random=True).manifest.networks
    assert set(networks) == set(pack.manifest.parity) == {"tiny", "superpoint-few", "superpoint-more"}
    assert {network.weights for network in networks.values()} == {"random"}
    assert (networks["superpoint-few"].parameters["keypoints"], networks["superpoint-more"].parameters["keypoints"]) == (16, 32)
    assert networks["superpoint-few"].file == "superpoint-few.onnx"


def test_before_its_head_is_trained_the_pack_has_the_stages_that_run_and_the_recipe_whole(pack: Pack) -> None:
    parsed = parse_recipe(pack.recipe, pack.manifest)
    assert parsed.score_names == ("tiny", "few-nearest", "more-nearest")
    assert parsed.fuse[0].groups[0].scores == parsed.score_names
    assert not parsed.head
    assert not parsed.step
    assert pack.read_bytes(RECIPE_FILE).decode() == RECIPE


def test_weights_of_the_users_own_are_found_by_the_name_in_the_recipe(
    recipe: str, photos: list[np.ndarray], tmp_path: Path, timm: ModuleType
) -> None:
    (tmp_path / "tiny.pth").write_bytes(b"no weights")
    with pytest.raises(UsageError, match=r"tiny\.pth: is not a checkpoint"):
        export_recipe(recipe, tmp_path / "pack", RecipeRequest(photos, tmp_path, random=True), lambda line: None)
    assert not (tmp_path / "pack").exists()


@pytest.mark.parametrize("random", [False, True])
def test_a_name_of_ones_own_agrees_to_no_terms(
    random: bool, recipe: str, photos: list[np.ndarray], tmp_path: Path, timm: ModuleType
) -> None:
    (tmp_path / "superpoint-few.pth").write_bytes(b"weights that would have to be read")
    with pytest.raises(UsageError, match="superpoint-few: The weights of SuperPoint") as refused:
        export_recipe(recipe, tmp_path / "pack", RecipeRequest(photos, tmp_path, random=random), lambda line: None)
    assert "--accept-terms" in refused.value.hint


def test_an_export_that_fails_keeps_the_other_networks_and_continues_with_what_is_left(
    recipe: str, photos: list[np.ndarray], tmp_path: Path, timm: ModuleType
) -> None:
    weights, out = tmp_path / "weights", tmp_path / "pack"
    weights.mkdir()
    (weights / "tiny.pth").write_bytes(b"no weights")
    said: list[str] = []
    with pytest.raises(EngineError, match=r"these networks failed: tiny\. 2 others are kept"):
        export_recipe(recipe, out, RecipeRequest(photos, weights, random=True, keep_going=True), said.append)
    assert any("failed: " in line and "is not a checkpoint" in line for line in said)
    assert not out.exists()
    (weights / "tiny.pth").unlink()
    said.clear()
    export_recipe(recipe, out, RecipeRequest(photos, weights, random=True), said.append)
    assert [line for line in said if line.startswith("Exporting")] == ["Exporting tiny, with random weights"]
    assert "superpoint-few was exported before, of the same facts" in said
    assert set(open_pack(out, allow_random=True).manifest.networks) == {"tiny", "superpoint-few", "superpoint-more"}
    assert [path.name for path in tmp_path.iterdir() if "exporting" in path.name] == []


def test_what_was_made_of_other_facts_or_is_damaged_is_exported_again(photos: list[np.ndarray], tmp_path: Path) -> None:
    kept = KeptExports(tmp_path / "pack")
    kept.make()
    path = kept.folder / "superpoint.onnx"
    options = {"precision": "fp32", "storage": "fp32", "random": True, "keypoints": 16, "size": 96}
    exported = export_network("superpoint", path, images=photos, random=True, keypoints=16, size=96)
    asked = hash_of("superpoint", options, None, photos, None)
    kept.keep(exported, asked)
    found = kept.find(path, asked)
    assert found == exported
    assert kept.find(path, hash_of("superpoint", {**options, "size": 128}, None, photos, None)) is None
    assert kept.find(path, hash_of("superpoint", options, None, photos[1:], None)) is None
    path.write_bytes(path.read_bytes()[:-1])
    assert kept.find(path, asked) is None
