"""The page: a template of sentences, whose marks are filled with tables and plots."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from reid_edge.errors import UsageError
from reid_edge_benchmarks.discovery.plots import plot_discovery
from reid_edge_benchmarks.latency.plots import plot_latency, plot_scaling
from reid_edge_benchmarks.report.sections import section
from reid_edge_benchmarks.results import read_results

_MARK = re.compile(r"^\{\{(?P<name>[^}]+)\}\}$", re.MULTILINE)
_PLOT = re.compile(r"^\{\{plot (?P<file>[^}|]+)\|(?P<words>[^}]+)\}\}$", re.MULTILINE)
_PLOTTERS = {"discovery": plot_discovery, "latency": plot_latency, "scaling": plot_scaling}


def read_all(folder: Path) -> dict[str, Any]:
    """The results in a folder, by the name of their file.

    Raises:
        UsageError: there are none, or one cannot be read.
    """
    found = {file.stem: read_results(file) for file in sorted(folder.glob("*.json"))}
    if not found:
        raise UsageError(
            f"There are no results in {folder}.", "Measure with --json, such as: reid-edge bench startup --json startup.json"
        )
    return found


def write_plots(results: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw what the results hold; the paths of the files written.

    Raises:
        UsageError: matplotlib is not installed.
    """
    return [file for name, plot in _PLOTTERS.items() if name in results for file in plot(results[name], folder)]


def page_text(results: Mapping[str, Any], plots: Path, relative: str) -> str:
    """The page as Markdown.

    Args:
        results: by the name of their file.
        plots: the folder with plots; those that are not there are left out.
        relative: what leads from the page to that folder.
    """
    text = files("reid_edge_benchmarks.report").joinpath("template.md").read_text(encoding="utf-8")

    def plot(mark: re.Match[str]) -> str:
        return f"![{mark['words']}]({relative}/{mark['file']})" if (plots / mark["file"]).is_file() else ""

    filled = _MARK.sub(lambda mark: section(mark["name"], results), _PLOT.sub(plot, text))
    return re.sub(r"\n{3,}", "\n\n", filled).rstrip() + "\n"
