"""`reid-edge bench reliability`: figures into a file, from the file to the page."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from reid_edge_benchmarks.reliability.cli import reliability
from reid_edge_benchmarks.reliability.registry import FAULTS


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reliability")
    arguments = ["--only", "two-daemons", "--json", str(folder / "r.json"), "--write", str(folder / "r.md")]
    result = CliRunner().invoke(reliability, arguments, catch_exceptions=False)
    return result, json.loads((folder / "r.json").read_text()), (folder / "r.md").read_text()


def test_the_file_holds_what_was_counted(made):
    result, figures, _ = made
    assert result.exit_code == 0
    assert figures["faults"]["two-daemons"]["figures"]["second daemons refused"] == 2
    assert figures["faults"]["two-daemons"]["faults"] == []


def test_the_page_says_what_holds_and_what_was_not_made(made):
    _, _, page = made
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    (own,) = (row for row in rows if row.startswith(f"| {FAULTS['two-daemons'].title}"))
    assert own.rstrip(" |").endswith("holds")
    assert sum("not made" in row for row in rows) == len(FAULTS) - 1


def test_an_unknown_fault_is_refused_with_the_names_of_all():
    command = [sys.executable, "-m", "reid_edge", "bench", "reliability", "--only", "earthquake"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "earthquake" in done.stderr
    assert "power-cut" in done.stderr
