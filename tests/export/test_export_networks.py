"""Our modules against the published networks: the original ONNX file, and kornia's implementations with the same weights."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from reid_edge.engines.network_input import to_network_input
from reid_edge.errors import UsageError
from reid_edge_export.catalogue import network_named, resolve_parameters
from reid_edge_export.networks import load_network
from reid_edge_export.samples import make_inputs

torch = pytest.importorskip("torch")

Weights = Callable[[str], Path]
XFEAT = network_named("xfeat")


@pytest.fixture(scope="module")
def xfeat(weights: Weights) -> torch.nn.Module:
    return load_network("xfeat", weights("xfeat"))


@pytest.fixture(scope="module")
def lighterglue(weights: Weights) -> torch.nn.Module:
    return load_network("lighterglue", weights("lighterglue"))


@pytest.fixture(scope="module")
def pair(xfeat: torch.nn.Module, photos: list[np.ndarray]) -> dict[str, torch.Tensor]:
    """One photo and the same one turned by 10 degrees, as the matcher's inputs."""
    inputs = make_inputs(network_named("lighterglue"), {}, photos[:1])[0]
    return {name: torch.from_numpy(array) for name, array in inputs.items()}


def test_u2netp_gives_the_saliency_of_the_published_onnx(weights: Weights, photos: list[np.ndarray]) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    file = weights("u2netp")
    network = network_named("u2netp")
    image = make_inputs(network, resolve_parameters(network, {}), photos[:1])[0]["image"]
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    expected = session.run(None, {session.get_inputs()[0].name: image})[0]
    with torch.inference_mode():
        found = load_network("u2netp", file)(torch.from_numpy(image)).numpy()
    # measured 1.1e-5 at most over photos of four species
    np.testing.assert_allclose(found, expected, atol=1e-4)  # measured 3.4e-5, between versions of ONNX Runtime


@pytest.mark.parametrize("level", [0, 1, 2])
def test_efficientnet_lite_with_its_classifier_names_zebras_and_tigers(level: int, weights: Weights, shared: Path) -> None:
    name = f"efficientnet-lite{level}"
    file = weights(name)
    network, checkpoint = load_network(name, file), torch.load(file, weights_only=True)
    preprocessing = network_named(name).preprocessing
    right = []
    for species, label in (("zebra", 340), ("tiger", 292)):  # rows of ImageNet
        folder = shared / "data" / species
        with (folder / "metadata.csv").open() as file_:
            paths = [row["path"] for row in csv.DictReader(file_)][::40][:5]
        images = np.concatenate(
            [to_network_input(cv2.imread(str(folder / path))[:, :, ::-1].copy(), preprocessing) for path in paths]
        )
        with torch.inference_mode():
            logits = network(torch.from_numpy(images)) @ checkpoint["_fc.weight"].T + checkpoint["_fc.bias"]
        right += (logits.argmax(1) == label).tolist()
    assert np.mean(right) >= 0.7  # measured 0.9 to 1.0; a wrong key, padding or normalisation drops it below 0.5


def test_generalised_mean_pooling_lies_between_the_mean_and_the_maximum(weights: Weights) -> None:
    file = weights("efficientnet-lite0")
    image = torch.rand(1, 3, 96, 96)
    with torch.inference_mode():
        mean, gem = (load_network("efficientnet-lite0", file, size=96, pool=pool)(image) for pool in ("mean", "gem"))
    assert (gem >= mean - 1e-5).all()
    assert (gem > mean + 1e-3).any()


