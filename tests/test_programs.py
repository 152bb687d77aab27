"""The programs that tests run are listed once, told to newcomers, installed by CI, and never missing there without a failure."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
LINES = (REPOSITORY / "tests/programs.txt").read_text(encoding="utf-8").splitlines()
PROGRAMS = {line.split()[0]: line.split()[1:] for line in LINES if not line.startswith("#")}

ASKING = """
import pytest

def test_of_a_program(program, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    program("exiftool")

def test_of_a_python_package():
    pytest.importorskip("no_such_package")

def test_of_the_real_photos():
    pytest.skip("the real photos (../shared/data) are not beside this checkout")
"""


def outcomes(tmp_path: Path, required: str) -> str:
    """The last line of a run of ASKING under the conftest of all tests."""
    for name in ("conftest.py", "programs.txt"):
        target = tmp_path / "tests" / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes((REPOSITORY / "tests" / name).read_bytes())
    (tmp_path / "tests/test_asking.py").write_text(ASKING)
    environment = {**os.environ, "REID_EDGE_REQUIRE_PROGRAMS": required}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True).stdout.splitlines()[-1]


def test_a_test_whose_program_or_package_is_missing_is_skipped_here_and_fails_in_ci(tmp_path: Path) -> None:
    assert outcomes(tmp_path, "").startswith("3 skipped")
    assert outcomes(tmp_path, "1").startswith("2 failed, 1 skipped")
    assert "export REID_EDGE_REQUIRE_PROGRAMS=1" in (REPOSITORY / ".ci/run").read_text(encoding="utf-8").splitlines()


def test_contributing_names_every_program_and_its_packages() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (.+?) \|", (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {program: re.findall(r"`(.+?)`", packages) for program, packages in rows if program in PROGRAMS} == PROGRAMS


def test_every_program_that_a_test_asks_for_is_listed() -> None:
    asked = {
        name
        for path in (REPOSITORY / "tests").rglob("*.py")
        for name in re.findall(r"""\bprogram\("([\w-]+)"\)""", path.read_text(encoding="utf-8"))
    }
    assert asked == set(PROGRAMS)
