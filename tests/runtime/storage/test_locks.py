"""One process at a time, and what a killed one left is removed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from reid_edge.storage.locks import lock_file, only_writer

HOLDER = """
import sys
from pathlib import Path
from reid_edge.storage.locks import lock_file
held = lock_file(Path(sys.argv[1]))
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no locks on Windows")
def test_a_lock_that_another_process_holds_is_refused_until_that_one_is_killed(tmp_path):
    arguments = [sys.executable, "-c", HOLDER, str(tmp_path / "lock")]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(BlockingIOError):
            lock_file(tmp_path / "lock", wait=False)
        holder.kill()
        holder.wait()
        lock_file(tmp_path / "lock", wait=False).close()


def test_unfinished_files_and_folders_are_removed_and_others_stay(tmp_path):
    (tmp_path / ".importing-1").mkdir()
    (tmp_path / ".importing-1" / "file").touch()
    (tmp_path / ".importing-2").touch()
    (tmp_path / "kept").touch()
    with only_writer(tmp_path, ".importing-*"):
        assert {path.name for path in tmp_path.iterdir()} == {".lock", "kept"}
