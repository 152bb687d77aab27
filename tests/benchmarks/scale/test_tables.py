"""Targets are met, missed or not measured, and whether parts pay is said with the figures that say so."""

from __future__ import annotations

from typing import Any

from reid_edge_benchmarks.scale.parts import ITERATIVE, OWN, PRODUCT
from reid_edge_benchmarks.scale.tables import crossing_text, parts_text, targets_table


def figures(milliseconds: float, recall: float, size: int = 1_000_000) -> dict[str, Any]:
    asked = [{"asked": 200, "search": {"p50": milliseconds, "p95": 1.0}, "recall": recall}]
    return {"catalogue": [{"size": size, "index": {"chosen": 200, "asked": asked}}]}


def cells(table: str, what: str) -> list[str]:
    (line,) = [line for line in table.splitlines() if what in line]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_targets_are_met_missed_or_not_measured() -> None:
    good = targets_table(figures(12.3, 0.981))
    assert cells(good, "nearest 50")[2:] == ["12.3 ms", "met"]
    assert cells(good, "recall")[2:] == ["0.981", "met"]
    assert cells(good, "beside the file")[2:] == ["not measured", ""]
    bad = targets_table(figures(31, 0.9))
    assert [cells(bad, what)[3] for what in ("nearest 50", "recall")] == ["missed", "missed"]
    assert cells(targets_table(figures(1, 1, size=1000)), "nearest 50")[2] == "not measured"
    whole = {store: {"whole": {"p50": value}} for store, value in (("file", 400.0), ("server", 600.0))}
    ratio = targets_table({**figures(1, 1), "identify": {"size": 100_000, "ratio": {}, **whole}})
    assert cells(ratio, "beside the file")[2:] == ["1.5 times", "missed"]


def test_a_part_pays_where_its_own_index_saves_more_than_a_search_may_take() -> None:
    def row(part: str, way: str, p50: float) -> dict[str, Any]:
        return {"part": part, "way": way, "search": {"p50": p50}, "recall": 0.99}

    ways = [("species", 30.0), ("region", 12.0)]
    parts = [row(part, way, p50 if way == PRODUCT else 4.0) for part, p50 in ways for way in (PRODUCT, ITERATIVE, OWN)]
    text = parts_text({"size": 1_000_000, "parts": parts})
    assert "an index of each species pays: 4.0 ms (recall 0.990) in the place of 30.0 ms" in text
    assert "an index of each region does not pay: 4.0 ms" in text
    assert parts_text({"size": 10, "parts": []}) == ""


def test_the_crossing_is_rounded_and_said_in_a_sentence() -> None:
    law = {"start": 0.0, "per_million": 100.0, "index_start": 2.0, "index_per_e": 0.1, "crossing": 31_234.5}
    assert "from about 31,000 vectors of 384 values on" in crossing_text({"laws": law, "dimension": 384})
    assert "slower at all sizes" in crossing_text({"laws": {**law, "crossing": None}, "dimension": 384})
