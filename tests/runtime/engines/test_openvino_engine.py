"""OpenVINO runs every network of the bundled pack as ONNX Runtime does, keeps what it compiled, and is `auto` where it is faster."""

from __future__ import annotations

import json
import platform

import numpy as np
import pytest
from click.testing import CliRunner

from reid_edge.cli.doctor import doctor
from reid_edge.engines import Device, open_engine, openvino_engine, select_device, selection
from reid_edge.engines.engine_cache import EngineCache
from reid_edge.engines.networks import Networks
from reid_edge.engines.openvino_engine import is_preferred, open_openvino
from reid_edge.engines.self_test import canonical_inputs, compare_answers
from reid_edge.errors import EngineError
from reid_edge.recipe import parse_recipe

pytest.importorskip("openvino")

CPU, OPENVINO = Device("cpu", "CPUExecutionProvider", 0, 1), Device("openvino", "OpenVINO", 0, 1)
# The largest differences of values, relative to the largest value, as measured with OpenVINO 2026.4, times ten or more; sets are equal.
LARGEST_DIFFERENCES = {"u2netp": 1e-3, "efficientnet-lite0": 1e-4, "xfeat": 0.01, "lighterglue": 0.01}


@pytest.fixture(scope="session")
def openvino_folder(tmp_path_factory):
    """What OpenVINO compiled of the bundled pack; for reading."""
    return tmp_path_factory.mktemp("openvino") / "engines"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("REID_EDGE_ENGINES", str(tmp_path / "engines"))
    return tmp_path / "engines"


@pytest.fixture
def on_x86():
    if platform.machine().lower() not in ("x86_64", "amd64"):
        pytest.skip("auto takes OpenVINO on x86 only")


