from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from reid_edge.engines.selection import Device, open_engine
from reid_edge.errors import EngineError, StorageError, UsageError
from reid_edge_export.catalogue import network_named
from reid_edge_export.cli import export
from reid_edge_export.export import (
    ExportedNetwork,
    check_precision,
    export_network,
    export_traced,
    write_whole,
)
from reid_edge_export.precision import PRECISIONS, nodes_kept, precision_named
from reid_edge_export.precision.calibration import Calibration, read_calibration
from reid_edge_export.tracing import TracedNetwork, trace_network

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("modelopt")

Weights = Callable[[str], Path]
SIZE = 96
INT8 = [name for name, precision in PRECISIONS.items() if precision.computes == "int8"]


@pytest.fixture(scope="module")
def crops(photos: list[np.ndarray]) -> list[np.ndarray]:
    """Twelve photos: the two coats, cut in six ways each."""
    return [photo[y : y + 300, x : x + 300] for photo in photos for y in (0, 90, 180) for x in (0, 100)]


@pytest.fixture(scope="module")
def embedder(weights: Weights, crops: list[np.ndarray]) -> TracedNetwork:
    return trace_network(
        "efficientnet-lite0", images=crops[::2], weights=weights("efficientnet-lite0"), parameters={"size": SIZE}
    )


@pytest.fixture(scope="module")
def calibration(crops: list[np.ndarray]) -> Calibration:
    return Calibration(crops[1::2], "c" * 64)


@pytest.fixture(scope="module")
def exported(
    embedder: TracedNetwork, calibration: Calibration, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, ExportedNetwork]:
    """The embedder in every precision, from one trace."""
    folder = tmp_path_factory.mktemp("precisions")
    return {
        name: export_traced(embedder, folder / f"lite.{name}.onnx", precision=name, calibration=calibration)
        for name in PRECISIONS
    }


def operators_of(network: ExportedNetwork) -> Counter:
    return Counter(node.op_type for node in onnx.load(network.path).graph.node)


def element_types(network: ExportedNetwork, operator: str) -> set[int]:
    """The types of the weights that the nodes of this operator take."""
    graph = onnx.load(network.path).graph
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    types |= {node.output[0]: types.get(node.input[0], 0) for node in graph.node if node.op_type == "DequantizeLinear"}
    return {types[node.input[1]] for node in graph.node if node.op_type == operator}


def test_each_precision_passes_its_bounds(exported: dict[str, ExportedNetwork]) -> None:
    cosines = {name: network.parity["embedding_cosine_p1"] for name, network in exported.items()}
    assert cosines["fp32"] >= 0.999999  # measured 1.0000000
    assert 0.9999 <= cosines["fp16"] < 1  # measured 0.99998: it does compute in float16
    assert all(0.97 <= cosines[name] < 0.9999 for name in INT8)  # measured 0.994, 0.995
    assert all(exported[name].parity["nearest_unchanged"] >= 0.97 for name in INT8)


def test_each_precision_computes_as_it_says_between_float32_inputs_and_outputs(exported: dict[str, ExportedNetwork]) -> None:
    types = onnx.TensorProto
    assert element_types(exported["fp32"], "Conv") == {types.FLOAT}
    assert element_types(exported["fp16"], "Conv") == {types.FLOAT16}
    assert types.INT8 in element_types(exported["int8-cpu"], "Conv") & element_types(exported["int8-tensorrt"], "Conv")
    for network in exported.values():
        model = onnx.load(network.path)
        assert {value.type.tensor_type.elem_type for value in (*model.graph.input, *model.graph.output)} == {types.FLOAT}
        assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
        assert all(not node.domain for node in model.graph.node)


def test_int8_for_a_processor_has_zero_points_and_int8_for_tensorrt_has_none(exported: dict[str, ExportedNetwork]) -> None:
    def zero_points(name: str) -> tuple[set[int], set[int]]:
        graph = onnx.load(exported[name].path).graph
        constants = {tensor.name: tensor for tensor in graph.initializer}
        taken = [constants[node.input[2]] for node in graph.node if node.op_type == "QuantizeLinear"]
        return {tensor.data_type for tensor in taken}, {int(onnx.numpy_helper.to_array(tensor).max()) for tensor in taken}

    types = onnx.TensorProto
    assert zero_points("int8-cpu")[0] == {types.UINT8}
    assert max(zero_points("int8-cpu")[1]) > 0
    assert zero_points("int8-tensorrt") == ({types.INT8}, {0})
    integers = {tensor.data_type for tensor in onnx.load(exported["int8-tensorrt"].path).graph.initializer}
    assert types.INT32 not in integers  # no quantised bias, which TensorRT refuses
    assert exported["int8-cpu"].size < 0.4 * exported["fp32"].size  # measured 0.29


def test_the_same_export_twice_gives_the_same_bytes(
    embedder: TracedNetwork, calibration: Calibration, exported: dict[str, ExportedNetwork], tmp_path: Path
) -> None:
    for name in ("fp16", *INT8):
        again = export_traced(embedder, tmp_path / f"lite.{name}.onnx", precision=name, calibration=calibration)
        assert again.sha256 == exported[name].sha256


