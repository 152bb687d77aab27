"""The figures of docs/scale.md are those of the committed results."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from reid_edge.errors import UsageError
from reid_edge_benchmarks.cli import bench
from reid_edge_benchmarks.report.page import read_all
from reid_edge_benchmarks.scale.page import BEGIN, END, page_with_figures

DOCS = Path(__file__).resolve().parents[3] / "docs"


def test_the_figures_of_the_page_are_what_the_results_say() -> None:
    page = (DOCS / "scale.md").read_text(encoding="utf-8")
    made = page_with_figures(page, read_all(DOCS / "scale"))
    assert made == page, "run: reid-edge bench scale-page"
    assert "### Search" in made
    assert "### Wrong answers as the catalogue grows" in made


def test_the_command_replaces_what_lies_between_the_marks_and_nothing_else(tmp_path: Path) -> None:
    shutil.copytree(DOCS / "scale", tmp_path / "scale")
    page = tmp_path / "page.md"
    page.write_text(f"# Before\n\n{BEGIN}\nold\n{END}\n\nAfter\n", encoding="utf-8")
    done = CliRunner().invoke(bench, ["scale-page", "--results", str(tmp_path / "scale"), "--page", str(page)])
    assert done.exit_code == 0, done.output
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# Before\n\n{BEGIN}\n\n")
    assert text.endswith(f"\n\n{END}\n\nAfter\n")
    assert "\nold\n" not in text


def test_a_page_without_marks_and_results_of_other_commands_are_refused() -> None:
    with pytest.raises(UsageError, match="no place"):
        page_with_figures("# Nothing", {"growth": {}})
    with pytest.raises(UsageError, match="no results"):
        page_with_figures(f"{BEGIN}\n{END}", {})
