from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from reid_edge.errors import UsageError

torch = pytest.importorskip("torch")

from reid_edge_export.weights import fill, read_checkpoint, read_onnx_convolutions  # noqa: E402


class Bomb:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


def test_a_pickle_that_wants_to_run_code_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    torch.save({"weight": Bomb(trace)}, tmp_path / "bomb.pt")
    (tmp_path / "bomb.pkl").write_bytes(pickle.dumps(Bomb(trace)))
    for name in ("bomb.pt", "bomb.pkl"):
        with pytest.raises(UsageError, match=name):
            read_checkpoint(tmp_path / name)
    assert not trace.exists()


@pytest.mark.parametrize("keep", [0, 10, 600])
def test_a_truncated_checkpoint_is_refused(tmp_path: Path, keep: int) -> None:
    whole = tmp_path / "whole.pt"
    torch.save({"weight": torch.ones(64)}, whole)
    cut = tmp_path / "cut.pt"
    cut.write_bytes(whole.read_bytes()[:keep])
    with pytest.raises(UsageError, match=r"cut\.pt"):
        read_checkpoint(cut)


@pytest.mark.parametrize("content", [torch.ones(3), {"weight": 3}, {}, [torch.ones(3)]])
def test_a_checkpoint_without_named_tensors_is_refused(tmp_path: Path, content) -> None:
    torch.save(content, tmp_path / "odd.pt")
    with pytest.raises(UsageError, match="no dictionary of tensors"):
        read_checkpoint(tmp_path / "odd.pt")


def test_a_missing_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_checkpoint(tmp_path / "none.pt")


def test_missing_unexpected_and_misshaped_keys_are_named() -> None:
    network = torch.nn.Linear(3, 2)
    with pytest.raises(UsageError) as caught:
        fill(network, {"weight": torch.ones(2, 4), "scale": torch.ones(1)}, "odd.pt")
    for part in ("odd.pt", "missing: bias", "unexpected: scale", "weight [2, 4] instead of [2, 3]"):
        assert part in caught.value.message


def test_an_onnx_file_of_another_network_is_refused(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy"]
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "relu", values[:1], values[1:])), tmp_path / "relu.onnx")
    with pytest.raises(UsageError, match="0 convolutions where the network has 1"):
        read_onnx_convolutions(tmp_path / "relu.onnx", ["conv"])
    (tmp_path / "text.onnx").write_text("not a graph")
    with pytest.raises(UsageError, match=r"text\.onnx"):
        read_onnx_convolutions(tmp_path / "text.onnx", ["conv"])