def test_the_json_beside_the_file_says_what_the_file_says_and_how_it_was_verified(exported: dict[str, ExportedNetwork]) -> None:
    for name, network in exported.items():
        inside = {entry.key: entry.value for entry in onnx.load(network.path).metadata_props}
        beside = json.loads(network.path.with_suffix(".json").read_text())
        assert inside["precision"] == beside["precision"] == name
        assert (beside["sha256"], beside["size"]) == (network.sha256, network.size)
        assert beside["exporter"]["onnxruntime"] == onnxruntime.__version__
        assert ("nvidia-modelopt" in beside["exporter"]) == (name == "fp16")
        assert beside["parity"]["passed"]
        assert beside["parity"]["measured"] == network.parity
        assert beside["parity"]["at_least"]["embedding_cosine_p1"] <= network.parity["embedding_cosine_p1"]
        assert beside.get("calibration") == ({"photos": 6, "sha256": "c" * 64} if name in INT8 else None)
        assert network.entry.precision == PRECISIONS[name].computes


def test_the_runtime_runs_every_precision(exported: dict[str, ExportedNetwork], embedder: TracedNetwork) -> None:
    image = embedder.inputs[0]["image"]
    for network in exported.values():
        engine = open_engine(network.path.read_bytes(), network.name, Device("cpu", "CPUExecutionProvider", 0, 1))
        engine.warm_up()
        vector = engine.run({"image": image})["embedding"].ravel()
        expected = embedder.expected[0]["embedding"].ravel()
        assert vector.dtype == np.float32
        assert vector @ expected / np.linalg.norm(vector) / np.linalg.norm(expected) >= 0.97


def test_a_fixed_batch_is_fixed_and_answers_for_every_place_of_it(
    embedder: TracedNetwork, exported: dict[str, ExportedNetwork], tmp_path: Path
) -> None:
    fixed = export_traced(embedder, tmp_path / "lite.onnx", precision="fp16", batch=3)
    session = onnxruntime.InferenceSession(fixed.path, providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == [3, 3, SIZE, SIZE]
    assert session.get_outputs()[0].shape == [3, 1280]
    assert fixed.parity["embedding_cosine_p1"] >= 0.9999
    assert fixed.facts["batch"] == "3"
    assert "batch" not in exported["fp16"].facts


@pytest.mark.large
def test_keypoints_in_fp16_pass_and_leave_places_in_float32(weights: Weights, photos: list[np.ndarray], tmp_path: Path) -> None:
    options = {"images": photos, "weights": weights("xfeat"), "keypoints": 128, "size": 256}
    network = export_network("xfeat", tmp_path / "xfeat.fp16.onnx", precision="fp16", **options)
    assert network.parity["keypoints_repeated"] >= 0.97  # measured 0.98 to 1
    graph = onnx.load(network.path).graph
    places = next(node for node in graph.node if node.op_type == "TopK").output[1]
    consumers = [node.op_type for node in graph.node if places in node.input]
    assert consumers  # places stay whole numbers: 65536 of them are more than float16 can tell apart
    assert {tensor.data_type for tensor in graph.initializer} >= {onnx.TensorProto.FLOAT16}
    assert "keypoints" in {value.name for value in graph.output}


def test_a_failure_names_the_output_its_size_and_a_node_and_writes_nothing(
    embedder: TracedNetwork, calibration: Calibration, tmp_path: Path
) -> None:
    """Calibrated on black photos, every value lies outside the steps."""
    black = Calibration([np.zeros_like(image) for image in calibration.images[:2]], "0" * 64)
    with pytest.raises(EngineError) as caught:
        export_traced(embedder, tmp_path / "lite.onnx", precision="int8-cpu", calibration=black)
    assert "output embedding (largest difference" in caught.value.message
    assert "embedding_cosine_p1 is 0." in caught.value.message
    assert "the error grows most at" in caught.value.hint
    assert not any(tmp_path.iterdir())


def test_what_the_catalogue_keeps_stays_in_float32(embedder: TracedNetwork) -> None:
    kept = nodes_kept(embedder.graph, ("_conv_stem.", "ReduceMean"))
    assert [name.split("_")[0] for name in kept] == ["Conv", "ReduceMean"]
    assert nodes_kept(embedder.graph, ()) == []


@pytest.mark.parametrize(("asked", "offered"), [("fp8", "fp"), ("int8", "int8-cpu"), ("half", "fp32, fp16, int8-cpu")])
def test_an_unknown_precision_is_refused_with_the_nearest_names(asked: str, offered: str) -> None:
    with pytest.raises(UsageError, match=f"no precision named '{asked}'") as caught:
        precision_named(asked)
    assert offered in caught.value.hint


@pytest.mark.parametrize("name", INT8)
def test_int8_needs_photos_and_a_bound(name: str, calibration: Calibration) -> None:
    with pytest.raises(UsageError, match="needs photos for calibration") as caught:
        check_precision(network_named("efficientnet-lite0"), name, "fp32", None)
    assert "--photos" in caught.value.hint
    with pytest.raises(UsageError, match="are not exported in int8, because no parity bound is defined"):
        check_precision(network_named("xfeat"), name, "fp32", calibration)


def test_a_calibration_is_told_apart_by_names_and_contents(tmp_path: Path, photos: list[np.ndarray]) -> None:
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path, photo in zip(paths, photos, strict=True):
        cv2.imwrite(str(path), photo)
    first = read_calibration(paths)
    assert len(first.images) == 2
    assert read_calibration(paths).sha256 == first.sha256
    assert read_calibration(paths[:1]).sha256 != first.sha256
    renamed = paths[0].rename(tmp_path / "c.png")
    assert read_calibration([renamed, paths[1]]).sha256 != first.sha256


def test_the_command_writes_a_file_and_a_report_for_each_precision(
    weights: Weights, crops: list[np.ndarray], tmp_path: Path
) -> None:
    weights("efficientnet-lite0")
    if not _sums_int8_exactly():
        pytest.skip("this processor has no int8 dot product: its sums saturate, and the parity bound refuses the file")
    folder = tmp_path / "photos"
    folder.mkdir()
    for index, crop in enumerate(crops):
        cv2.imwrite(str(folder / f"{index}.png"), crop[:, :, ::-1])
    out = tmp_path / "out"
    options = ["--precision", "fp32,int8-cpu", "--photos", str(folder), "--out", str(out)]
    done = CliRunner().invoke(export, ["efficientnet-lite0", *options], catch_exceptions=False)
    assert done.exit_code == 0
    names = ["efficientnet-lite0.int8-cpu.json", "efficientnet-lite0.int8-cpu.onnx", "efficientnet-lite0.json"]
    assert sorted(path.name for path in out.iterdir()) == [*names, "efficientnet-lite0.onnx"]
    assert "embedding_cosine_p1 0.9" in done.stdout
    assert "at least 0.97 asked" in done.stdout
    assert json.loads((out / names[0]).read_text())["calibration"]["photos"] == 6


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--precision", "int8-cpu"], "needs photos for calibration"),
        (["--precision", "fp61"], "no precision named 'fp61'"),
        (["--batch", "many"], "--batch is 'many'"),
    ],
)
def test_an_impossible_command_is_refused_before_any_work(options: list[str], said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        CliRunner().invoke(export, ["efficientnet-lite0", *options, "--out", str(tmp_path / "out")], catch_exceptions=False)
    assert said in caught.value.message
    assert not (tmp_path / "out").exists()


def test_too_few_photos_for_int8_are_refused(photos: list[np.ndarray], tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "one.png"), photos[0])
    arguments = ["efficientnet-lite0", "--precision", "int8-cpu", "--photos", str(tmp_path), "--out", str(tmp_path / "out")]
    with pytest.raises(UsageError, match="holds 1 photos, too few"):
        CliRunner().invoke(export, arguments, catch_exceptions=False)


