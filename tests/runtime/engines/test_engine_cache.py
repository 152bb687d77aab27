"""An engine is used only when it was built here, for this key, and is whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from reid_edge.engines.contract import TensorSpec
from reid_edge.engines.engine_cache import EngineCache, default_engine_folder, key_of
from reid_edge.engines.profiles import SizeRange
from reid_edge.engines.tensorrt_ahead import build_ahead
from reid_edge.engines.tensorrt_build import BuiltEngine
from reid_edge.errors import StorageError

ONE = {"batch": SizeRange(1, 1, 1)}


@pytest.fixture
def cache(tmp_path) -> EngineCache:
    return EngineCache(tmp_path / "engines")


@pytest.fixture
def key(library, tiny):
    return key_of(tiny, library, ONE, "8.6")


@pytest.fixture
def built(library, tiny, cache):
    """The engine of the tiny network for SM86."""
    return build_ahead(library, "SM86", tiny, "tiny", ONE, cache)


def test_the_second_time_nothing_is_built(engines, library, models, ranges, engine_folder):
    for name in engines:
        before = engines[name].path.stat().st_mtime_ns
        again = build_ahead(library, "SM86", models[name], name, ranges[name], EngineCache(engine_folder))
        assert not again.fresh
        assert again.path.stat().st_mtime_ns == before
        assert replace(again, fresh=True, build_seconds=0) == replace(engines[name], build_seconds=0)


@pytest.mark.parametrize("damage", ["byte", "short", "long", "empty", "gone"])
def test_a_damaged_engine_is_refused_and_built_anew(library, tiny, cache, key, built, damage):
    content = bytearray(built.content)
    content[len(content) // 2] ^= 1
    damaged = {"byte": bytes(content), "short": built.content[:-1], "long": built.content + b"\0", "empty": b""}.get(damage)
    built.path.unlink() if damaged is None else built.path.write_bytes(damaged)
    assert cache.read(key) is None
    assert build_ahead(library, "SM86", tiny, "tiny", ONE, cache).fresh
    found = cache.read(key)
    assert found is not None
    assert found.path == built.path


@pytest.mark.parametrize("record", [None, b"", b"[]", b"{}", b"{", b"\xff", b"[" * 100_000, b'{"key": null, "size": "?"}'])
def test_an_engine_from_elsewhere_without_a_sound_record_is_never_used(cache, key, built, record):
    path = built.path.with_suffix(".json")
    path.unlink() if record is None else path.write_bytes(record)
    assert cache.read(key) is None


def test_a_record_that_was_made_for_another_key_does_not_count(cache, key, built):
    path = built.path.with_suffix(".json")
    record = json.loads(path.read_text())
    record["key"]["library"] = "tensorrt_rtx 1.0.0"
    path.write_text(json.dumps(record))
    assert cache.read(key) is None


def test_whatever_an_engine_depends_on_gives_it_another_file(cache, key, built):
    others = [
        replace(key, onnx_sha256="0" * 64),
        replace(key, library="tensorrt_rtx 1.7.1.117"),
        replace(key, compute_capability="8.9"),
        replace(key, gpu="Orin"),
        replace(key, driver="580.65.06 CUDA 13.0"),
        replace(key, ranges={"batch": SizeRange(1, 1, 2)}),
    ]
    assert len({cache.path(one) for one in (key, *others)}) == 7
    assert all(cache.read(other) is None for other in others)
    assert cache.read(key) is not None


def test_another_generation_of_gpu_lies_beside_the_first(library, tiny, cache, built):
    other = build_ahead(library, "SM120", tiny, "tiny", ONE, cache)
    assert other.fresh
    assert other.path != built.path
    assert json.loads(other.path.with_suffix(".json").read_text())["key"]["compute_capability"] == "12.0"


def test_a_removed_engine_is_forgotten(cache, key, built):
    assert cache.read(key) is not None
    cache.remove(key)
    assert cache.read(key) is None
    assert not built.path.exists()


def test_what_was_measured_is_given_to_the_next_build_of_the_same_gpu_and_only_if_it_is_whole(cache, key):
    tensor = (TensorSpec("x", "float32", ("batch", 8, 8)),)
    given = []

    def build(timing: bytes) -> BuiltEngine:
        given.append(timing)
        return BuiltEngine(b"engine", tensor, tensor, b"times", 1.0)

    cache.obtain(key, "tiny", build)
    cache.obtain(replace(key, onnx_sha256="0" * 64), "other", build)
    cache.obtain(replace(key, driver="another"), "tiny", build)
    (file,) = (cache.folder / f"{key.timing_digest}{end}" for end in (".timing",))
    file.write_bytes(b"forged")
    cache.obtain(replace(key, onnx_sha256="1" * 64), "third", build)
    assert given == [b"", b"times", b"", b""]


BUILDER = """
import sys, time, os
from pathlib import Path
from reid_edge.engines.engine_cache import EngineCache, key_of
from reid_edge.engines.profiles import SizeRange
from reid_edge.engines.tensorrt_build import build_engine, load_library
folder, model, moment = Path(sys.argv[1]), Path(sys.argv[2]).read_bytes(), sys.argv[3]
library, ranges = load_library("tensorrt_rtx"), {"batch": SizeRange(1, 1, 1)}
def stop(*_):
    print("here", flush=True)
    time.sleep(60)
if moment == "writing":
    os.fsync = stop
report = stop if moment == "building" else lambda done: None
build = lambda timing: build_engine(model, "tiny", library, ranges, report, target="SM86")
EngineCache(folder).obtain(key_of(model, library, ranges, "8.6"), "tiny", build)
"""


@pytest.mark.parametrize("moment", ["building", "writing"])
def test_a_kill_in_the_middle_leaves_no_engine_and_the_next_build_clears_up(library, tiny, cache, key, tmp_path, moment):
    model = tmp_path / "tiny.onnx"
    model.write_bytes(tiny)
    arguments = [sys.executable, "-c", BUILDER, str(cache.folder), str(model), moment]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "here\n"
        os.kill(process.pid, signal.SIGKILL)
    left = sorted(path.name for path in cache.folder.iterdir())
    assert bool([name for name in left if name.endswith(".tmp")]) == (moment == "writing")
    assert not [name for name in left if not name.startswith(".") and not name.endswith(".tmp")]
    assert cache.read(key) is None
    assert build_ahead(library, "SM86", tiny, "tiny", ONE, cache).fresh
    assert not [path for path in cache.folder.iterdir() if path.name.endswith(".tmp")]


def test_a_full_disk_is_said_and_leaves_nothing_half(library, models, ranges, small_disk):
    cache = EngineCache(small_disk("size=1m") / "engines")
    with pytest.raises(StorageError, match="the disk is full"):
        build_ahead(library, "SM86", models["efficientnet-lite0"], "efficientnet-lite0", ranges["efficientnet-lite0"], cache)
    assert [path.name for path in cache.folder.iterdir()] == [".lock"]


def test_engines_lie_with_the_other_data_of_the_runtime_unless_told_otherwise(tmp_path, monkeypatch):
    monkeypatch.delenv("REID_EDGE_ENGINES", raising=False)
    monkeypatch.setenv("REID_EDGE_HOME", str(tmp_path))
    assert default_engine_folder() == tmp_path / "engines"
    monkeypatch.setenv("REID_EDGE_ENGINES", str(tmp_path / "elsewhere"))
    assert default_engine_folder() == tmp_path / "elsewhere"
    monkeypatch.delenv("REID_EDGE_ENGINES")
    monkeypatch.delenv("REID_EDGE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_engine_folder() == tmp_path / ".local/share/reid-edge/engines"
