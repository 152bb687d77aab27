from __future__ import annotations

import contextlib
import pickle
from pathlib import Path

import numpy as np
import pytest

from reid_edge.errors import UsageError

torch = pytest.importorskip("torch")
safetensors_torch = pytest.importorskip("safetensors.torch")

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


def test_every_format_of_a_checkpoint_gives_the_same_tensors(tmp_path: Path) -> None:
    tensors = {"conv.weight": torch.arange(6.0).reshape(2, 3), "conv.bias": torch.ones(2, dtype=torch.float16)}
    wrapped = {f"module.{key}": value for key, value in tensors.items()}
    torch.save(tensors, tmp_path / "plain.pth")
    torch.save({"state_dict": wrapped, "epoch": 3}, tmp_path / "training.bin")
    safetensors_torch.save_file(tensors, tmp_path / "network.safetensors")
    np.savez(tmp_path / "network.npz", **{key: value.numpy() for key, value in tensors.items()})
    for name in ("plain.pth", "training.bin", "network.safetensors", "network.npz"):
        read = read_checkpoint(tmp_path / name, "state_dict")
        assert read.keys() == tensors.keys(), name
        assert all(torch.equal(read[key], tensors[key]) for key in tensors), name


@pytest.mark.parametrize("keep", [12, 60, 100])
def test_truncated_safetensors_and_npz_are_refused(tmp_path: Path, keep: int) -> None:
    safetensors_torch.save_file({"weight": torch.ones(64)}, tmp_path / "whole.safetensors")
    np.savez(tmp_path / "whole.npz", weight=np.ones(64))
    for suffix in (".safetensors", ".npz"):
        cut = tmp_path / f"cut{suffix}"
        cut.write_bytes((tmp_path / f"whole{suffix}").read_bytes()[:keep])
        with pytest.raises(UsageError, match="cut"):
            read_checkpoint(cut)


@pytest.mark.parametrize("seed", range(60))
def test_a_file_with_a_few_wrong_bytes_is_read_or_refused_and_nothing_else(tmp_path: Path, seed: int) -> None:
    np.savez_compressed(tmp_path / "network.npz", weight=np.arange(400.0))
    torch.save({"weight": torch.arange(40.0)}, tmp_path / "network.pt", _use_new_zipfile_serialization=False)
    random = np.random.default_rng(seed)
    for path in sorted(tmp_path.iterdir()):
        content = bytearray(path.read_bytes())
        for place in random.integers(len(content), size=4):
            content[place] = random.integers(256)
        path.write_bytes(content)
        with contextlib.suppress(UsageError):
            read_checkpoint(path)


def test_an_npz_that_holds_objects_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    np.savez(tmp_path / "bomb.npz", weight=np.array([Bomb(trace)], dtype=object))
    with pytest.raises(UsageError, match=r"bomb\.npz"):
        read_checkpoint(tmp_path / "bomb.npz")
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
