"""`bench systems measure --resume` keeps the sets that were measured with the same pack, folds and seed."""

from __future__ import annotations

from pathlib import Path

import pytest

from reid_edge_benchmarks.results import write_json
from reid_edge_benchmarks.systems.measuring import measured_before

FACTS = {"recipe": "field", "pack": "a1", "seed": 0}


@pytest.mark.parametrize(
    ("changed", "kept"), [({}, {"zebra": {"photos": 3}}), ({"pack": "b2"}, {}), ({"seed": 1}, {}), ({"masks": True}, {})]
)
def test_sets_are_kept_where_all_that_decides_is_the_same(changed: dict[str, object], kept: object, tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    write_json(path, {"machine": {}, **FACTS, "sets": {"zebra": {"photos": 3}}})
    assert measured_before(path, {**FACTS, **changed}) == kept
    assert measured_before(tmp_path / "none.json", FACTS) == {}
