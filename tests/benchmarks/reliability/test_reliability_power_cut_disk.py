"""The model of a power cut, on the changes of a real process that writes with and without syncing."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from reid_edge_benchmarks.reliability.outcome import Skipped
from reid_edge_benchmarks.reliability.power_cut_disk import PowerCutDisk, read_journal
from reid_edge_benchmarks.reliability.shim import preloaded


@pytest.fixture
def record(tmp_path: Path, program):
    """record(code): the disk after a Python program that works in `root`, and `root` itself."""

    def run(code: str, **files: bytes) -> tuple[PowerCutDisk, Path]:
        root = (tmp_path / "root").resolve()
        root.mkdir()
        for name, content in files.items():
            (root / name).write_bytes(content)
        (tmp_path / "vault").mkdir()
        disk = PowerCutDisk(root, tmp_path / "vault")
        try:
            shim = preloaded("storage", STORAGE_ROOT=root, STORAGE_JOURNAL=tmp_path / "journal")
        except Skipped as reason:
            program("cc")
            pytest.skip(str(reason))
        subprocess.run(
            [sys.executable, "-c", f"import os, shutil, sqlite3\n{code}"], cwd=root, env={**os.environ, **shim}, check=True
        )
        for operation in read_journal(tmp_path / "journal"):
            disk.apply(operation)
        return disk, root

    return run


def left(disk: PowerCutDisk, place: Path, chance: random.Random | None = None) -> dict[str, bytes]:
    place.mkdir()
    disk.write_safe(place, chance)
    return {path.name: path.read_bytes() for path in place.rglob("*") if path.is_file()}


def test_what_was_not_synced_is_lost_and_what_was_is_there(record, tmp_path):
    disk, _ = record(
        "a = open('synced', 'wb', 0); a.write(b'one'); os.fsync(a); a.write(b' two')\n"
        "open('unsynced', 'wb').write(b'three')\n"
        "folder = os.open('.', os.O_RDONLY); os.fsync(folder)\n"
        "open('late', 'wb').write(b'four')\n"
    )
    assert left(disk, tmp_path / "after") == {"synced": b"one", "unsynced": b""}


def test_a_file_that_was_synced_in_a_folder_that_was_not_has_no_name(record, tmp_path):
    disk, _ = record("a = open('file', 'wb', 0); a.write(b'one'); os.fsync(a)")
    assert left(disk, tmp_path / "after") == {}


def test_a_removed_name_comes_back_until_its_folder_is_synced(record, tmp_path):
    program = "os.unlink('old'); os.rename('a', 'b')"
    disk, _ = record(program, old=b"one", a=b"two")
    assert left(disk, tmp_path / "after") == {"old": b"one", "a": b"two"}


def test_a_rename_over_a_file_is_safe_with_its_folder(record, tmp_path):
    disk, _ = record("os.replace('a', 'old'); os.fsync(os.open('.', os.O_RDONLY))", old=b"one", a=b"two")
    assert left(disk, tmp_path / "after") == {"old": b"two"}


def test_all_changes_together_are_what_lies_on_the_disk(record, tmp_path):
    disk, root = record(
        "os.makedirs('d/e'); shutil.copy('a', 'd/e/copy'); os.link('a', 'd/link'); os.rename('d', 'f')\n"
        "with open('f/e/copy', 'r+b') as file: file.seek(2); file.write(b'xyz'); file.truncate(4)\n"
        "db = sqlite3.connect('db'); db.execute('create table t (x)')\n"
        "db.executemany('insert into t values (?)', [(i,) for i in range(5000)])\n"
        "db.commit(); db.execute('delete from t where x < 4000'); db.commit(); db.close()",
        a=b"twelve bytes",
    )
    again = tmp_path / "again"
    again.mkdir()
    disk.write_live(again)
    contents = [{path.relative_to(top): path.read_bytes() for path in top.rglob("*") if path.is_file()} for top in (again, root)]
    assert contents[0] == contents[1]
    assert len(contents[0]) == 4


def test_by_chance_some_of_what_was_not_synced_is_there(record, tmp_path):
    disk, _ = record("open('a', 'r+b').write(b'x' * 51200)", a=b"-" * 51200)
    mixed = left(disk, tmp_path / "after", random.Random(1))["a"]
    sectors = {mixed[at : at + 512] for at in range(0, len(mixed), 512)}
    assert sectors == {b"x" * 512, b"-" * 512}  # no sector is torn


def test_the_library_fails_writes_for_want_of_room_for_a_while(tmp_path):
    program = (
        "import time\nfor i in range(5):\n"
        " try: print(os.write(f, b'12345678'))\n"
        " except OSError as e: print(e.errno)\n"
        " time.sleep(0.03 if i < 3 else 0.5)"
    )
    try:
        shim = preloaded("storage", STORAGE_ROOT=tmp_path, STORAGE_FULL_AT=3, STORAGE_FULL_MS=300)
    except Skipped as reason:
        program("cc")
        pytest.skip(str(reason))
    opened = f"import os\nf = os.open({str(tmp_path / 'x')!r}, os.O_CREAT | os.O_WRONLY)\n"
    done = subprocess.run(
        [sys.executable, "-c", opened + program], env={**os.environ, **shim}, check=True, capture_output=True, text=True
    )
    # Creating it was the first; one write goes well, the next is cut in half, two find no room, then there is room again.
    assert done.stdout.split() == ["8", "4", "28", "28", "8"]
