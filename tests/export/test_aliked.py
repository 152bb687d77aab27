"""ALIKED against kornia's implementation with the published weights, and through the export."""

from __future__ import annotations

import importlib
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
    return torch.from_numpy(make_inputs(network_named("aliked-n16"), OPTIONS, photos[:1])[0]["image"])


@pytest.fixture(scope="module")
def tiny(weights: Weights) -> torch.nn.Module:
    return load_network("aliked-t16", weights("aliked-t16"), **OPTIONS)


@pytest.mark.parametrize("name", ["aliked-t16", "aliked-n16", "aliked-n16rot", "aliked-n32"])
def test_aliked_finds_the_keypoints_and_descriptors_of_kornia(
    name: str, weights: Weights, image: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reid_edge_export.peaks import survives_suppression

    pytest.importorskip("kornia")
    kornia = importlib.import_module("kornia.feature.aliked.aliked")
    # kornia keeps local maxima only, on purpose; the original's suppression, which test_peaks.py holds against its definition,
    # keeps more.
    monkeypatch.setattr(kornia, "nms2d", lambda heat, window, mask_only: survives_suppression(heat, window[0] // 2))
    reference = kornia.ALIKED(name, max_num_keypoints=OPTIONS["keypoints"], detection_threshold=0.0).eval()
    absent = reference.load_state_dict(torch.load(weights(name), map_location="cpu", weights_only=True), strict=False)
    assert absent.missing_keys == ["dkd.hw_grid"]  # a constant
    assert not absent.unexpected_keys
    with torch.inference_mode():
        keypoints, scores, descriptors = load_network(name, weights(name), **OPTIONS)(image, torch.ones_like(image[:, :1]))
        expected = reference(image)[0]
    nearest, slot = torch.cdist(expected.keypoints.double(), keypoints[0].double()).min(1)
    same = nearest < 0.01  # pixels; measured 3e-5 at most
    assert same.sum() >= 255  # measured 256; two that are equally strong can fall either way
    likeness = (expected.descriptors[same] * descriptors[0, slot[same]]).sum(1)
    assert likeness.min() > 0.99999  # measured 0.9999996
    torch.testing.assert_close(scores[0, slot[same]], expected.keypoint_scores[same], atol=1e-4, rtol=0)  # measured 1e-5


def test_aliked_keeps_to_the_mask(tiny: torch.nn.Module, image: torch.Tensor) -> None:
    mask = torch.zeros_like(image[:, :1])
    mask[..., 64:112, 96:160] = 1
    with torch.inference_mode():
        keypoints, scores, descriptors = tiny(image, mask)
    valid = scores[0] > 0
    assert 0 < valid.sum() < OPTIONS["keypoints"]
    # the refinement moves a keypoint by up to 2 pixels
    low, high = keypoints[0, valid].min(0).values, keypoints[0, valid].max(0).values
    assert (low >= torch.tensor([94.0, 62.0])).all()
    assert (high <= torch.tensor([161.0, 113.0])).all()
    torch.testing.assert_close(descriptors.norm(dim=2), torch.ones(1, OPTIONS["keypoints"]))


def test_aliked_on_a_batch_gives_what_each_photo_gives(tiny: torch.nn.Module, image: torch.Tensor) -> None:
    images = torch.cat((image, image.flip(3)))
    with torch.inference_mode():
        together = tiny(images, torch.ones_like(images[:, :1]))
        alone = tiny(images[1:], torch.ones_like(image[:, :1]))
    for found, expected in zip(together, alone, strict=True):
        torch.testing.assert_close(found[1:], expected, atol=1e-3, rtol=0)


def test_aliked_on_the_smallest_photo_without_an_animal_gives_finite_empty_slots(tiny: torch.nn.Module) -> None:
    with torch.inference_mode():
        keypoints, scores, descriptors = tiny(torch.zeros(1, 3, 32, 32), torch.zeros(1, 1, 32, 32))
    assert (scores <= 0).all()
    assert all(tensor.isfinite().all() for tensor in (keypoints, descriptors))


@pytest.mark.parametrize("options", [{"size": 100}, {"keypoints": 4096}])
def test_aliked_refuses_what_no_graph_can_have(options: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="aliked"):
        load_network("aliked-n16", tmp_path / "never_read", **options)


def test_the_weights_of_another_aliked_are_refused_by_their_keys(weights: Weights) -> None:
    with pytest.raises(UsageError, match="does not fit the network"):
        load_network("aliked-n32", weights("aliked-t16"))


@pytest.fixture(scope="module")
def exported(weights: Weights, photos: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> ExportedNetwork:
    out = tmp_path_factory.mktemp("aliked") / "aliked-t16.onnx"
    return export_network("aliked-t16", out, images=photos, weights=weights("aliked-t16"), storage="fp16", **OPTIONS)


@pytest.mark.large
def test_aliked_exports_with_plain_operators_and_passes_its_comparison(exported: ExportedNetwork) -> None:
    assert exported.size < 450_000  # bytes
    assert exported.licence == "BSD-3-Clause"
    assert exported.entry.parameters == {**OPTIONS, "dimension": 64}
    assert exported.entry.preprocessing.colour == "rgb"
    assert exported.parity["keypoints_repeated"] >= 0.97
    assert exported.parity["descriptors_cosine_p1"] >= 0.998


@pytest.mark.large
@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (2, 3, 64, 96)])
def test_the_graph_of_aliked_takes_any_batch_and_size(
    exported: ExportedNetwork, tiny: torch.nn.Module, shape: tuple[int, ...]
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(exported.path, providers=["CPUExecutionProvider"])
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    mask = np.ones_like(image[:, :1])
    keypoints, scores, descriptors = session.run(None, {"image": image, "mask": mask})
    assert descriptors.shape == (shape[0], OPTIONS["keypoints"], 64)
    assert np.isfinite(descriptors).all()
    with torch.inference_mode():
        expected, expected_scores, _ = (part.numpy() for part in tiny(torch.from_numpy(image), torch.from_numpy(mask)))
    valid = expected_scores[-1] > 0
    distance = np.linalg.norm(expected[-1, valid][:, None] - keypoints[-1, scores[-1] > 0][None], axis=2).min(1)
    assert (distance < 0.1).mean() > 0.9  # noise has many peaks that are nearly as strong