def test_without_modelopt_fp16_says_what_to_install(
    embedder: TracedNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "modelopt.onnx.autocast", None)  # as if it were not there
    with pytest.raises(UsageError, match="fp16 needs NVIDIA ModelOpt") as caught:
        export_traced(embedder, tmp_path / "lite.onnx", precision="fp16")
    assert ".[export]" in caught.value.hint


def test_without_torch_the_command_says_what_to_install(tmp_path: Path, weights: Weights) -> None:
    weights("efficientnet-lite0")
    code = "import sys; sys.modules['torch'] = None; from reid_edge.cli import main; main()"
    arguments = ["export", "efficientnet-lite0", "--precision", "fp16", "--out", str(tmp_path / "out")]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "torch" in done.stderr
    assert "not installed" in done.stderr
    assert "pip install '.[export]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_neither_of_two_files_and_keeps_the_old_ones(tmp_path: Path) -> None:
    small, large = tmp_path / "net.json", tmp_path / "net.onnx"
    write_whole({small: b"old facts", large: b"old graph"})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(StorageError, match=r"net\.onnx"):
            write_whole({small: b"new facts", large: bytes(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (small.read_bytes(), large.read_bytes()) == (b"old facts", b"old graph")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.json", "net.onnx"]


def test_a_place_that_is_taken_by_a_folder_leaves_the_other_file_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").mkdir()
    (tmp_path / "net.json").write_text("old facts")
    with pytest.raises(StorageError):
        write_whole({tmp_path / "net.json": b"new facts", tmp_path / "net.onnx": b"graph"})
    assert (tmp_path / "net.json").read_text() == "old facts"


def _sums_int8_exactly() -> bool:
    """VNNI or AMX of x86, the dot product of Arm: without them ONNX Runtime sums products of int8 in 16 bits."""
    flags = set(Path("/proc/cpuinfo").read_text().split()) if Path("/proc/cpuinfo").exists() else set()
    return bool(flags & {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp"})
