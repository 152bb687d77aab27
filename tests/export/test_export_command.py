"""`reid-edge export` as a user types it: what it writes, what it lists, and how it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from reid_edge.errors import ReidEdgeError
from reid_edge_export.catalogue import CATALOGUE
from reid_edge_export.cli import export

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")


@pytest.fixture
def folder(photos: list[np.ndarray], tmp_path: Path) -> Path:
    """A folder with a photo."""
    path = tmp_path / "photos"
    path.mkdir()
    cv2.imwrite(str(path / "coat.png"), photos[0][..., ::-1])
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(export, [str(argument) for argument in arguments])


def refused(*arguments: object) -> ReidEdgeError:
    error = run(*arguments).exception
    assert isinstance(error, ReidEdgeError), error
    assert error.hint
    return error


def test_a_network_is_written_with_its_report_beside_it(weights: Callable[[str], Path], folder: Path, tmp_path: Path) -> None:
    done = run("xfeat", "--weights", weights("xfeat"), "--set", "keypoints=64", "--photos", folder, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "keypoints_repeated 1, at least 0.97 asked" in done.stdout
    report = json.loads((tmp_path / "out" / "xfeat.json").read_text())
    assert report["parameters"]["keypoints"] == 64
    assert report["parity"]["passed"]
    assert (tmp_path / "out" / "xfeat.onnx").stat().st_size == report["size"]


def test_the_list_tells_everything_of_every_network() -> None:
    done = run("--list")
    assert done.exit_code == 0
    for name in CATALOGUE:
        assert f"{name}  (" in done.stdout
    assert done.stdout.count("    verified  ") == len(CATALOGUE)
    assert "AGPL-3.0" in done.stdout
    assert "timm:NAME" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["xfaet", "--out", "OUT"], "xfaet"),
        (["xfeat"], "output folder is missing"),
        ([], "Nothing to export"),
        (["xfeat", "lighterglue", "--weights", "a.pt", "--out", "OUT"], "--weights is for one network"),
        (["xfeat", "lighterglue", "--set", "size=64", "--out", "OUT"], "--set is for one network"),
        (["xfeat", "--set", "keypoints", "--out", "OUT"], "--set is 'keypoints'"),
        (["xfeat", "--set", "keypoint=3", "--random", "--out", "OUT"], "no parameter 'keypoint'"),
        (["xfeat", "--precision", "fp61", "--out", "OUT"], "fp61"),
        (["efficientnet-lite0", "--precision", "int8-cpu", "--out", "OUT"], "photos for calibration"),
        (["efficientnet-lite0", "--precision", "int8-cpu", "--photos", "PHOTOS", "--out", "OUT"], "too few to calibrate"),
        (["xfeat", "--precision", "int8-cpu", "--photos", "PHOTOS", "--out", "OUT"], "photos"),
        (["xfeat", "--weights", "absent.pt", "--photos", "PHOTOS", "--out", "OUT"], "cannot be read"),
        (["xfeat", "--weights", "hub:nobody", "--photos", "PHOTOS", "--out", "OUT"], "not an address on the hub"),
        (["superpoint", "--photos", "PHOTOS", "--out", "OUT"], "noncommercial"),
        (["resnet50-arcface", "--photos", "PHOTOS", "--out", "OUT"], "No weights of this network are published"),
        (["--recipe", "field", "--storage", "fp16", "--out", "OUT"], "--storage does not go with --recipe"),
        (["--recipe", "field", "--precision", "fp16", "--out", "OUT"], "--precision does not go with --recipe"),
        (["--recipe", "field", "--weights", "absent", "--out", "OUT"], "no folder absent"),
        (["--verify", "xfeat", "--batch", "2", "--out", "OUT"], "--batch does not go with --verify"),
        (["--verify", "xfeat", "--weights", "absent", "--out", "found.json"], "no folder absent"),
        (["--verify", "xfeat", "--out", "OUT"], "FILE.json"),
    ],
)
def test_what_cannot_be_done_is_refused_and_leaves_nothing(arguments: list[str], said: str, folder: Path, tmp_path: Path) -> None:
    places = {"OUT": str(tmp_path / "out"), "PHOTOS": str(folder)}
    error = refused(*[places.get(argument, argument) for argument in arguments])
    assert said in f"{error.message} {error.hint}"
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())
