"""DISK against kornia's implementation with the published weights, and through the export."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reid_edge.errors import UsageError
from reid_edge_export.catalogue import network_named
from reid_edge_export.export import ExportedNetwork, export_network
from reid_edge_export.networks import load_network
from reid_edge_export.samples import make_inputs

torch = pytest.importorskip("torch")

Weights = Callable[[str], Path]
OPTIONS = {"size": 256, "keypoints": 256}


@pytest.fixture(scope="module")
def image(photos: list[np.ndarray]) -> torch.Tensor:
    """A photo as the network sees it, 192 x 256 pixels."""
    return torch.from_numpy(make_inputs(network_named("disk"), OPTIONS, photos[:1])[0]["image"])


@pytest.fixture(scope="module")
def disk(weights: Weights) -> torch.nn.Module:
    return load_network("disk", weights("disk"), **OPTIONS)


def test_disk_finds_the_keypoints_and_descriptors_of_kornia(weights: Weights, disk: torch.nn.Module, image: torch.Tensor) -> None:
    feature = pytest.importorskip("kornia.feature")
    reference = feature.DISK().eval()
    reference.load_state_dict(torch.load(weights("disk"), map_location="cpu", weights_only=True)["extractor"])
    # kornia, unlike the original, finds nothing in the 2 pixels along the border
    mask = torch.nn.functional.pad(torch.ones_like(image[:, :1, 2:-2, 2:-2]), (2, 2, 2, 2))
    with torch.inference_mode():
        keypoints, scores, descriptors = disk(image, mask)
        expected = reference(image, n=OPTIONS["keypoints"])[0]
    theirs = {tuple(place): row for row, place in enumerate(expected.keypoints.tolist())}
    ours = {tuple(place): slot for slot, place in enumerate(keypoints[0].tolist()) if scores[0, slot] > 0}
    common = theirs.keys() & ours.keys()
    assert len(common) >= 255  # measured 256; two that are equally strong can fall either way
    rows, slots = [theirs[place] for place in common], [ours[place] for place in common]
    likeness = (expected.descriptors[rows] * descriptors[0, slots]).sum(1)
    assert likeness.min() > 0.99999  # measured 0.9999994
    torch.testing.assert_close(scores[0, slots], expected.detection_scores[rows], atol=1e-3, rtol=0)  # logits of about 10


def test_disk_keeps_to_the_mask_and_falls_in_score(disk: torch.nn.Module, image: torch.Tensor) -> None:
    mask = torch.zeros_like(image[:, :1])
    mask[..., 64:112, 96:160] = 1
    with torch.inference_mode():
        keypoints, scores, descriptors = disk(image, mask)
    valid = scores[0] > 0
    assert 0 < valid.sum() < OPTIONS["keypoints"]
    assert (keypoints[0, valid] >= torch.tensor([96.0, 64.0])).all()
    assert (keypoints[0, valid] < torch.tensor([160.0, 112.0])).all()
    assert (scores[0].diff() <= 0).all()
    torch.testing.assert_close(descriptors.norm(dim=2), torch.ones(1, OPTIONS["keypoints"]))


def test_disk_describes_keypoints_at_the_border_as_the_whole_convolution_does(
    weights: Weights, disk: torch.nn.Module, image: torch.Tensor
) -> None:
    last = torch.load(weights("disk"), map_location="cpu", weights_only=True)["extractor"]
    mask = torch.ones_like(image[:, :1])
    mask[..., 1:-1, 1:-1] = 0  # the outermost pixels only
    eager = copy.deepcopy(disk)
    eager.heat.bias.data += 1000  # every maximum there is a keypoint
    with torch.inference_mode():
        keypoints, scores, descriptors = eager(image, mask)
        dense = torch.nn.functional.conv2d(
            disk.unet(image), last["unet.path_up.3.conv.3.weight"], last["unet.path_up.3.conv.3.bias"], padding=2
        )[0]
    valid = scores[0] > 0
    assert valid.sum() > 5
    x, y = keypoints[0, valid].long().T
    expected = torch.nn.functional.normalize(dense[:128, y, x].T, dim=1)
    torch.testing.assert_close(descriptors[0, valid], expected, atol=1e-4, rtol=0)


def test_disk_on_a_blank_photo_without_an_animal_gives_finite_empty_slots(disk: torch.nn.Module) -> None:
    with torch.inference_mode():
        keypoints, scores, descriptors = disk(torch.zeros(1, 3, 32, 64), torch.zeros(1, 1, 32, 64))
    assert (scores <= 0).all()
    assert all(tensor.isfinite().all() for tensor in (keypoints, descriptors))


def test_disk_reads_the_bare_state_too_and_refuses_another_network(weights: Weights, tmp_path: Path) -> None:
    state = torch.load(weights("disk"), map_location="cpu", weights_only=True)["extractor"]
    torch.save(state, tmp_path / "bare.pth")
    assert load_network("disk", tmp_path / "bare.pth") is not None
    torch.save({"extractor": {key: value for key, value in state.items() if "path_up.2" not in key}}, tmp_path / "short.pth")
    with pytest.raises(UsageError, match=r"missing: unet\.path_up\.2\.conv\.1\.weight"):
        load_network("disk", tmp_path / "short.pth")


@pytest.fixture(scope="module")
def exported(weights: Weights, photos: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> ExportedNetwork:
    out = tmp_path_factory.mktemp("disk") / "disk.onnx"
    return export_network("disk", out, images=photos, weights=weights("disk"), storage="fp16", **OPTIONS)


def test_disk_exports_with_plain_operators_and_passes_its_comparison(exported: ExportedNetwork) -> None:
    assert exported.size < 2_300_000  # 2.20 MB
    assert exported.licence == "Apache-2.0"
    assert exported.entry.parameters == {**OPTIONS, "dimension": 128}
    assert exported.parity["keypoints_repeated"] >= 0.97
    assert exported.parity["descriptors_cosine_p1"] >= 0.998


def test_the_graph_of_disk_takes_any_batch_and_size(exported: ExportedNetwork) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(exported.path, providers=["CPUExecutionProvider"])
    image = np.random.default_rng(0).random((2, 3, 64, 96), dtype=np.float32)
    keypoints, scores, descriptors = session.run(None, {"image": image, "mask": np.ones_like(image[:, :1])})
    assert keypoints.shape == (2, OPTIONS["keypoints"], 2)
    assert descriptors.shape == (2, OPTIONS["keypoints"], 128)
    assert (scores > 0).any()
    assert (keypoints[scores > 0] < np.array([96, 64])).all()
