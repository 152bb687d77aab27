"""The preloaded libraries that make faults: compiled here, from the C sources beside this file, when they are needed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from reid_edge.processes import find_program
from reid_edge_benchmarks.reliability.outcome import Skipped

_SOURCES = Path(__file__).parent / "shims"


@cache
def _built() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="reid-edge-shims-")


@cache
def shim(name: str) -> str:
    """The path of a compiled library: `storage`, `clock` or `card`.

    Raises:
        Skipped: this is not Linux, or there is no C compiler.
    """
    compiler = find_program("cc") or find_program("gcc") or find_program("clang")
    if sys.platform != "linux":
        raise Skipped("a library can be preloaded on Linux only")
    if compiler is None:
        raise Skipped("there is no C compiler for the library that makes this fault")
    library = Path(_built().name) / f"{name}.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCES / f"{name}.c"), "-ldl", "-lpthread"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode:
        raise Skipped(f"the library that makes this fault cannot be compiled here: {built.stderr.strip().splitlines()[:1]}")
    return str(library)


def preloaded(name: str, **variables: object) -> dict[str, str]:
    """The environment that preloads a library; variables are its settings."""
    return {"LD_PRELOAD": shim(name), **{f"SHIM_{key}": str(value) for key, value in variables.items()}}
