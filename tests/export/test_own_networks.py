"""A network of the user's own goes the whole way: from a torch module or an ONNX file to a pack that names an animal."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import cv2
import numpy as np
import onnx
import pytest
from click.testing import CliRunner

import reid_edge
from reid_edge.cli import cli
from reid_edge.errors import UsageError
from reid_edge.pack import open_pack
from reid_edge_export.catalogue import network_with
from reid_edge_export.export import export_network
from reid_edge_export.recipe_check import check_recipe

SAMPLES = Path(reid_edge.__file__).parent / "samples"
MODULE = """
import torch
from torch import nn

def make():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 5, stride=2, padding=2), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(512, 32),
    )

def nothing():
    return 3

def broken():
    raise ValueError("no weights here")
"""
RECIPE = """
name = "mine"
version = "1"
description = "My own embedder."
licence = "MIT"

[networks.my-embedder]
network = "torch:my_embedder_of_tests:make"
size = 64
dimension = 32
licence = "MIT"
mean = [0.5, 0.5, 0.5]
std = [0.25, 0.25, 0.25]

[recipe]
extract = []
match = []

[[recipe.embed]]
name = "mine"
network = "my-embedder"

[recipe.retrieve]
embedding = "mine"
candidates = 20
"""


def run(*arguments: str | Path) -> str:
    done = CliRunner().invoke(cli, [*map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's module and recipe, and the pack that they gave."""
    place = tmp_path_factory.mktemp("own")
    (place / "my_embedder_of_tests.py").write_text(MODULE, encoding="utf-8")
    (place / "mine.toml").write_text(RECIPE, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        run("export", "--recipe", "mine.toml", "--out", "mine")
    return place


def labelled(place: Path) -> Path:
    """The sample animals, each photo also cut a little narrower, so that there are pairs enough to calibrate on."""
    for photo in sorted((SAMPLES / "gallery").rglob("*.jpg")):
        whole = cv2.imread(str(photo))
        assert whole is not None
        for cut in (0, 4, 8):
            out = place / photo.parent.name / f"{photo.stem}-{cut}.jpg"
            out.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(out), whole[cut : len(whole) - cut])
    return place


def test_a_torch_module_becomes_a_pack_that_is_calibrated_and_names_an_animal(folder: Path, tmp_path: Path) -> None:
    info = open_pack(folder / "mine").manifest.networks["my-embedder"]
    assert info.preprocessing is not None
    assert (info.weights, info.preprocessing.mean, info.parameters["dimension"]) == ("trained", (0.5, 0.5, 0.5), 32)
    device, pack, gallery = ("--device", "cpu"), tmp_path / "pack", tmp_path / "animals.sqlite"
    photos = labelled(tmp_path / "photos")
    run("calibrate", photos, "--split", "photo", "--keep-leaks", "--pack", folder / "mine", "--out", pack, *device)
    run("gallery", "add", SAMPLES / "gallery", "--gallery", gallery, "--pack", pack, *device)
    found = run("identify", photos / "Asha" / "asha_1-8.jpg", "--gallery", gallery, "--pack", pack, "--json", *device)
    answer = json.loads(found)
    assert answer["ranking"][0]["identity"] == "Asha"
    assert len(answer["ranking"][0]["scores"]) == 1


def test_an_onnx_file_gets_the_names_and_the_form_of_a_pack_and_gives_the_same_vectors(folder: Path, tmp_path: Path) -> None:
    model = onnx.load(folder / "mine" / "my-embedder.onnx")
    for node in model.graph.node:
        node.input[:] = ["pixels" if name == "image" else name for name in node.input]
        node.output[:] = ["vector" if name == "embedding" else name for name in node.output]
    model.graph.input[0].name, model.graph.output[0].name = "pixels", "vector"
    onnx.save(model, tmp_path / "theirs.onnx")
    images = [np.random.default_rng(seed).integers(0, 255, (80, 90, 3), np.uint8) for seed in range(3)]
    given = {"size": 64, "dimension": 32, "licence": "MIT"}
    done = export_network(f"onnx:{tmp_path / 'theirs.onnx'}", tmp_path / "out.onnx", images=images, **given)
    graph = onnx.load(done.path).graph
    assert ([each.name for each in graph.input], [each.name for each in graph.output]) == (["image"], ["embedding"])
    assert done.parity["embedding_cosine_min"] > 0.99999
    assert done.entry.weights == "trained"
    assert done.origin.startswith("a network of your own; weights from file:theirs.onnx")


def test_an_onnx_file_with_a_fixed_batch_is_refused(folder: Path, tmp_path: Path) -> None:
    model = onnx.load(folder / "mine" / "my-embedder.onnx")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, tmp_path / "fixed.onnx")
    image = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(UsageError, match="the batch axis of image is fixed"):
        export_network(f"onnx:{tmp_path / 'fixed.onnx'}", tmp_path / "out.onnx", images=[image], size=64, dimension=32)


@pytest.mark.parametrize(
    ("function", "reason"),
    [("nothing", "gives int, not a torch.nn.Module"), ("broken", "ValueError: no weights here"), ("missing", "missing")],
)
def test_a_function_that_gives_no_network_is_named(
    function: str, reason: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    image = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(UsageError, match=reason):
        export_network(f"torch:my_embedder_of_tests:{function}", tmp_path / "out.onnx", images=[image], size=64, dimension=32)


@pytest.mark.parametrize(
    ("name", "given", "reason"),
    [
        ("torch:module", {}, "does not name a network of your own"),
        ("torch:a:b", {"dimension": 8}, "size is missing"),
        ("torch:a:b", {"size": 64}, "dimension is missing"),
        ("torch:a:b", {"size": 64, "dimension": 8, "sizes": 1}, "no parameter 'sizes'"),
        ("onnx:a.onnx", {"size": 64, "dimension": 8, "task": "matching"}, "task is 'matching'"),
        ("onnx:a.onnx", {"size": 64, "dimension": 8, "mean": [0.5, 0.5]}, "values of mean"),
        ("onnx:a.onnx", {"size": 64, "dimension": 8, "mean": "a,b"}, "mean is 'a,b'"),
        ("onnx:a.onnx", {"size": 64, "dimension": 8, "task": "segmentation"}, "takes no dimension"),
    ],
)
def test_a_network_of_ones_own_says_how_it_takes_pictures_before_any_code_is_run(
    name: str, given: dict[str, object], reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        network_with(name, given)


def test_lists_of_the_command_line_are_text_with_commas() -> None:
    network, parameters = network_with("onnx:a.onnx", {"size": 64, "dimension": 8, "std": "0.2,0.2,0.3", "scale": "1"})
    assert network.preprocessing is not None
    assert (network.preprocessing.std, network.preprocessing.scale, parameters) == ((0.2, 0.2, 0.3), 1.0, {"size": 64})


def test_checking_a_recipe_runs_nothing_of_it_and_an_error_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(RECIPE.replace("my_embedder_of_tests", "no_such_module"), encoding="utf-8")
    assert check_recipe(str(path)).recipe.score_names == ("mine",)
    path.write_text(RECIPE.replace("size = 64", "size = 0"), encoding="utf-8")
    with pytest.raises(UsageError, match=r"line 8: networks\.my-embedder\.network: .* size is 0"):
        check_recipe(str(path))


def test_the_walk_through_of_the_page_is_a_recipe(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
    start = page.index('       name = "mine"')
    path = tmp_path / "mine.toml"
    path.write_text(dedent(page[start : page.index("\n\n3. ", start)]), encoding="utf-8")
    assert check_recipe(str(path)).recipe.score_names == ("mine",)
