"""bench growth: strangers are asked of catalogues of several sizes, and the laws start from what was counted."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from reid_edge_benchmarks.cli import bench
from reid_edge_benchmarks.scale.growth import growth_law, growth_text


def measured(**shares: float) -> list[dict[str, Any]]:
    return [{"size": int(size[1:]), "trials": 10**6, "wrong": round(10**6 * share)} for size, share in shares.items()]


def test_independent_individuals_have_an_exponent_of_one() -> None:
    shares = {f"n{size}": 1 - 0.99**size for size in (5, 10, 40)}
    law = growth_law(measured(**shares))
    assert law["exponent"] == pytest.approx(1, abs=0.01)
    for row, share in zip(law["check"], shares.values(), strict=True):
        assert row["independent"] == pytest.approx(share, abs=0.002)
        assert row["fitted"] == pytest.approx(share, abs=0.002)
    assert [row["size"] for row in law["beyond"]] == [40, 400, 4000, 40_000]
    assert law["beyond"][1]["independent"] == pytest.approx(1 - 0.99**400, abs=0.002)


def test_a_share_that_does_not_grow_has_an_exponent_of_zero_and_stays_as_it_is() -> None:
    law = growth_law(measured(n5=0.1, n10=0.1, n40=0.1))
    assert law["exponent"] == pytest.approx(0, abs=0.01)
    assert law["beyond"][-1]["fitted"] == pytest.approx(0.1, abs=0.005)


def test_a_size_without_a_wrong_answer_counts_and_few_wrong_answers_are_no_law() -> None:
    assert growth_law(measured(n5=0.0, n10=0.1))["exponent"] == pytest.approx(2, abs=0.01)  # as steep as is allowed
    none = {"exponent": None, "check": [], "beyond": []}
    assert growth_law([{"size": 5, "trials": 24, "wrong": 3}, {"size": 10, "trials": 24, "wrong": 4}]) == none
    assert growth_law(measured(n5=0.5)) == none
    row = {"size": 5, "trials": 24, "wrong": 3, "share": 0.125, "low": 0.03, "high": 0.4, "asked": 0.88}
    assert "Of herd too few answers were wrong" in growth_text({"sets": {"herd": {"measured": [row], **none}}})


def test_every_query_is_asked_as_a_stranger(few_samples: Path, tmp_path: Path) -> None:
    with few_samples.open(newline="", encoding="utf-8") as table:
        rows = [{**row, "species": "sample animal"} for row in csv.DictReader(table)]
    herd = tmp_path / "herd" / "metadata.csv"
    herd.parent.mkdir()
    with herd.open("w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    out = tmp_path / "growth.json"
    done = CliRunner().invoke(bench, ["growth", str(herd), "--threads", "1", "--json", str(out)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    figures = json.loads(out.read_text(encoding="utf-8"))
    one = figures["sets"]["herd"]
    assert (one["individuals"], one["queries"]) == (3, 3)
    assert [(row["size"], row["trials"]) for row in one["measured"]] == [(2, 3)]
    assert growth_text(figures) in done.stdout
