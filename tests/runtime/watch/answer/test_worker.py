"""Photos that the daemon dies of, and engines that fail: processes with packs whose networks are slow, or fail."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reid_edge.watch.ledger.ledger import Ledger

Finished = subprocess.CompletedProcess[str]


@pytest.fixture
def changed_pack(light, tmp_path: Path) -> Callable[..., Path]:
    """changed_pack(nodes, constants): the light pack with these ONNX nodes between its embedding, called `first` here, and the output."""
    import onnx

    from reid_edge.pack import NewFile, open_pack, write_pack

    def make(nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto]) -> Path:
        opened = open_pack(light.pack)
        files = {file.path: opened.read_bytes(file.path) for file in opened.manifest.files}
        model = onnx.load_model_from_string(files["colours.onnx"])
        for node in model.graph.node:
            for number, name in enumerate(node.output):
                node.output[number] = name.replace("embedding", "first")
        model.graph.node.extend(nodes)
        model.graph.initializer.extend(constants)
        onnx.checker.check_model(model)
        files["colours.onnx"] = model.SerializeToString()
        write_pack(
            tmp_path / "changed", opened.manifest, [NewFile(path, data, "Apache-2.0", "test") for path, data in files.items()]
        )
        return tmp_path / "changed"

    return make


@pytest.fixture
def slow_pack(changed_pack: Callable[..., Path]) -> Path:
    """Its embedding takes about a second: 10 products of two 1500 x 1500 matrices, 67 GFLOP."""
    import numpy as np
    from onnx import helper, numpy_helper

    nodes = [
        helper.make_node("ReduceMean", ["first"], ["mean"], keepdims=0),
        helper.make_node("Expand", ["mean", "shape"], ["product0"]),
        *(helper.make_node("MatMul", [f"product{n}", "product0"], [f"product{n + 1}"]) for n in range(10)),
        helper.make_node("ReduceMean", ["product10"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "zero"], ["nothing"]),
        helper.make_node("Add", ["first", "nothing"], ["embedding"]),
    ]
    constants = [
        numpy_helper.from_array(np.array([1500, 1500], np.int64), "shape"),
        numpy_helper.from_array(np.array(0, np.float32), "zero"),
    ]
    return changed_pack(nodes, constants)


@pytest.fixture
def failing_pack(changed_pack: Callable[..., Path]) -> Path:
    """Its embedding asks for what lies outside of a tensor, which ONNX Runtime finds out when it runs."""
    import numpy as np
    from onnx import helper, numpy_helper

    nodes = [
        helper.make_node("Shape", ["image"], ["shape"]),
        helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0),
        helper.make_node("Cast", ["mean"], ["whole"], to=7),
        helper.make_node("Add", ["whole", "thousand"], ["outside"]),
        helper.make_node("Gather", ["shape", "outside"], ["found"]),
        helper.make_node("Cast", ["found"], ["number"], to=1),
        helper.make_node("Add", ["first", "number"], ["embedding"]),
    ]
    return changed_pack(nodes, [numpy_helper.from_array(np.array(1000, np.int64), "thousand")])


def test_a_photo_that_the_daemon_dies_of_three_times_goes_to_quarantine_and_the_others_are_answered(
    tmp_path: Path,
    photo: Callable[..., bytes],
    slow_pack: Path,
    start: Callable[..., subprocess.Popen[str]],
    watch_once: Callable[..., Finished],
    run_main: Callable[..., Finished],
    wait_until: Callable[..., None],
) -> None:
    root, out, gallery = tmp_path / "photos", tmp_path / "out", tmp_path / "gallery.sqlite"
    run_main("gallery", "init", "--gallery", gallery)
    root.mkdir()
    (root / "0.jpg").write_bytes(photo(0, "Amani", 0))
    for number in (1, 2):
        (root / f"{number}.jpg").write_bytes(photo(number, None, 1000 * number))
    for death in range(3):
        process = start(root, out, "--gallery", gallery, "--pack", slow_pack, "--device", "cpu")
        # What it left is read before its run is noted.
        wait_until(out, lambda ledger, runs=death + 1: len(ledger.runs()) == runs)
        _at_work_on(out, b"0.jpg")
        process.kill()
        process.wait()
        with Ledger.read(out / "ledger.sqlite") as ledger:
            assert [file.tries for file in ledger.files() if file.path.endswith(b"0.jpg")] == [death]
    done = watch_once(root, out, "--gallery", gallery, "--pack", slow_pack, "--device", "cpu")
    assert done.returncode == 1, done.stderr
    assert "0.jpg: in quarantine. The daemon died while it answered this photo." in done.stderr
    with Ledger.read(out / "ledger.sqlite") as ledger:
        assert (ledger.counts().decided, ledger.counts().quarantined, ledger.counts().waiting) == (2, 1, 0)


def _at_work_on(out: Path, name: bytes) -> None:
    """Return as soon as the daemon has noted that it answers this file."""
    until = time.monotonic() + 300
    while time.monotonic() < until:
        noted = (out / "under-work").read_bytes().split() if (out / "under-work").exists() else []
        if len(noted) > 1 and noted[1] != b"-":
            with Ledger.read(out / "ledger.sqlite") as ledger:
                (path,) = [file.path for file in ledger.files() if file.id == int(noted[1])]
            if os.path.basename(path) == name:  # noqa: PTH119 (file names are bytes)
                return
        time.sleep(0.01)
    raise AssertionError("it was never answered")


def test_a_stop_in_the_middle_of_a_photo_is_no_death_of_it(
    tmp_path: Path, photo: Callable[..., bytes], slow_pack: Path, start: Callable[..., subprocess.Popen[str]], run_main
) -> None:
    root, out, gallery = tmp_path / "photos", tmp_path / "out", tmp_path / "gallery.sqlite"
    run_main("gallery", "init", "--gallery", gallery)
    root.mkdir()
    (root / "0.jpg").write_bytes(photo(0, "Amani", 0))
    process = start(root, out, "--gallery", gallery, "--pack", slow_pack, "--device", "cpu")
    _at_work_on(out, b"0.jpg")
    process.terminate()
    assert process.wait(timeout=300) == 0
    assert (out / "under-work").read_bytes().split()[1:] == [b"-"]


def test_once_gives_up_an_engine_that_keeps_failing_and_what_is_not_answered_waits(
    tmp_path: Path, photo: Callable[..., bytes], failing_pack: Path, watch_once: Callable[..., Finished], run_main
) -> None:
    root, out, gallery = tmp_path / "photos", tmp_path / "out", tmp_path / "gallery.sqlite"
    run_main("gallery", "init", "--gallery", gallery)
    root.mkdir()
    (root / "empty.jpg").write_bytes(photo(0, None, 0))
    for number in range(1, 9):
        (root / f"{number}.jpg").write_bytes(photo(number, "Amani", 1000 * number))
    done = watch_once(root, out, "--gallery", gallery, "--pack", failing_pack)
    assert done.returncode == 3, done.stderr
    assert "The engine failed 6 times in a row" in done.stderr
    assert "8 photos not answered wait in" in done.stderr
    with Ledger.read(out / "ledger.sqlite") as ledger:
        assert (ledger.counts().decided, ledger.counts().quarantined, ledger.counts().waiting) == (1, 0, 8)
