"""The command line is light: help loads no library that computes, and nothing ever loads a training library."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("numpy", "cv2", "onnxruntime", "sqlite3", "rich", "torch", "scipy", "sklearn", "onnx", "pandas", "PIL")
SCRIPT = """
import sys
from reid_edge.cli import main
try:
    main({arguments!r})
except SystemExit as left:
    assert not left.code, left.code
print(",".join(sorted(sys.modules)), file=sys.stderr)
"""


def modules_after(code: str, environment: dict[str, str]) -> set[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    return set(done.stderr.splitlines()[-1].split(","))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["identify", "--help"],
        ["gallery", "--help"],
        ["gallery", "add", "--help"],
        ["doctor", "--help"],
    ],
)
def test_help_loads_nothing_that_computes(environment, arguments):
    loaded = modules_after(SCRIPT.format(arguments=arguments), environment)
    assert "click" in loaded
    assert loaded.isdisjoint(HEAVY), loaded & set(HEAVY)


def test_importing_the_package_loads_nothing_at_all(environment):
    code = "import sys\nbefore = set(sys.modules)\nimport reid_edge\nprint(','.join(set(sys.modules) - before), file=sys.stderr)"
    assert modules_after(code, environment) == {"reid_edge"}


def test_an_answer_needs_no_training_library(environment, small_gallery, samples):
    arguments = ["identify", str(samples / "photos" / "trail_1.jpg"), "--gallery", str(small_gallery), "--json"]
    loaded = modules_after(SCRIPT.format(arguments=arguments), environment)
    assert {"numpy", "cv2", "onnxruntime"} <= loaded
    assert loaded.isdisjoint({"torch", "scipy", "sklearn", "onnx", "pandas", "PIL", "kornia", "timm"})
    assert not any(name.startswith(("reid_edge_export", "reid_edge_calibration", "reid_edge_benchmarks")) for name in loaded)
