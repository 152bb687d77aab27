"""bench report: the page is what the results say, and says what is missing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from reid_edge.errors import UsageError
from reid_edge_benchmarks.cli import bench
from reid_edge_benchmarks.report.page import page_text, read_all
from reid_edge_benchmarks.report.sections import SECTIONS, section
from reid_edge_benchmarks.report.targets import SPEED, targets_table
from reid_edge_benchmarks.results import command_line

DOCS = Path(__file__).resolve().parents[3] / "docs"
MACHINE = {"processor": "P", "cores": 2, "load": 0.1, "python": "3.11"}


def latency(p50: float, ratio: float | None, peak: float = 500e6) -> dict[str, Any]:
    spread = {"count": 9, "p25": p50, "p50": p50, "p75": p50, "p95": p50, "p99": p50}
    side = {
        "whole": spread,
        "stages": {"segment": spread},
        "cold_seconds": [1.0],
        "photos_per_second": 1e3 / p50,
        "cpu_share": 0.5,
        "peak_bytes": peak,
        "memory": {"anonymous": 1, "file": 2},
        "joules_per_photo": None,
    }
    told = {"value": ratio, "low": 0.9, "high": 8.0, "pairs": 9, "stages": {}}
    agreement = {
        "photos": 9,
        "same_animals": 1.0,
        "same_identity": 1.0,
        "same_verdict": 1.0,
        "counts": 0,
        "same_counts": None,
        "largest_difference": 0,
        "largest_cosine_difference": 0,
    }
    small = {"size": 1000, "made_of": "photos", "sides": {"runtime": side, "torch": side}}
    small |= {"ratios": {"torch": told}, "agreement": {"torch": agreement}}
    large = {"size": 10_000, "made_of": "photos", "sides": {"runtime": side}, "ratios": {}, "agreement": {}}
    return {
        "kind": "latency",
        "machine": MACHINE,
        "command": "reid-edge bench latency",
        "photos": "some",
        "queries": 9,
        "rounds": 1,
        "recipe": {"candidates": 100, "matchers": {"x": 10}},
        "energy": "none",
        "galleries": [small, large],
    }


def cells(table: str, what: str) -> list[str]:
    (line,) = [line for line in table.splitlines() if what in line]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_targets_are_met_missed_or_not_measured() -> None:
    good = targets_table(SPEED, {"latency": latency(290, 6.4)})
    assert cells(good, "warm, gallery of 1,000")[2:] == ["290 ms (half of the photos 290 to 290)", "met"]
    assert cells(good, "in PyTorch")[2:] == ["6.4 times (0.9 to 8.0)", "met"]
    assert cells(good, "peak memory")[3] == "met"
    assert cells(good, "common pipeline")[2:] == ["not measured", ""]
    bad = targets_table(SPEED, {"latency": latency(310, None, peak=700e6)})
    assert cells(bad, "warm, gallery of 1,000")[3] == cells(bad, "peak memory")[3] == "missed"
    assert cells(bad, "in PyTorch")[2:] == ["within the noise", "missed"]


def test_every_part_of_the_template_is_filled_and_every_part_is_in_the_template() -> None:
    template = (Path(__file__).parents[3] / "benchmarks/reid_edge_benchmarks/report/template.md").read_text(encoding="utf-8")
    marks = re.findall(r"^\{\{([^}|]+)\}\}$", template, re.MULTILINE)
    assert sorted(marks) == sorted(SECTIONS)
    page = page_text({"latency": latency(480, 6.4)}, Path("nowhere"), "benchmarks")
    assert "{{" not in page
    assert page.count("Not measured yet") > 5
    assert "takes 6.40 times as long" in page
    assert ".png" not in page


def test_no_figure_of_a_measurement_is_typed_into_the_template() -> None:
    template = (Path(__file__).parents[3] / "benchmarks/reid_edge_benchmarks/report/template.md").read_text(encoding="utf-8")
    assert not re.findall(r"\d+\.\d+(?!\))|\d+ ms|\d+ MB|\d\d %(?! bootstrap)", re.sub(r"Apache-2\.0", "", template))


def test_the_page_of_the_project_is_what_its_results_say() -> None:
    folder = DOCS / "benchmarks"
    assert (DOCS / "benchmarks.md").read_text(encoding="utf-8") == page_text(read_all(folder), folder, "benchmarks")


def test_results_of_all_commands_are_in_the_form_that_the_page_reads() -> None:
    results = read_all(DOCS / "benchmarks")
    assert {"accuracy", "embedders"} <= set(results)
    for name in SECTIONS:
        assert section(name, results)


def test_the_command_writes_page_and_plots(tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    (results / "latency.json").write_text(json.dumps(latency(480, 6.4)), encoding="utf-8")
    page = tmp_path / "page.md"
    result = CliRunner().invoke(bench, ["report", "--results", str(results), "--out", str(page)])
    assert result.exit_code == 0, result.output
    assert "](results/latency-whole.png)" in page.read_text(encoding="utf-8")
    assert (results / "latency-whole.png").read_bytes()[:4] == b"\x89PNG"
    written = page.read_bytes()
    assert CliRunner().invoke(bench, ["report", "--results", str(results), "--out", str(page), "--no-plots"]).exit_code == 0
    assert page.read_bytes() == written


def test_a_folder_without_results_or_with_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no results"):
        read_all(tmp_path)
    (tmp_path / "other.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(UsageError, match=r"other\.json"):
        read_all(tmp_path)


def test_the_command_line_is_kept_without_the_places_of_files() -> None:
    typed = ["/usr/bin/reid-edge", "bench", "latency", "/data/zebra", "--keep", "/tmp/kept", "--threads", "2"]
    assert command_line(typed) == "reid-edge bench latency zebra --keep kept --threads 2"
    steps = ["reid-edge", "--step", "early exit:early_exit=off", "--step", "before:runtime=/tmp/x/runtime,pack=../p"]
    assert command_line(steps) == "reid-edge --step 'early exit:early_exit=off' --step before:runtime=runtime,pack=p"
