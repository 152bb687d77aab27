"""LightGlue at its full size: the trained matchers and the layouts whose weights cannot be had, against kornia's implementation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reid_edge_export import sift
from reid_edge_export.catalogue import network_named
from reid_edge_export.networks import load_network
from reid_edge_export.samples import make_inputs

torch = pytest.importorskip("torch")

Weights = Callable[[str], Path]
# What kornia calls the same layout.
LAYOUTS = {
    "lightglue-superpoint": {"input_dim": 256},
    "lightglue-sift": {"input_dim": 128, "add_scale_ori": True},
    "lightglue-keynet-affnet-hardnet": {"input_dim": 128, "add_laf": True},
}


def kornia_lightglue(**layout: object) -> torch.nn.Module:
    kornia = pytest.importorskip("kornia.feature.lightglue")
    options = {"flash": False, "depth_confidence": -1, "width_confidence": -1, "filter_threshold": 0.0}
    return kornia.LightGlue(None, **layout, **options).eval()


def on_a_square(keypoints: torch.Tensor, descriptors: torch.Tensor) -> dict[str, torch.Tensor]:
    """One side of a pair as kornia wants it, on a photo of 2 x 2 pixels, so that its normalisation only moves the places by 1."""
    places, size = keypoints[..., :2], torch.tensor([[2.0, 2.0]])
    side = {"keypoints": places + 1, "descriptors": descriptors, "image_size": size}
    if keypoints.shape[2] == 4:
        side |= {"scales": keypoints[..., 2], "oris": keypoints[..., 3]}
    if keypoints.shape[2] == 6:
        axes = [tip - places for tip in (keypoints[..., 2:4], keypoints[..., 4:])]
        side["lafs"] = torch.stack((*axes, places + 1), -1)
    return side


@pytest.mark.parametrize("feature", ["aliked", "disk"])
def test_the_trained_matcher_gives_the_matches_of_kornia(feature: str, weights: Weights, photos: list[np.ndarray]) -> None:
    file = weights(f"lightglue-{feature}")
    network = network_named(f"lightglue-{feature}")
    weights(network.extractor)
    inputs = {name: torch.from_numpy(array) for name, array in make_inputs(network, {}, photos[1:])[0].items()}
    inputs["valid0"][0, 400:] = inputs["valid1"][0, 450:] = 0  # empty slots, which kornia does not get to see
    reference = kornia_lightglue(input_dim=128)
    old = torch.load(file, weights_only=True)
    names = {key: key.split(".") for key in old}
    moved = {
        (f"transformers.{parts[1]}.{parts[0]}." + ".".join(parts[2:]) if parts[0].endswith("_attn") else key): old[key]
        for key, parts in names.items()
    }
    reference.load_state_dict(moved, strict=False)
    with torch.inference_mode():
        matches, scores = load_network(network.name, file)(**inputs)
        kept = [inputs[f"valid{side}"] > 0.5 for side in (0, 1)]
        sides = [
            on_a_square(inputs[f"keypoints{side}"][kept[side]][None], inputs[f"descriptors{side}"][kept[side]][None])
            for side in (0, 1)
        ]
        expected = reference({"image0": sides[0], "image1": sides[1]})
    assert (scores > 0.1).sum() > 50
    assert torch.equal(matches[kept[0]], expected["matches0"][0])
    torch.testing.assert_close(scores[kept[0]], expected["matching_scores0"][0], atol=1e-3, rtol=0)  # measured 4e-5
    assert (matches[~kept[0]] == -1).all()


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_checkpoint_of_the_true_layout_matches_as_kornia_does(name: str, photos: list[np.ndarray], tmp_path: Path) -> None:
    torch.manual_seed(5)
    reference = kornia_lightglue(**LAYOUTS[name])
    with torch.no_grad():  # random weights that leave the descriptors to decide
        for layer in reference.transformers:
            for block in (layer.self_attn, layer.cross_attn):
                block.ffn[-1].weight.mul_(0.3)
        for linear in (reference.input_proj, reference.log_assignment[-1].final_proj):
            if isinstance(linear, torch.nn.Linear):
                torch.nn.init.orthogonal_(linear.weight, 5.0)
        reference.log_assignment[-1].matchability.bias.fill_(4.0)
    torch.save(reference.state_dict(), tmp_path / "random.pth")
    inputs = make_inputs(network_named(name), {}, photos[:1], random=True)[0]
    tensors = {key: torch.from_numpy(array)[:, :300] for key, array in inputs.items()}
    sides = [on_a_square(tensors[f"keypoints{side}"], tensors[f"descriptors{side}"]) for side in (0, 1)]
    with torch.inference_mode():
        matches, scores = load_network(name, tmp_path / "random.pth")(**tensors)
        expected = reference({"image0": sides[0], "image1": sides[1]})
    assert (scores > 0.1).sum() > 20
    assert torch.equal(matches, expected["matches0"])
    torch.testing.assert_close(scores, expected["matching_scores0"], atol=1e-4, rtol=0)


def test_sift_gives_places_in_the_frame_and_descriptors_of_norm_one(photos: list[np.ndarray]) -> None:
    keypoints, descriptors = sift.describe(photos[0], 6, 256)
    assert keypoints.shape[1:] == (512, 6)
    assert descriptors.shape[1:] == (512, 256)
    assert (np.abs(keypoints[..., :2]) <= 1).all()
    np.testing.assert_allclose(np.linalg.norm(descriptors, axis=2), 1, atol=1e-5)
    x, y = keypoints[..., 2:4] - keypoints[..., :2], keypoints[..., 4:] - keypoints[..., :2]
    np.testing.assert_allclose((x * y).sum(2), 0, atol=1e-6)  # the axes of a frame are at a right angle
    blank = sift.describe(np.zeros((64, 64, 3), np.uint8), 4, 128)
    assert [array.shape for array in blank] == [(1, 0, 4), (1, 0, 128)]