def test_xfeat_finds_the_keypoints_and_descriptors_of_kornia(
    weights: Weights, xfeat: torch.nn.Module, photos: list[np.ndarray]
) -> None:
    feature = pytest.importorskip("kornia.feature")
    reference = feature.XFeat(top_k=20000, detection_threshold=0.0).eval()
    reference.net.load_state_dict(torch.load(weights("xfeat"), weights_only=True))
    for inputs in make_inputs(XFEAT, resolve_parameters(XFEAT, {}), photos):
        image, mask = (torch.from_numpy(inputs[name]) for name in ("image", "mask"))
        with torch.inference_mode():
            keypoints, scores, descriptors = xfeat(image, mask)
            expected = reference.detectAndCompute(image)[0]
        x, y = expected["keypoints"].long().T
        # kornia leaves out a strip of 2 pixels at the border; the mask does not reach that far but in four points
        inside = torch.nonzero((mask[0, 0, y, x] > 0.5) & (expected["scores"] > 0)).flatten()[:512]
        theirs = {tuple(place): row for place, row in zip(expected["keypoints"][inside].tolist(), inside.tolist(), strict=True)}
        ours = {tuple(place): slot for slot, place in enumerate(keypoints[0].tolist()) if scores[0, slot] > 0}
        common = theirs.keys() & ours.keys()
        assert len(common) >= 0.99 * max(len(theirs), len(ours)) > 100
        rows, slots = [theirs[place] for place in common], [ours[place] for place in common]
        torch.testing.assert_close(descriptors[0, slots], expected["descriptors"][rows], atol=1e-4, rtol=0)
        torch.testing.assert_close(scores[0, slots], expected["scores"][rows], atol=1e-5, rtol=0)


def test_xfeat_keeps_to_the_mask_and_falls_in_score(xfeat: torch.nn.Module, photos: list[np.ndarray]) -> None:
    image = torch.from_numpy(make_inputs(XFEAT, resolve_parameters(XFEAT, {}), photos[:1])[0]["image"])
    mask = torch.zeros_like(image)
    mask[..., 64:160, 96:256] = 1
    with torch.inference_mode():
        keypoints, scores, descriptors = xfeat(image, mask)
    valid = scores[0] > 0
    assert 0 < valid.sum() < 512
    x, y = keypoints[0, valid].T
    assert x.min() >= 96
    assert x.max() < 256
    assert y.min() >= 64
    assert y.max() < 160
    assert (scores[0].diff() <= 0).all()
    torch.testing.assert_close(descriptors.norm(dim=2), torch.ones(1, 512))


def test_xfeat_on_a_blank_photo_without_an_animal_gives_finite_empty_slots(xfeat: torch.nn.Module) -> None:
    with torch.inference_mode():
        keypoints, scores, descriptors = xfeat(torch.zeros(1, 1, 64, 96), torch.zeros(1, 1, 64, 96))
    assert (scores <= 0).all()
    assert all(tensor.isfinite().all() for tensor in (keypoints, descriptors))


def test_lighterglue_finds_the_matches_of_kornia(
    weights: Weights, lighterglue: torch.nn.Module, pair: dict[str, torch.Tensor]
) -> None:
    kornia = pytest.importorskip("kornia.feature.lightglue")
    # The configuration that LighterGlue was published with, without pruning.
    options = {"input_dim": 64, "descriptor_dim": 96, "add_scale_ori": False, "add_laf": False, "scale_coef": 1.0, "n_layers": 6}
    options |= {"num_heads": 1, "flash": False, "mp": False, "depth_confidence": -1, "width_confidence": -1, "weights": None}
    reference = kornia.LightGlue(None, **options, filter_threshold=0.0).eval()
    state = {key.removeprefix("matcher."): value for key, value in torch.load(weights("lighterglue"), weights_only=True).items()}
    absent = reference.load_state_dict(
        {k: v for k, v in state.items() if not k.startswith("extractor.")}, strict=False
    ).missing_keys
    assert absent == ["confidence_thresholds"]
    # Keypoints that are normalised already, for a size of 2 x 2 around 0.
    size = torch.tensor([[2.0, 2.0]])
    sides = [{"keypoints": pair[f"keypoints{s}"] + 1, "descriptors": pair[f"descriptors{s}"], "image_size": size} for s in (0, 1)]
    with torch.inference_mode():
        matches, scores = lighterglue(*(pair[spec.name] for spec in network_named("lighterglue").inputs))
        expected = reference({"image0": sides[0], "image1": sides[1]})
    valid = pair["valid0"][0] > 0.5
    assert valid.all()
    assert pair["valid1"].all()
    assert (matches[0] >= 0).sum() > 100
    same = (matches == expected["matches0"]).float().mean()
    assert same >= 0.998  # measured 1.0; a tie can fall either way
    torch.testing.assert_close(scores, expected["matching_scores0"], atol=1e-3, rtol=0)  # measured 4e-5


