"""`reid-edge doctor` says what runs here, and what to install where something does not."""

from __future__ import annotations

import json
import os

import pytest

from reid_edge.engines.selection import DEVICE_NAMES


def test_it_names_libraries_the_pack_and_every_device(run_cli, field_pack):
    done = run_cli("doctor", "--json", REID_EDGE_THREADS="3")
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert said["machine"]["threads"] == 3
    assert {"reid-edge", "numpy", "sqlite"} <= said["libraries"].keys()
    assert (said["pack"]["ok"], said["pack"]["sha256"]) == (True, field_pack.sha256)
    assert [device["name"] for device in said["devices"]] == list(DEVICE_NAMES[1:])
    for device in said["devices"]:
        assert "self-test passed" in device["says"] if device["ok"] else device["hint"]
    assert next(device["ok"] for device in said["devices"] if device["name"] == "cpu")


def test_people_get_a_line_for_each_with_yes_or_no(run_main):
    done = run_main("doctor")
    assert done.returncode == 0
    assert "\nyes pack field " in done.stdout
    assert "\nyes cpu  " in done.stdout
    assert "\x1b" not in done.stdout


def test_without_a_sound_pack_it_exits_3_and_still_tells_the_rest(run_main):
    done = run_main("doctor", "--pack", "feild")
    assert done.returncode == 3
    assert "no  pack feild" in done.stdout
    assert "There is no pack 'feild'" in done.stdout
    assert "Python" in done.stdout


@pytest.mark.parametrize("other", ["onnxruntime-gpu", "onnxruntime-openvino"])
def test_two_builds_of_onnx_runtime_are_reported_with_the_two_commands_that_cure_it(run_cli, environment, tmp_path, other):
    for name in ("onnxruntime", other):
        folder = tmp_path / "installed" / f"{name.replace('-', '_')}-1.20.0.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.20.0\n")
    path = os.pathsep.join([str(tmp_path / "installed"), environment.get("PYTHONPATH", "")])
    (note,) = json.loads(run_cli("doctor", "--json", "--pack", "none", PYTHONPATH=path).stdout)["notes"]
    assert f"pip uninstall -y {other} onnxruntime" in note
    assert f"pip install {other}" in note
    assert note in run_cli("doctor", "--pack", "none", PYTHONPATH=path).stdout
