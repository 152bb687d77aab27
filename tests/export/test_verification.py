"""Verifying a network exports it for real, in a process of its own, and keeps what was found, a failure too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reid_edge.errors import UsageError
from reid_edge_export.catalogue import CATALOGUE
from reid_edge_export.networks_page import page
from reid_edge_export.verification import TensorRtBuild, VerificationFinding, in_words, read_findings, verify, write_findings

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")


def find(name: str, photos: list[np.ndarray], weights: Path | None) -> tuple[VerificationFinding, list[str]]:
    said: list[str] = []
    (found,) = verify(name, ["fp32"], photos, None, weights, False, said.append)
    return found, said


def test_a_network_is_exported_compared_and_built_and_leaves_no_file(
    weights: Callable[[str], Path], photos: list[np.ndarray], tmp_path: Path
) -> None:
    weights("lighterglue")
    found, said = find("xfeat", photos[:1], None)
    assert (found.precision, found.weights, found.refused) == ("fp32", "trained", "")
    assert found.measured["keypoints_repeated"] >= found.at_least["keypoints_repeated"]
    assert found.size > 2_000_000
    assert all(build.size > 0 for build in found.tensorrt.values())
    assert said == ["xfeat fp32: passed"]


def test_weights_of_another_network_are_a_finding_and_not_the_end(
    weights: Callable[[str], Path], photos: list[np.ndarray], tmp_path: Path
) -> None:
    (tmp_path / "xfeat").write_bytes(weights("lighterglue").read_bytes())
    found, said = find("xfeat", photos[:1], tmp_path)
    assert "does not fit the network" in found.refused
    assert found.size == 0
    assert len(said) == 1


def test_an_unknown_network_is_refused_before_anything_is_exported(photos: list[np.ndarray]) -> None:
    with pytest.raises(UsageError, match="xfaet"):
        find("xfaet", photos, None)


def test_findings_are_kept_and_newer_ones_take_the_place_of_older(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    built = {"SM86": TensorRtBuild(1.5, 1000, "")}
    first = VerificationFinding("xfeat", "fp32", "trained", 10, 2.0, {"same": 0.9}, {"same": 0.95}, "", built)
    other = VerificationFinding("xfeat", "fp16", "trained", refused="below its bound")
    write_findings(path, [other, first])
    write_findings(path, [VerificationFinding("xfeat", "fp16", "trained", 5)])
    assert read_findings(path) == [VerificationFinding("xfeat", "fp16", "trained", 5), first]
    path.write_text('[{"other": 1}]')
    with pytest.raises(UsageError):
        write_findings(path, [first])


def test_in_words_it_says_what_passed_with_which_weights_and_what_was_refused() -> None:
    built = {"SM86": TensorRtBuild(1.0, 1, ""), "SM120": TensorRtBuild(refused="no")}
    found = [
        VerificationFinding("a", "fp32", "random", 1, tensorrt=built),
        VerificationFinding("a", "fp16", "random", refused="below"),
    ]
    assert in_words(found) == "fp32 (random weights); TensorRT-RTX SM86; refused: fp16"
    assert in_words([]) == "not yet"


def test_every_network_of_the_catalogue_was_verified_and_the_page_says_so() -> None:
    passed = {finding.network for finding in read_findings() if finding.precision == "fp32" and not finding.refused}
    assert passed == set(CATALOGUE)
    text = (Path(__file__).parents[2] / "docs" / "networks.md").read_text("utf-8")
    assert text == page(), "python -m reid_edge_export.networks_page > docs/networks.md"
