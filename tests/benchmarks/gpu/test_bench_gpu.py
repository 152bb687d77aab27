"""`bench gpu` runs every part on the CPU at a small size; what a GPU would add runs on fakes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from reid_edge.engines.contract import OutOfMemoryError, TensorSpec
from reid_edge.errors import EngineError
from reid_edge_benchmarks.cli import bench
from reid_edge_benchmarks.gpu import command
from reid_edge_benchmarks.gpu.arithmetic import lightglue_operations
from reid_edge_benchmarks.gpu.command import GpuRequest, measure_gpu
from reid_edge_benchmarks.gpu.rates import measure_rates, pair_inputs
from reid_edge_benchmarks.gpu.sides import MatcherCase, torch_sides
from reid_edge_benchmarks.gpu.tables import gpu_text
from reid_edge_benchmarks.report.sections import section
from reid_edge_benchmarks.results import read_results

SPECS = tuple(
    TensorSpec(f"{name}{side}", "float32", ("batch", f"points{side}", *rest))
    for side in (0, 1)
    for name, rest in (("keypoints", (2,)), ("descriptors", (32,)), ("valid", ()))
)
CASE = MatcherCase("tiny", {}, 16, 1, 32, {"layers": 1, "width": 32, "heads": 1, "descriptor": 32, "position": 2})
FAR = float("inf")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small version on the CPU, as a person runs it."""
    folder = tmp_path_factory.mktemp("gpu")
    done = CliRunner().invoke(
        bench, ["gpu", "--small", "--keep", str(folder / "keep"), "--json", str(folder / "gpu.json")], standalone_mode=False
    )
    assert done.exception is None, done.exception
    (folder / "said.txt").write_text(done.stdout)
    return folder


def test_the_small_version_runs_every_part_on_the_cpu(measured: Path) -> None:
    parts = read_results(measured / "gpu.json")["parts"]
    assert {part["state"] for part in parts.values()} == {"done"}, parts
    assert {title.partition(" on ")[0] for title in parts if " of field on " in title} == {
        f"{name} of field" for name in ("u2netp", "xfeat", "efficientnet-lite0", "lighterglue")
    }
    assert sum("pairs_a_second" in part for part in parts.values()) == 1
    (photo,) = (part for part in parts.values() if "median_ms" in part)
    assert "xfeat-lighterglue" in photo["stages_ms"]
    assert photo["peak_bytes"] > 1e8


def test_its_figures_are_a_section_of_the_page(measured: Path) -> None:
    result = read_results(measured / "gpu.json")
    text = section("gpu", {"gpu": result})
    assert "lighterglue of field" in text
    assert "large matrix product" in text
    assert gpu_text(result) in (measured / "said.txt").read_text()


def test_a_part_that_fails_is_reported_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[list[str]] = []

    def fail() -> dict[str, float]:
        raise EngineError("CUDA fails: no kernel image.")

    parts = {"first": dict, "second": fail, "third": lambda: {"apart": 0.1, "milliseconds": 1.0, "open_seconds": 2.0}}
    monkeypatch.setattr(command, "_parts", lambda *given: parts)
    request = GpuRequest(("field",), tmp_path)
    figures = measure_gpu(request, lambda items, *_: items, lambda line: None, lambda so_far: saved.append(list(so_far["parts"])))
    assert [part["state"] for part in figures["parts"].values()] == ["done", "failed", "done"]
    assert saved == [["first"], ["first", "second"], ["first", "second", "third"]]
    assert "- second: failed, CUDA fails: no kernel image." in gpu_text(figures)
    assert json.dumps(figures)


def test_when_the_time_is_over_what_is_left_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_parts", lambda *given: {"first": dict})
    request = GpuRequest(("field",), tmp_path, minutes=-1)
    figures = measure_gpu(request, lambda items, *_: items, lambda line: None, lambda so_far: None)
    assert figures["parts"]["first"]["state"] == "skipped"


def test_pytorch_is_a_side_that_answers() -> None:
    pytest.importorskip("torch")
    (opening,) = torch_sides(CASE, gpu=False).values()
    matches, scores = opening()(pair_inputs(SPECS, 3, 16))
    assert matches.shape == scores.shape == (3, 16)
    figures = measure_rates(CASE, opening, (1, 2), SPECS, FAR)
    assert set(figures["pairs_a_second"]) == {"1", "2"}
    assert figures["operations_a_second"] > 0


def test_a_side_stops_at_the_batch_that_memory_does_not_suffice_for() -> None:
    def run(inputs: dict[str, np.ndarray]) -> None:
        if len(inputs["valid0"]) > 4:
            raise OutOfMemoryError("none left")

    figures = measure_rates(CASE, lambda: run, (1, 4, 16, 64), SPECS, FAR)
    assert (list(figures["pairs_a_second"]), figures["stopped"]) == (["1", "4"], "no memory for 16 pairs")


def test_a_pair_of_lightglue_takes_about_the_operations_of_its_products() -> None:
    # LightGlue, 512 keypoints: 2 images x 9 layers x (5 + 12) products of 512 x 256 x 256, and 8 of 512 x 512 x 256.
    assert lightglue_operations(512, 9, 256) == 2 * 9 * (2 * 17 * 512 * 256**2 + 2 * 4 * 512**2 * 256)
