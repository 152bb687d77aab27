"""YOLOX-Nano against the published ONNX file, and through the export with its boxes decoded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reid_edge.errors import UsageError
from reid_edge_export.catalogue import network_named
from reid_edge_export.export import export_network
from reid_edge_export.networks import load_network
from reid_edge_export.samples import make_inputs

torch = pytest.importorskip("torch")
onnxruntime = pytest.importorskip("onnxruntime")

NANO = network_named("yolox-nano")
STRIDES = ((52, 8), (26, 16), (13, 32))


@pytest.fixture(scope="module")
def published(shared: Path) -> Path:
    file = shared / "weights" / "yolox-nano.onnx"
    if not file.is_file():
        pytest.skip("yolox-nano.onnx is not beside this checkout")
    return file


def test_its_boxes_and_scores_are_those_of_the_published_file(published: Path, photos: list[np.ndarray]) -> None:
    (inputs,) = make_inputs(NANO, {"size": 416}, photos[:1])
    network = load_network("yolox-nano", published)
    with torch.inference_mode():
        boxes, scores = (answer[0].numpy() for answer in network(torch.from_numpy(inputs["image"])))
    bgr = inputs["image"][:, ::-1] + 114
    (raw,) = onnxruntime.InferenceSession(published, providers=["CPUExecutionProvider"]).run(
        None, {"images": np.ascontiguousarray(bgr)}
    )
    grid = np.concatenate([np.stack(np.meshgrid(np.arange(n), np.arange(n)), -1).reshape(-1, 2) for n, _ in STRIDES])
    stride = np.concatenate([np.full((n * n, 1), pixels) for n, pixels in STRIDES])
    middle, size = (raw[0, :, :2] + grid) * stride, np.exp(raw[0, :, 2:4]) * stride
    expected = np.concatenate((middle - size / 2, middle + size / 2), 1)
    assert np.abs(scores - raw[0, :, 4:5] * raw[0, :, 5:]).max() < 1e-3
    best = np.argsort(-scores.max(1))[:20]
    assert np.abs(boxes[best] - expected[best]).max() < 0.05  # pixels


def test_the_graph_gives_what_pytorch_gives(published: Path, photos: list[np.ndarray], tmp_path: Path) -> None:
    exported = export_network("yolox-nano", tmp_path / "yolox.onnx", images=photos[:2], weights=published, size=128)
    assert exported.parity["scores_agreement"] > 0.9999
    assert "saliency_iou_p1" not in exported.parity


def test_a_size_that_is_no_multiple_of_32_is_refused(published: Path) -> None:
    with pytest.raises(UsageError, match="size is 100"):
        load_network("yolox-nano", published, size=100)
