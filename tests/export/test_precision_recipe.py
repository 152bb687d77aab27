"""A recipe asks for a precision, and the runtime reads and runs the pack that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reid_edge.engines.networks import network_files
from reid_edge.engines.selection import Device, open_engine
from reid_edge.errors import UsageError
from reid_edge.pack import open_pack
from reid_edge.recipe import parse_recipe
from reid_edge_export.precision.calibration import Calibration
from reid_edge_export.recipe_export import RecipeRequest, export_recipe, recipe_precisions

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("modelopt")

RECIPE = """
name = "small"
version = "1"
description = "Three networks in three precisions."
licence = "Apache-2.0"
[networks.u2netp]
size = 96
gpu_precision = "fp16"
[networks.efficientnet-lite0]
precision = "int8-cpu"
size = 96
[networks.xfeat]
precision = "fp16"
size = 256
keypoints = 128
[recipe.segment]
network = "u2netp"
threshold = 0.5
min_contrast = 0.5
min_area = 0.01
min_relative_area = 0.3
max_animals = 4
margin = 0.06
[[recipe.embed]]
name = "lite"
network = "efficientnet-lite0"
[recipe.retrieve]
embedding = "lite"
candidates = 10
[[recipe.extract]]
name = "xfeat"
network = "xfeat"
mask = true
mask_margin = 0.01
[[recipe.match]]
name = "xfeat-nearest"
keypoints = "xfeat"
matcher = "mutual-nearest"
min_score = 0.82
"""


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    path = tmp_path / "small.toml"
    path.write_text(RECIPE)
    return str(path)


def test_a_recipe_becomes_a_pack_in_its_precisions_that_the_runtime_runs(
    recipe: str, weights: Callable[[str], Path], photos: list[np.ndarray], tmp_path: Path
) -> None:
    for name in ("u2netp", "efficientnet-lite0", "xfeat"):
        weights(name)
    crops = [photo[y : y + 300, x : x + 300] for photo in photos for y in (0, 180) for x in (0, 100)]
    assert recipe_precisions(recipe) == ["fp32", "int8-cpu", "fp16", "fp16"]
    request = RecipeRequest(crops[::2], calibration=Calibration(crops[1::2], "c" * 64))
    export_recipe(recipe, tmp_path / "pack", request, lambda line: None)
    pack = open_pack(tmp_path / "pack")
    networks = pack.manifest.networks
    assert {name: network.precision for name, network in networks.items()} == {
        "u2netp": "fp32",
        "efficientnet-lite0": "int8",
        "xfeat": "fp16",
    }
    assert (networks["xfeat"].storage, networks["efficientnet-lite0"].storage) == ("fp16", "int8")
    assert pack.manifest.parity["efficientnet-lite0"]["nearest_unchanged"] >= 0.97
    assert "nvidia-modelopt" in pack.manifest.provenance
    mask = networks["u2netp"]
    assert [mask.file_on(gpu) for gpu in (False, True)] == ["u2netp.onnx", "u2netp.gpu.onnx"]
    assert networks["xfeat"].file_on(gpu=True) == networks["xfeat"].file
    measures = pack.manifest.parity["u2netp"]
    assert {f"gpu_{measure}" for measure in measures if not measure.startswith("gpu_")} <= measures.keys()
    opened = dict(
        zip(
            ("u2netp", "efficientnet-lite0", "xfeat"),
            network_files(pack, parse_recipe(pack.recipe, pack.manifest), gpu=True),
            strict=True,
        )
    )
    assert opened["u2netp"][0] == pack.read_bytes("u2netp.gpu.onnx")
    inputs = {"xfeat": ("image", "mask"), "efficientnet-lite0": ("image",)}
    for name, shape, output, expected in (
        ("efficientnet-lite0", (2, 3, 96, 96), "embedding", (2, 1280)),
        ("xfeat", (1, 1, 96, 128), "descriptors", (1, 128, 64)),
    ):
        engine = open_engine(pack.read_bytes(networks[name].file), name, Device("cpu", "CPUExecutionProvider", 0, 1))
        answer = engine.run({given: np.ones(shape, np.float32) for given in inputs[name]})[output]
        assert answer.shape == expected
        assert answer.dtype == np.float32


def test_int8_in_a_recipe_needs_photos_too(recipe: str, photos: list[np.ndarray], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="photos for calibration"):
        export_recipe(recipe, tmp_path / "pack", RecipeRequest(photos), lambda line: None)
    assert not (tmp_path / "pack").exists()


@pytest.mark.parametrize("line", ['gpu_precision = "int8"', 'gpu_precision = "fp16"\nprecision = "fp16"'])
def test_a_gpu_may_only_be_given_half_precision_of_a_network_in_single(recipe: str, line: str, tmp_path: Path) -> None:
    path = Path(recipe)
    path.write_text(path.read_text().replace('gpu_precision = "fp16"', line))
    with pytest.raises(UsageError, match=r"networks\.u2netp\.gpu_precision"):
        export_recipe(recipe, tmp_path / "pack", RecipeRequest([]), lambda line: None)
