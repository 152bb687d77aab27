"""Coarse LoFTR: the distilled network against its published ONNX file, and the official layout against kornia's LoFTR."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import reid_edge
from reid_edge.errors import UsageError
from reid_edge.pack.onnx_file import read_onnx
from reid_edge.photo import list_photos, read_photo
from reid_edge_export import catalogue
from reid_edge_export.catalogue import network_named
from reid_edge_export.export import export_network
from reid_edge_export.networks import build_network, load_network
from reid_edge_export.samples import make_inputs

torch = pytest.importorskip("torch")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def distilled(shared: Path) -> Path:
    file = shared / "weights" / "LoFTR_teacher.pt"
    if not file.is_file():
        pytest.skip("the distilled LoFTR is not beside this checkout")
    return file


@pytest.fixture(scope="module")
def animals() -> list[np.ndarray]:
    paths = list_photos(Path(reid_edge.__file__).parent / "samples" / "gallery")
    return [read_photo(path).rgb for path in paths[:2]]


def pair(name: str, photos: list[np.ndarray], size: int = 192) -> list[torch.Tensor]:
    inputs = make_inputs(network_named(name), {"size": size}, photos[:1])[0]
    return [torch.from_numpy(inputs[image]) for image in ("image0", "image1")]


def test_the_distilled_network_gives_the_confidence_of_the_published_onnx(distilled: Path, animals: list[np.ndarray]) -> None:
    from reid_edge_export.networks import loftr
    from reid_edge_export.weights import fill

    layout = {**network_named("loftr-distilled").layout}
    del layout["cell"]
    network = loftr.LoFTR(**layout, grid=(30, 40)).eval()  # the file is for 480 x 640 pixels alone
    fill(network, loftr.read_state(distilled, network), "LoFTR_teacher.pt")
    images = [torch.nn.functional.interpolate(image, (480, 640)) for image in pair("loftr-distilled", animals)]
    session = onnxruntime.InferenceSession(distilled.with_suffix(".onnx"), providers=["CPUExecutionProvider"])
    expected = session.run(None, {f"img{side}": image.numpy() for side, image in enumerate(images)})[0]
    with torch.inference_mode():
        found = network.confidence(*images).numpy()
    assert expected.max() > 0.3
    np.testing.assert_allclose(found, expected, atol=2e-5)  # measured 2e-6


def test_a_checkpoint_of_the_official_layout_matches_as_kornia_does(animals: list[np.ndarray], tmp_path: Path) -> None:
    module = pytest.importorskip("kornia.feature.loftr.loftr")
    config = copy.deepcopy(module.default_cfg)
    config["match_coarse"]["thr"] = 0.0  # every mutual nearest pair
    reference = module.LoFTR(None, config).eval()
    network = network_named("loftr-outdoor")
    reference.load_state_dict(build_network(network, {"size": 192}, None).state_dict(), strict=False)
    state = {f"matcher.{key}": value for key, value in reference.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "outdoor.ckpt")
    image0, image1 = pair("loftr-outdoor", animals)
    with torch.inference_mode():
        matches, scores = load_network("loftr-outdoor", tmp_path / "outdoor.ckpt")(image0, image1)
        expected = reference({"image0": image0, "image1": image1})
    column, row = (expected["keypoints0"] / 8).round().long().T  # the rule of cell and pixel
    theirs = dict(zip((row * 24 + column).tolist(), expected["confidence"].tolist(), strict=True))
    ours = {cell: float(scores[0, cell]) for cell in torch.nonzero(matches[0] >= 0).flatten().tolist()}
    assert len(ours) > 50
    assert ours.keys() == theirs.keys()
    assert [ours[cell] for cell in theirs] == pytest.approx(list(theirs.values()), abs=1e-4)
    # the fine stage moves a match by up to 4 pixels, half a cell
    partners = matches[0][row * 24 + column]
    moved = expected["keypoints1"] - 8 * torch.stack((partners % 24, partners // 24), 1)
    assert moved.abs().max() <= 4


def test_the_distilled_network_is_exported_with_its_cell(distilled: Path, animals: list[np.ndarray], tmp_path: Path) -> None:
    out = tmp_path / "loftr.onnx"
    options = {"images": animals, "weights": distilled, "storage": "fp16"}
    exported = export_network("loftr-distilled", out, **options)
    assert exported.size < 400_000  # 0.36 MB
    assert exported.parity["matches"] > 40
    assert exported.entry.parameters == {"size": 192, "cell": 16}
    assert "LoFTR_teacher.pt" in exported.origin
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    images = np.random.default_rng(0).random((2, 3, 1, 192, 192), dtype=np.float32)
    matches, scores = session.run(None, {"image0": images[0], "image1": images[1]})
    assert matches.shape == scores.shape == (3, 144)
    assert matches.dtype == np.int64


def test_the_official_layout_is_exported_with_random_weights_and_stamped(
    animals: list[np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a quarter of the channels and of the layers, for time."""
    network = network_named("loftr-outdoor")
    layout = {**network.layout, "stem": 32, "widths": (32, 48, 64), "layers": 2}
    monkeypatch.setitem(catalogue.CATALOGUE, network.name, replace(network, layout=layout))
    out = tmp_path / "loftr.onnx"
    exported = export_network("loftr-outdoor", out, images=animals[:1], random=True)
    assert exported.parity["matches"] > 10
    assert (exported.entry.weights, exported.entry.parameters["cell"]) == ("random", 8)
    assert read_onnx(out.read_bytes(), "loftr.onnx").stamped_random


def test_the_same_photo_twice_matches_every_inner_cell_with_itself(distilled: Path, animals: list[np.ndarray]) -> None:
    image = pair("loftr-distilled", animals)[0]
    with torch.inference_mode():
        matches, scores = load_network("loftr-distilled", distilled)(image, image)
    found = matches[0] >= 0
    assert (matches[0] == torch.arange(144))[found].float().mean() > 0.9
    assert (scores[0][~found] == 0).all()


@pytest.mark.parametrize("size", [100, 32])
def test_a_size_without_whole_cells_or_inner_cells_is_refused(size: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"size is {size}"):
        load_network("loftr-outdoor", tmp_path / "never_read", size=size)


def test_the_distilled_checkpoint_is_not_taken_for_the_official_one(distilled: Path) -> None:
    with pytest.raises(UsageError, match="does not fit the network"):
        load_network("loftr-outdoor", distilled)
