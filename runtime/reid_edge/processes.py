"""Child processes and programs that never come from the current folder, which may be a stranger's memory card.

Python puts the current folder on the import path of `python -m` and `python -c`, where a file `json.py` replaces the library, and PATH
may hold it too.
"""

# pathlib would be imported before the import path is safe.
# ruff: noqa: PTH100, PTH117, PTH120, PTH121

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator, Sequence

# Python 3.10 has no -P, so the interpreter starts isolated (-I) and takes over the import path of this process.
_START = (
    "import os, sys; sys.path[:] = sys.argv[1].split(os.pathsep); name = sys.argv[2]; sys.argv[:] = sys.argv[2:]; "
    "import runpy; runpy.run_module(name, run_name='__main__', alter_sys=True)"
)
_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

ROOT = os.sep
"""A folder for child processes to run in: only an administrator writes there, and no disk is kept busy by it."""


def leave_out_current_folder() -> None:
    """Remove the current folder from the import path of this process."""
    sys.path[:] = import_path()


def import_path() -> list[str]:
    """The import path of this process without relative folders and the current one, unless Python or reid-edge is installed in that."""
    return [folder for folder in sys.path if os.path.isabs(folder) and (_is_installed(folder) or not _is_current(folder))]


def python_command(module: str, *arguments: str, path: Sequence[str] = ()) -> list[str]:
    """The command that runs a module as `python -m` does, with the import path of this process and never with the current folder.

    Args:
        module: its full name.
        arguments: of the module.
        path: absolute folders that are searched first.
    """
    encoding = ("-X", "utf8") if sys.flags.utf8_mode else ()
    return [sys.executable, "-I", *encoding, "-c", _START, os.pathsep.join([*path, *import_path()]), module, *arguments]


def find_program(name: str, further: str = "") -> str | None:
    """The absolute path of a program on PATH, else in the folders `further` (as PATH); never one in the current folder."""
    folders = [*os.environ.get("PATH", os.defpath).split(os.pathsep), *further.split(os.pathsep)]
    return shutil.which(name, path=os.pathsep.join(each for each in folders if os.path.isabs(each) and not _is_current(each)))


@contextlib.contextmanager
def in_root_folder() -> Iterator[None]:
    """Start processes of `multiprocessing` within this: their interpreter imports from the current folder before it can be told not to.

    For a process with one thread: the current folder is that of all threads.
    """
    here = os.open(os.curdir, os.O_RDONLY)
    try:
        os.chdir(ROOT)
        yield
    finally:
        os.fchdir(here)
        os.close(here)


def _is_current(folder: str) -> bool:
    try:
        return os.path.samefile(folder, os.curdir)
    except OSError:  # a folder that is missing has nothing to import
        return False


def _is_installed(folder: str) -> bool:
    return os.path.realpath(folder) == os.path.realpath(_OURS) or any(
        os.path.commonpath([folder, prefix]) == prefix for prefix in (sys.prefix, sys.base_prefix) if prefix != ROOT
    )
