"""Labelled photos as the calibration reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from reid_edge.errors import UsageError
from reid_edge_calibration.labels.labelled_set import read_labelled_set

HEADER = "image_id,identity,path,species,split,fold\n"


@pytest.fixture
def metadata(tmp_path: Path) -> Path:
    for name, content in {"a": b"one", "b": b"two", "again": b"one", "c": b"three"}.items():
        (tmp_path / f"{name}.jpg").write_bytes(content)
    (tmp_path / "metadata.csv").write_text(
        HEADER
        + "1,Ada,a.jpg,okapi,database,calibrate\n2,Bo,b.jpg,okapi,database,calibrate\n"
        + "3,Ada,again.jpg,okapi,query,calibrate\n4,Bo,c.jpg,okapi,query,calibrate\n"
    )
    return tmp_path / "metadata.csv"


def test_a_query_that_is_a_database_photo_too_is_left_out_and_named(metadata: Path) -> None:
    labelled = read_labelled_set(metadata, "calibrate")
    assert [row.path.name for row in labelled.queries] == ["c.jpg"]
    assert len(labelled.database) == 2
    assert len(labelled.notes) == 1
    assert "again.jpg" in labelled.notes[0]


def test_without_such_a_photo_there_is_nothing_to_note(metadata: Path) -> None:
    (metadata.parent / "again.jpg").write_bytes(b"another")
    labelled = read_labelled_set(metadata, None)
    assert len(labelled.queries) == 2
    assert labelled.notes == ()


def test_several_species_in_one_file_are_refused(metadata: Path) -> None:
    metadata.write_text(metadata.read_text().replace("4,Bo,c.jpg,okapi", "4,Bo,c.jpg,nyala"))
    with pytest.raises(UsageError, match="nyala, okapi"):
        read_labelled_set(metadata, None)
