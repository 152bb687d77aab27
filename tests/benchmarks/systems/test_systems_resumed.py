"""`bench systems measure --resume` keeps the sets that were measured with the same pack, photos, folds and seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge_benchmarks.results import write_json
from reid_edge_benchmarks.systems.measuring import measured_before, photos_of
from reid_edge_calibration.labels.labelled_set import LabelledSet

FACTS = {"recipe": "field", "pack": "a1", "seed": 0}


def labelled(fold: str, *photos: str) -> LabelledSet:
    database, *queries = (Enrolment(Path(f"{photo}.jpg"), photo[0]) for photo in photos)
    return LabelledSet("zebra", fold, (database,), tuple(queries), "plains zebra")


FITTED = (labelled("calibrate", "a1", "a2", "b1"), labelled("evaluate", "c1", "c2", "d1"))


@pytest.mark.parametrize(
    ("changed", "kept"), [({}, True), ({"pack": "b2"}, False), ({"seed": 1}, False), ({"masks": True}, False)]
)
def test_sets_are_kept_where_all_that_decides_is_the_same(changed: dict[str, object], kept: bool, tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    sets = {"zebra": {"photos": photos_of(*FITTED), "system": {}}}
    write_json(path, {"machine": {}, **FACTS, "sets": sets})
    assert measured_before(path, {**FACTS, **changed}, [FITTED]) == (sets if kept else {})
    assert measured_before(tmp_path / "none.json", FACTS, [FITTED]) == {}


def test_a_set_of_which_other_photos_were_drawn_is_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    fit, report = FITTED
    write_json(path, {"machine": {}, **FACTS, "sets": {"zebra": {"photos": photos_of(fit, report)}}})
    other = replace(report, queries=labelled("evaluate", "c1", "c3", "d1").queries)
    assert measured_before(path, FACTS, [(fit, other)]) == {}
    assert measured_before(path, FACTS, []) == {}
