"""LightGlue through the export: trained, and random with its stamp."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reid_edge.errors import EngineError, UsageError
from reid_edge.pack.onnx_file import read_onnx
from reid_edge_export import catalogue
from reid_edge_export.catalogue import network_named
from reid_edge_export.export import export_network
from reid_edge_export.parity import compare, judge

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

Weights = Callable[[str], Path]


@pytest.mark.large
def test_the_trained_matcher_of_aliked_is_exported(weights: Weights, photos: list[np.ndarray], tmp_path: Path) -> None:
    weights("aliked-n16")
    file = weights("lightglue-aliked")
    exported = export_network("lightglue-aliked", tmp_path / "matcher.onnx", images=photos[:1], weights=file, storage="fp16")
    assert exported.parity["matches"] > 50
    assert exported.size < 21_000_000  # 20.5 MB, half of what float32 takes
    assert exported.entry.weights == "trained"
    assert not read_onnx(exported.path.read_bytes(), "matcher.onnx").stamped_random


def test_a_matcher_with_random_weights_is_exported_and_stamped(
    photos: list[np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one layer of the nine, because tracing sees the same nine times."""
    name, out = "lightglue-sift", tmp_path / "matcher.onnx"
    network = network_named(name)
    monkeypatch.setitem(catalogue.CATALOGUE, name, replace(network, layout={**network.layout, "layers": 1}))
    exported = export_network(name, out, images=photos[:1], random=True, storage="fp16")
    assert exported.parity["matches"] > 100
    assert exported.entry.weights == "random"
    assert "random weights" in exported.origin
    assert read_onnx(out.read_bytes(), "matcher.onnx").stamped_random


def test_weights_that_are_in_no_package_are_asked_for_by_their_address(photos: list[np.ndarray], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"superpoint_lightglue\.pth") as caught:
        export_network("lightglue-superpoint", tmp_path / "matcher.onnx", images=photos, accept_terms=True)
    assert "https://github.com/cvg/LightGlue/" in caught.value.hint
    assert "--weights" in caught.value.hint
    assert not any(tmp_path.iterdir())


def test_a_comparison_without_one_match_does_not_pass() -> None:
    nothing = [{"matches0": np.full((1, 9), -1), "scores0": np.zeros((1, 9), np.float32)}]
    with pytest.raises(EngineError, match="matches_common is 0"):
        judge("net", "matching", "fp16", compare("matching", nothing, nothing))
