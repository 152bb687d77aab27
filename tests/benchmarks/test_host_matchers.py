"""``reid-edge bench matchers`` runs the host's matchers on the sample photos, and writes what it found."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from reid_edge_benchmarks.cli import bench


def test_a_row_for_each_matcher_and_number_of_keypoints(tmp_path: Path) -> None:
    out = tmp_path / "matchers.json"
    options = ["--keypoints", "32,64", "--size", "128", "--candidates", "3", "--queries", "2", "--json", str(out)]
    done = CliRunner().invoke(bench, ["matchers", *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    rows = json.loads(out.read_text("utf-8"))["rows"]
    assert [row["matcher"] for row in rows] == ["adalam", "fginn"] * 2
    assert all(row["ms"] > 0 for row in rows)
    assert rows[0]["keypoints"] < rows[2]["keypoints"]
    assert sum(row["matches"] for row in rows) > 0
