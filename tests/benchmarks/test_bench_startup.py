"""bench startup: real processes are started, and a failing one is not taken for a quick one."""

from __future__ import annotations

from pathlib import Path

import pytest

import reid_edge
from reid_edge.errors import UsageError
from reid_edge_benchmarks.startup import Startup, measure_startup, package_bytes


def test_every_run_is_counted_but_the_first(few_gallery: Path) -> None:
    figures = measure_startup(few_gallery, 1, "field", lambda runs, what: runs)
    assert len(figures.help_seconds) == len(figures.answer_seconds) == 1
    assert 0 < figures.help_seconds[0] < figures.answer_seconds[0]


def test_a_command_that_fails_is_an_error_and_no_figure(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="reid-edge identify failed"):
        measure_startup(tmp_path / "gone.sqlite", 1, "field", lambda runs, what: runs)


def test_the_package_counts_its_pack_and_samples_but_nothing_compiled() -> None:
    package = Path(reid_edge.__file__).parent
    pack = sum(file.stat().st_size for file in (package / "packs").rglob("*") if file.is_file())
    everything = sum(file.stat().st_size for file in package.rglob("*") if file.is_file())
    compiled = sum(file.stat().st_size for file in package.rglob("__pycache__/*"))
    assert pack > 10e6
    assert pack < package_bytes() == everything - compiled


def test_the_table_holds_medians_and_says_which_target_is_missed() -> None:
    text = Startup((0.1, 0.2, 0.9), (2.0, 3.5, 4.0), 16_000_000).as_text()
    helped, answered, size = text.splitlines()[2:]
    assert [cell.strip() for cell in helped.split("|")][2:6] == ["0.20", "0.90", "0.3", "met"]
    assert [cell.strip() for cell in answered.split("|")][2:6] == ["3.50", "4.00", "3", "missed"]
    assert [cell.strip() for cell in size.split("|")][2:6] == ["16.0", "", "25", "met"]
