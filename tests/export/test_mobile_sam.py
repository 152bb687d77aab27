"""MobileSAM with a box as prompt, against what the official implementation answers with the same weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reid_edge.errors import UsageError
from reid_edge_export.catalogue import network_named
from reid_edge_export.networks import build_network, load_network
from reid_edge_export.samples import make_inputs

torch = pytest.importorskip("torch")
onnxruntime = pytest.importorskip("onnxruntime")

from reid_edge_export import graph, parity  # noqa: E402

Weights = Callable[[str], Path]
NETWORK = network_named("mobile-sam")


@pytest.fixture(scope="module")
def sam(weights: Weights) -> torch.nn.Module:
    return load_network("mobile-sam", weights("mobile-sam"))


def test_the_masks_are_those_of_the_official_implementation(sam: torch.nn.Module, photos: list[np.ndarray]) -> None:
    """On the drawn photo all logits of all masks were compared once: the largest difference was 1e-4, of logits up to 24."""
    inputs = make_inputs(NETWORK, {"size": 1024}, photos[:1])[0]
    np.testing.assert_allclose(inputs["box"], [[51.2, 38.4, 972.8, 729.6]], rtol=1e-6)
    with torch.inference_mode():
        masks, quality = sam.masks(torch.from_numpy(inputs["image"]), torch.from_numpy(inputs["box"]))
    np.testing.assert_allclose(quality[0], [0.9900067, 0.8394688, 1.0053000, 1.0085722], atol=1e-4)
    np.testing.assert_allclose(masks[0, :, 96, 128], [3.8019295, -2.6829357, 7.8636398, 8.3005857], atol=2e-3)
    np.testing.assert_allclose(masks[0, :, 4, 4], [-7.5081882, -1.7210089, -24.1465092, -20.8491745], atol=2e-3)
    shares = (masks > 0).float().mean((2, 3))[0]
    np.testing.assert_allclose(shares, [0.2804413, 0.4108734, 0.2799225, 0.2803650], atol=1e-4)


def test_a_checkpoint_of_another_network_is_refused_by_its_keys(weights: Weights) -> None:
    with pytest.raises(UsageError, match=r"mobile|does not fit the network \(missing: image_encoder\."):
        load_network("mobile-sam", weights("xfeat"))


def test_the_answer_is_the_mask_that_is_rated_best_of_the_box_that_is_asked_for() -> None:
    network = build_network(NETWORK, {"size": 128}, None)
    image, boxes = torch.randn(1, 3, 128, 128).expand(2, -1, -1, -1), torch.tensor([[6.0, 6, 120, 120], [40, 50, 60, 70]])
    with torch.inference_mode():
        masks, quality = network.masks(image, boxes)
        # The ratings of random weights agree on one mask; others have to be right too.
        for best in range(4):
            network.mask_decoder.iou_prediction_head.layers[-1].bias.copy_(10.0 * torch.eye(4)[best])
            torch.testing.assert_close(network(image, boxes), masks[:, best : best + 1].sigmoid())
    assert (masks[0] - masks[1]).abs().max() > 1e-3
    assert quality.shape == (2, 4)


@pytest.mark.large
def test_its_graph_answers_as_pytorch_and_is_the_same_each_time(photos: list[np.ndarray]) -> None:
    """With one block per stage, which is all that the time of a test allows, and random weights."""
    shallow, parameters = replace(NETWORK, layout={**NETWORK.layout, "depths": (1, 1, 1, 1)}), {"size": 128}
    module = build_network(shallow, parameters, None)
    model = graph.trace(module, shallow, parameters)
    inputs = make_inputs(shallow, parameters, photos)
    expected = parity.run_torch(module, shallow, inputs)
    assert 0.1 < np.mean([answer["saliency"] >= 0.5 for answer in expected]) < 0.9  # there is a mask to compare
    content = model.SerializeToString(deterministic=True)
    report = parity.compare("segmentation", expected, parity.run_onnx(content, shallow, inputs))
    assert report["saliency_iou_p1"] >= 0.999  # measured 1.0
    again = graph.trace(module, shallow, parameters)
    assert again.SerializeToString(deterministic=True) == content
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    boxes = np.tile(np.array([[10, 10, 100, 100]], np.float32), (3, 1))
    assert session.run(None, {"image": np.zeros((3, 3, 128, 128), np.float32), "box": boxes})[0].shape == (3, 1, 32, 32)


def test_a_size_that_is_no_multiple_of_a_cell_is_refused() -> None:
    with pytest.raises(UsageError, match="size is 100"):
        build_network(NETWORK, {"size": 100}, None)