def record(folder, **facts) -> None:
    """Change what the one engine of the folder is recorded with."""
    (path,) = folder.glob("*.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))


@pytest.mark.parametrize("name", LARGEST_DIFFERENCES)
def test_every_network_of_the_bundled_pack_answers_as_in_onnx_runtime(name, models, ranges, openvino_folder):
    engine, cached = open_openvino(models[name], name, ranges[name], 1, EngineCache(openvino_folder))
    assert cached.fresh
    assert cached.self_test <= LARGEST_DIFFERENCES[name]
    assert engine.provenance.library.startswith("openvino ")
    assert engine.provenance.device == "openvino"
    reference = open_engine(models[name], name, CPU)
    assert (engine.inputs, engine.outputs) == (reference.inputs, reference.outputs)


@pytest.mark.parametrize("points", [(1, 3), (200, 90)])
def test_a_matcher_takes_any_number_of_keypoints(points, models, ranges, openvino_folder):
    engine, _ = open_openvino(models["lighterglue"], "lighterglue", ranges["lighterglue"], 1, EngineCache(openvino_folder))
    inputs = canonical_inputs(engine.inputs, lambda spec, axis: points[int(spec.name[-1])] if axis == 1 else 1)
    compare_answers(open_engine(models["lighterglue"], "lighterglue", CPU).run(inputs), engine.run(inputs), "OpenVINO")


def test_an_extractor_takes_photos_of_any_shape_and_its_answers_stay_when_it_runs_again(models, ranges, openvino_folder):
    engine, _ = open_openvino(models["xfeat"], "xfeat", ranges["xfeat"], 1, EngineCache(openvino_folder))
    reference = open_engine(models["xfeat"], "xfeat", CPU)
    answers = []
    for height, width in ((96, 160), (160, 96)):
        inputs = canonical_inputs(engine.inputs, lambda spec, axis, sides=(1, 1, height, width): sides[axis])
        answers.append((reference.run(inputs), engine.run(inputs)))
    for expected, actual in answers:
        compare_answers(expected, actual, "OpenVINO")


def test_an_input_that_does_not_fit_is_refused(tiny, folder):
    engine, _ = open_openvino(tiny, "tiny", {}, 1)
    engine.warm_up()
    with pytest.raises(EngineError, match=r"x of the network tiny is float32 \['batch', 8, 8\]"):
        engine.run({"x": np.zeros((1, 8, 9), np.float32)})


def test_what_is_compiled_is_kept_with_its_self_test(tiny, folder):
    _, first = open_openvino(tiny, "tiny", {}, 1)
    engine, second = open_openvino(tiny, "tiny", {}, 2)
    assert (first.fresh, second.fresh) == (True, False)
    assert second.self_test == first.self_test == pytest.approx(0, abs=1e-5)
    assert engine.provenance.threads == 2
    assert len(list(folder.glob("*.engine"))) == 1


@pytest.mark.parametrize("damage", ["cut off", "no record", "a file in the folder's place"])
def test_a_cache_that_is_damaged_or_cannot_be_written_is_no_error(tiny, folder, damage):
    if damage == "a file in the folder's place":
        folder.write_text("")
    else:
        open_openvino(tiny, "tiny", {}, 1)
        (engine,), (written,) = folder.glob("*.engine"), folder.glob("*.json")
        engine.write_bytes(engine.read_bytes()[:100]) if damage == "cut off" else written.unlink()
    engine, cached = open_openvino(tiny, "tiny", {}, 1)
    assert cached.fresh
    inputs = canonical_inputs(engine.inputs, lambda *_: 2)
    compare_answers(open_engine(tiny, "tiny", CPU).run(inputs), engine.run(inputs), "OpenVINO")


def test_a_network_that_answers_wrongly_is_not_opened(tiny, network, folder, monkeypatch):
    monkeypatch.setattr(openvino_engine, "_reference", lambda *_: open_engine(network("Tanh"), "other", CPU))
    with pytest.raises(EngineError, match="OpenVINO with the network tiny answers differently"):
        open_openvino(tiny, "tiny", {}, 1)
    assert not is_preferred([(tiny, {})], 1)
    monkeypatch.undo()
    monkeypatch.setenv("REID_EDGE_ENGINES", str(folder))
    assert not is_preferred([(tiny, {})], 1)  # noted, and not tried again


def test_bytes_that_are_no_network_are_refused(folder):
    with pytest.raises(EngineError, match="cannot load the network broken"):
        open_openvino(b"no network", "broken", {}, 1)


@pytest.mark.parametrize(("seconds", "self_test", "taken"), [((0.8, 1), 0, True), ((0.95, 1), 0, False), ((0.8, 1), None, False)])
def test_auto_takes_it_where_its_networks_are_faster_and_right(tiny, folder, on_x86, capsys, seconds, self_test, taken):
    is_preferred([(tiny, {})], 1)
    assert "trying whether OpenVINO is faster" in capsys.readouterr().err
    record(folder, cpu_seconds=seconds, self_test=self_test)
    chosen = select_device("auto", tiny, 1, lambda gpu: [(tiny, {})])
    assert chosen == (OPENVINO if taken else CPU)
    assert capsys.readouterr().err == ""


def test_auto_takes_the_cpu_where_nothing_can_be_kept_or_the_processor_is_another(tiny, folder, monkeypatch):
    folder.write_text("")
    assert select_device("auto", tiny, 1, lambda gpu: [(tiny, {})]) == CPU
    folder.unlink()
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert select_device("auto", tiny, 1, lambda gpu: [(tiny, {})]) == CPU
    assert not folder.exists()


def test_what_another_processor_compiled_is_not_taken(tiny, folder, monkeypatch):
    open_openvino(tiny, "tiny", {}, 1)
    monkeypatch.setattr(openvino_engine, "_processor", lambda: ("another", "avx2"))
    _, cached = open_openvino(tiny, "tiny", {}, 1)
    assert cached.fresh


def test_who_asks_for_it_gets_it_by_name_for_all_networks(field_pack, folder, openvino_folder, monkeypatch):
    monkeypatch.setenv("REID_EDGE_ENGINES", str(openvino_folder))
    networks = Networks(field_pack, parse_recipe(field_pack.recipe, field_pack.manifest), "openvino", 1)
    assert networks.device == OPENVINO
    assert networks["efficientnet-lite0"].engine.provenance.device == "openvino"


def test_doctor_tests_it_and_says_what_auto_takes(folder, monkeypatch):
    monkeypatch.setattr(selection, "self_test", lambda device, probe, ranges: None)
    for faster, end in ((True, ""), (False, "; not faster than cpu here, so auto does not take it")):
        monkeypatch.setattr(openvino_engine, "is_preferred", lambda networks, threads, faster=faster: faster)
        done = CliRunner().invoke(doctor, ["--json"], standalone_mode=False)
        devices = {device["name"]: device for device in json.loads(done.stdout)["devices"]}
        assert devices["openvino"]["says"] == f"OpenVINO, self-test passed{end}"
        assert devices["openvino"]["ok"]


def test_without_the_package_the_error_says_what_to_install(tiny, monkeypatch):
    monkeypatch.setattr(selection, "has_openvino", lambda: False)
    with pytest.raises(EngineError, match="the package openvino is not installed") as refused:
        select_device("openvino", tiny)
    assert "[openvino]" in refused.value.hint