def test_lightglue_of_several_heads_reads_the_first_release_and_agrees_with_kornia(tmp_path: Path) -> None:
    from reid_edge_export.networks import lightglue
    from reid_edge_export.weights import fill

    kornia = pytest.importorskip("kornia.feature.lightglue")
    torch.manual_seed(3)
    options = {"input_dim": 64, "descriptor_dim": 64, "add_scale_ori": False, "add_laf": False, "n_layers": 3, "num_heads": 4}
    options |= {"flash": False, "mp": False, "depth_confidence": -1, "width_confidence": -1, "weights": None}
    reference = kornia.LightGlue(None, **options, filter_threshold=0.0).eval()
    old = {re.sub(r"^transformers\.(\d+)\.(self|cross)_attn", r"\2_attn.\1", key): v for key, v in reference.state_dict().items()}
    torch.save(old, tmp_path / "old.pth")
    network = lightglue.build(layers=3, width=64, heads=4, descriptor=64, position=2).eval()
    fill(network, lightglue.read_state(tmp_path / "old.pth", network), "old.pth")
    places, described = torch.rand(2, 2, 50, 2) * 2 - 1, torch.nn.functional.normalize(torch.randn(2, 2, 50, 64), dim=3)
    sides = [
        {"keypoints": places[s] + 1, "descriptors": described[s], "image_size": torch.tensor([[2.0, 2.0]]).expand(2, 2)}
        for s in (0, 1)
    ]
    with torch.inference_mode():
        matches, scores = network(*places, *described, *torch.ones(2, 2, 50))
        expected = reference({"image0": sides[0], "image1": sides[1]})
    assert torch.equal(matches, expected["matches0"])
    torch.testing.assert_close(scores, expected["matching_scores0"], atol=1e-6, rtol=1e-4)


def test_empty_slots_do_not_change_a_match_and_never_match(lighterglue: torch.nn.Module, pair: dict[str, torch.Tensor]) -> None:
    padded = {}
    for name, tensor in pair.items():
        extra = torch.zeros(1, 40) if name.startswith("valid") else torch.randn(1, 40, tensor.shape[2])
        padded[name] = torch.cat((tensor, extra), 1)
    with torch.inference_mode():
        (matches, scores), (more, more_scores) = lighterglue(**pair), lighterglue(**padded)
    count = matches.shape[1]
    assert (more[:, count:] == -1).all()
    assert (more[:, :count] < count).all()
    assert (more[:, :count] == matches).float().mean() >= 0.998
    torch.testing.assert_close(more_scores[:, :count], scores, atol=1e-3, rtol=0)


def test_a_batch_of_pairs_gives_what_each_pair_gives(lighterglue: torch.nn.Module, pair: dict[str, torch.Tensor]) -> None:
    swapped = {f"{name[:-1]}{1 - int(name[-1])}": tensor for name, tensor in pair.items()}
    with torch.inference_mode():
        alone = [lighterglue(**inputs)[0] for inputs in (pair, swapped)]
        together = lighterglue(**{name: torch.cat((pair[name], swapped[name])) for name in pair})[0]
    assert (together == torch.cat(alone)).float().mean() >= 0.998


@pytest.mark.parametrize("name", ["u2netp", "xfeat"])
def test_a_size_that_the_network_cannot_take_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="size is 100"):
        load_network(name, tmp_path / "never_read", size=100)


@pytest.mark.parametrize("name", ["efficientnet-lite1", "lighterglue"])
def test_the_checkpoint_of_another_network_is_refused_by_its_keys(name: str, weights: Weights) -> None:
    with pytest.raises(UsageError, match="does not fit the network"):
        load_network(name, weights("efficientnet-lite0"))
