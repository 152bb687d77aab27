"""The store: import is all or nothing through kills and full disks, and names find what they mean."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from reid_edge.errors import PackError
from reid_edge.pack import (
    NewFile,
    bundled_packs,
    default_store,
    find_pack,
    import_pack,
    imported_packs,
    open_pack,
    write_pack,
    write_zip,
)

RUNTIME = Path(__file__).resolve().parents[3] / "runtime"
IMPORT = """
import sys
from pathlib import Path
from reid_edge.errors import StorageError
from reid_edge.pack import import_pack
try:
    import_pack(Path(sys.argv[1]), Path(sys.argv[2]))
except StorageError as error:
    print(error.message, sorted(path.name for path in Path(sys.argv[2]).iterdir()))
"""

KILL_BEFORE_CHANGE = """
import os, signal, sys
left = int(sys.argv[3])
def before(event, arguments):
    global left
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if writes or event in ("os.mkdir", "os.rename", "os.rmdir", "os.remove"):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.dont_write_bytecode = True
sys.addaudithook(before)
"""


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def store(tmp_path) -> Path:
    return tmp_path / "home" / "packs"


def test_an_imported_pack_is_the_same_pack_under_its_name_and_hash(parts, tmp_path, store):
    original = open_pack(parts().lay(tmp_path / "tiny"))
    write_zip(tmp_path / "tiny", tmp_path / "tiny.zip")
    target = import_pack(tmp_path / "tiny.zip", store)
    assert target == store / f"tiny-{original.sha256[:12]}"
    assert open_pack(target).sha256 == original.sha256
    assert names(store) == {target.name, ".lock"}


def test_importing_the_same_pack_twice_changes_nothing(parts, tmp_path, store):
    parts().lay(tmp_path / "tiny")
    target = import_pack(tmp_path / "tiny", store)
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*")}
    assert import_pack(tmp_path / "tiny", store) == target
    assert {path: path.stat().st_mtime_ns for path in target.rglob("*")} == before


def test_importing_again_heals_a_damaged_copy(parts, tmp_path, store):
    parts().lay(tmp_path / "tiny")
    target = import_pack(tmp_path / "tiny", store)
    (target / "tiny.onnx").write_bytes(b"rotten")
    assert import_pack(tmp_path / "tiny", store) == target
    assert open_pack(target)
    assert names(store) == {target.name, ".lock"}


def test_a_broken_pack_leaves_no_trace_in_the_store(parts, tmp_path, store):
    parts().lay(tmp_path / "tiny")
    (tmp_path / "tiny/NOTICE.txt").write_bytes(b"For tests!\n")
    with pytest.raises(PackError):
        import_pack(tmp_path / "tiny", store)
    assert not store.exists()


def test_random_weights_are_not_imported(parts, network, tmp_path, store):
    parts(network(stamp="random"), weights="random").lay(tmp_path / "tiny")
    with pytest.raises(PackError, match="random weights"):
        import_pack(tmp_path / "tiny", store)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL as POSIX has it")
def test_a_kill_before_any_change_to_the_disk_leaves_a_whole_pack_or_none(parts, tmp_path, store):
    """Each import is killed one change to the disk later than the one before, until one comes to its end."""
    pack = open_pack(parts().lay(tmp_path / "tiny"))
    target = store / f"tiny-{pack.sha256[:12]}"
    outcomes = []
    for change in range(1, 60):
        shutil.rmtree(target, ignore_errors=True)
        command = [sys.executable, "-c", KILL_BEFORE_CHANGE + IMPORT, tmp_path / "tiny", store, str(change)]
        process = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(RUNTIME)}, check=False)
        whole = target.exists() and open_pack(target).sha256 == pack.sha256
        assert set(imported_packs(store)) == ({target.name} if whole else set())
        outcomes.append((process.returncode, whole))
        if process.returncode == 0:
            break
    assert outcomes[-1] == (0, True)
    assert outcomes.count((-signal.SIGKILL, False)) > 8
    assert (-signal.SIGKILL, True) in outcomes  # killed between the last rename and the clearing up
    assert names(store) == {target.name, ".lock"}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a small tmpfs of its own")
@pytest.mark.parametrize(("options", "reason"), [("size=1m", "the disk is full"), ("size=9m,ro", "the disk is read-only")])
def test_a_full_or_read_only_disk_is_a_storage_error_and_leaves_nothing(parts, tmp_path, options, reason, program):
    made = parts()
    large = NewFile("calibration/large.json", json.dumps("x" * 2_000_000).encode(), "MIT", "padding")
    write_pack(tmp_path / "tiny", made.manifest, [*made.new_files, large])
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f'mount -t tmpfs -o {options} none "$3" 2>/dev/null || exit 77; exec "$0" -c "$1" "$2" "$3"'
    command = [program("unshare"), "-rm", "sh", "-c", mount, sys.executable, IMPORT, tmp_path / "tiny", disk]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(RUNTIME)}, capture_output=True, text=True)
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("mounting a small disk is not permitted here")
    assert done.returncode == 0, done.stderr
    assert reason in done.stdout
    assert done.stdout.strip().endswith("['.lock']" if "full" in reason else "[]")


def test_two_imports_at_once_both_succeed(parts, tmp_path, store):
    parts().lay(tmp_path / "tiny")
    command = [sys.executable, "-c", IMPORT, tmp_path / "tiny", store]
    processes = [subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(RUNTIME)}) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    (name,) = imported_packs(store)
    assert names(store) == {name, ".lock"}


def test_a_pack_is_found_by_name_by_full_name_and_by_path(parts, tmp_path, store, monkeypatch):
    parts().lay(tmp_path / "tiny")
    target = import_pack(tmp_path / "tiny", store)
    assert find_pack("tiny", store) == target
    assert find_pack(target.name, store) == target
    assert find_pack(str(tmp_path / "tiny"), store) == tmp_path / "tiny"
    monkeypatch.chdir(tmp_path)
    assert find_pack("tiny", store) == target
    assert find_pack("./tiny", store) == Path("tiny")


def test_a_name_of_two_imported_packs_must_be_said_in_full(parts, tmp_path, store):
    made = parts()
    first = import_pack(made.lay(tmp_path / "a"), store)
    second = import_pack(replace(made, manifest=replace(made.manifest, version="2")).lay(tmp_path / "b"), store)
    with pytest.raises(PackError, match="2 imported packs 'tiny'") as caught:
        find_pack("tiny", store)
    assert first.name in caught.value.hint
    assert second.name in caught.value.hint
    assert find_pack(second.name, store) == second


def test_an_unknown_pack_names_the_nearest(parts, tmp_path, store):
    import_pack(parts().lay(tmp_path / "tiny"), store)
    with pytest.raises(PackError, match="no pack 'tinny', neither a name nor a path; the nearest known one is 'tiny'"):
        find_pack("tinny", store)


@pytest.mark.parametrize("name", ["", "x" * 5000, "a\0b", "../../no/such"])
def test_a_name_that_makes_no_sense_is_refused(name, store):
    with pytest.raises(PackError, match="There is no pack"):
        find_pack(name, store)


def test_the_store_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("REID_EDGE_HOME", str(tmp_path))
    assert default_store() == tmp_path / "packs"
    monkeypatch.delenv("REID_EDGE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_store() == tmp_path / ".local/share/reid-edge/packs"


def test_every_bundled_pack_is_sound_and_bears_its_name():
    for name, path in bundled_packs().items():
        assert open_pack(path).manifest.name == name
        assert find_pack(name) == path
