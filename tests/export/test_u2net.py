"""U2-Net against its published ONNX file, checkpoints with batch norms, and the layout of ISNet."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from reid_edge.errors import UsageError
from reid_edge.pack.onnx_file import read_onnx
from reid_edge_export.catalogue import network_named
from reid_edge_export.export import export_network
from reid_edge_export.networks import build_network, load_network
from reid_edge_export.samples import make_inputs
from reid_edge_export.weight_files import cache_folder

onnx = pytest.importorskip("onnx")
torch = pytest.importorskip("torch")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def published() -> Path:
    file = cache_folder() / "weights" / f"{network_named('u2net').source.sha256}.onnx"
    if not file.is_file():
        pytest.skip("U2-Net (176 MB) is not in the cache; reid-edge export u2net fetches it")
    return file


def with_batch_norms(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Give every convolution of `network` before a ReLU a random batch norm; the official checkpoint of that."""
    for name, module in network.named_modules():
        if name.endswith(".conv_s1"):
            norm = torch.nn.BatchNorm2d(module.out_channels)
            for tensor in (norm.weight.data, norm.running_var):
                tensor.uniform_(0.5, 1.5)
            for tensor in (norm.bias.data, norm.running_mean):
                tensor.normal_(0, 0.2)
            network.get_submodule(name.rpartition(".")[0]).conv_s1 = torch.nn.Sequential(module, norm)
    state = network.eval().state_dict()
    return {re.sub(r"conv_s1\.1", "bn_s1", key.replace("conv_s1.0", "conv_s1")): value for key, value in state.items()}


def test_u2net_gives_the_saliency_of_the_published_onnx(published: Path, photos: list[np.ndarray]) -> None:
    image = make_inputs(network_named("u2net"), {"size": 320}, photos[:1])[0]["image"]
    session = onnxruntime.InferenceSession(published, providers=["CPUExecutionProvider"])
    expected = session.run(None, {session.get_inputs()[0].name: image})[0]
    with torch.inference_mode():
        found = load_network("u2net", published)(torch.from_numpy(image)).numpy()
    np.testing.assert_allclose(found, expected, atol=5e-5)  # measured 1.1e-5


def test_a_checkpoint_with_batch_norms_answers_as_the_network_that_has_them(tmp_path: Path) -> None:
    torch.manual_seed(1)
    reference = build_network(network_named("u2netp"), {"size": 64}, None)
    torch.save(with_batch_norms(reference), tmp_path / "u2netp.pth")
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        expected, found = reference.logits(image), load_network("u2netp", tmp_path / "u2netp.pth", size=64).logits(image)
    assert expected.std() > 0.01
    torch.testing.assert_close(found, expected, atol=1e-4 * float(expected.abs().max()), rtol=0)


def test_a_coarser_decoder_stage_answers_alone_with_less_than_half_of_the_arithmetic(
    photos: list[np.ndarray], tmp_path: Path
) -> None:
    whole, coarse = tmp_path / "whole.onnx", tmp_path / "coarse.onnx"
    for out, finest in ((whole, 1), (coarse, 2)):
        exported = export_network("u2netp", out, images=photos, random=True, size=128, finest=finest)
        assert exported.parity["saliency_iou_p1"] >= 0.995
        assert exported.entry.parameters["finest"] == finest
    weights = {out: {each.name for each in onnx.load(out).graph.initializer} for out in (whole, coarse)}
    assert any("stage1d" in name for name in weights[whole])
    assert not any(part in name for part in ("stage1d", "outconv", "side1") for name in weights[coarse])
    session = onnxruntime.InferenceSession(coarse, providers=["CPUExecutionProvider"])
    assert session.run(None, {"image": np.zeros((2, 3, 128, 128), np.float32)})[0].shape == (2, 1, 128, 128)


@pytest.mark.parametrize("finest", [0, 6])
def test_a_decoder_stage_that_is_none_is_refused(finest: int) -> None:
    with pytest.raises(UsageError, match=f"finest is {finest}"):
        load_network("u2netp", None, finest=finest)


def test_isnet_has_the_official_names() -> None:
    from reid_edge_export.networks import u2net

    network = u2net.build(**network_named("isnet").layout, size=64)
    shapes = {key: list(value.shape) for key, value in network.state_dict().items()}
    assert shapes["conv_in.weight"] == [64, 3, 3, 3]
    assert shapes["stage1.rebnconvin.conv_s1.weight"] == [64, 64, 3, 3]
    assert shapes["stage1.rebnconv6d.conv_s1.weight"] == [32, 64, 3, 3]
    assert shapes["stage5.rebnconv4.conv_s1.bias"] == [256]
    assert shapes["stage1d.rebnconv1.conv_s1.weight"] == [16, 64, 3, 3]
    assert shapes["side6.weight"] == [1, 512, 3, 3]
    assert not any(key.startswith("outconv") for key in shapes)


def test_isnet_is_exported_with_random_weights_and_stamped(photos: list[np.ndarray], tmp_path: Path) -> None:
    out = tmp_path / "isnet.onnx"
    exported = export_network("isnet", out, images=photos, random=True, storage="fp16", size=128)
    assert exported.parity["saliency_iou_p1"] >= 0.995
    assert exported.entry.preprocessing.std == (1.0,) * 3
    assert read_onnx(out.read_bytes(), "isnet.onnx").stamped_random
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    saliency = session.run(None, {"image": np.zeros((3, 3, 128, 128), np.float32)})[0]
    assert saliency.shape == (3, 1, 128, 128)


def test_a_checkpoint_of_half_a_batch_norm_is_refused_by_name(tmp_path: Path) -> None:
    state = with_batch_norms(build_network(network_named("u2netp"), {"size": 64}, None))
    del state["stage1.rebnconvin.bn_s1.running_mean"]
    torch.save(state, tmp_path / "odd.pth")
    with pytest.raises(UsageError, match=r"unexpected: stage1\.rebnconvin\.bn_s1\.running_var"):
        load_network("u2netp", tmp_path / "odd.pth")
