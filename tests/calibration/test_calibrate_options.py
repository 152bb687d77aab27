"""`reid-edge calibrate --allow-random` and `--calibration NAME=METADATA`, on photos of a pack whose networks take no time."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import helper

import reid_edge
from reid_edge.cli import cli
from reid_edge.errors import PackError, UsageError
from reid_edge.identify.identifier import CALIBRATION
from reid_edge.pack import NewFile, open_pack, write_pack
from reid_edge_benchmarks.reliability.light_pack import make_light_pack

ANIMALS = Path(reid_edge.__file__).parent / "samples" / "gallery"
FUSION = {
    "fuse": [
        {"name": "first", "groups": [{"scores": ["colours"], "weight": 1.0}]},
        {"name": "second", "groups": [{"scores": ["colours"], "weight": 1.0, "calibration": "second"}]},
    ],
    "step": [{"do": "agree", "source": "second", "weights": [0.5, 0.5], "boost": 1.0, "differ": "higher", "differ_boost": 1.0}],
    "decide": {},
}


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack of two calibrations, and the same with its embedder stamped as random."""
    folder = tmp_path_factory.mktemp("packs")
    light = open_pack(make_light_pack(folder / "light"))
    manifest = replace(light.manifest, recipe={**light.manifest.recipe, **FUSION}, files=())
    contents = {name: light.read_bytes(f"{name}.onnx") for name in ("bright", "colours")}
    stamped = onnx.load_from_string(contents["colours"])
    helper.set_model_props(stamped, {"weights": "random"})
    random = replace(manifest, networks={**manifest.networks, "colours": replace(manifest.networks["colours"], weights="random")})
    for name, each, colours in (("two", manifest, contents["colours"]), ("random", random, stamped.SerializeToString())):
        files = [NewFile(f"{n}.onnx", c, "Apache-2.0", "test") for n, c in {**contents, "colours": colours}.items()]
        write_pack(folder / name, each, files, allow_random=name == "random")
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample animals, each photo also cut a little narrower, so that there are pairs enough to calibrate on."""
    place = tmp_path_factory.mktemp("photos")
    for photo in sorted(ANIMALS.rglob("*.jpg")):
        whole = cv2.imread(str(photo))
        assert whole is not None
        for cut in (0, 4, 8):
            out = place / photo.parent.name / f"{photo.stem}-{cut}.jpg"
            out.parent.mkdir(exist_ok=True)
            cv2.imwrite(str(out), whole[cut : len(whole) - cut])
    return place


def calibrate(pack: Path, photos: Path, out: Path, *more: str) -> Result:
    options = ["--split", "photo", "--keep-leaks", "--pack", pack, "--out", out, "--device", "cpu", "--threads", "1"]
    return CliRunner().invoke(cli, [*map(str, ["calibrate", photos, *options, *more])], standalone_mode=False)


def test_each_named_calibration_is_fitted_on_labels_of_its_own(packs: Path, photos: Path, tmp_path: Path) -> None:
    some = tmp_path / "some"
    for name in ("Asha", "Baraka", "Chipo", "Duma", "Enzi"):
        shutil.copytree(photos / name, some / name)
    done = calibrate(packs / "two", photos, tmp_path / "out", "--calibration", f"second={some}")
    assert done.exception is None, done.output
    generic = json.loads((tmp_path / "out" / CALIBRATION).read_text("utf-8"))["generic"]
    assert generic["further"]["second"]["colours"] != generic["calibrators"]["colours"]


@pytest.mark.parametrize(("option", "reason"), [("third=X", "asks for no calibration 'third'"), ("second", "NAME=METADATA")])
def test_a_calibration_that_the_recipe_does_not_ask_for_is_refused(
    option: str, reason: str, packs: Path, photos: Path, tmp_path: Path
) -> None:
    done = calibrate(packs / "two", photos, tmp_path / "out", "--calibration", option.replace("X", str(photos)))
    assert isinstance(done.exception, UsageError)
    assert reason in f"{done.exception.message} {done.exception.hint}"


def test_random_weights_are_calibrated_only_where_they_are_accepted(packs: Path, photos: Path, tmp_path: Path) -> None:
    refused = calibrate(packs / "random", photos, tmp_path / "out")
    assert isinstance(refused.exception, PackError)
    assert "--allow-random" in refused.exception.hint
    done = calibrate(packs / "random", photos, tmp_path / "out", "--allow-random")
    assert done.exception is None, done.output
    assert "note: Random weights (colours)" in done.output
    assert open_pack(tmp_path / "out", allow_random=True).manifest.random_networks
