"""What `bench bulk` counts as lost and as doubled."""

from __future__ import annotations

import hashlib

import pytest

from reid_edge.bulk.result_files import ResultFiles
from reid_edge.gallery import Gallery, NewSighting
from reid_edge_benchmarks.bulk_work import lost_and_doubled

pa = pytest.importorskip("pyarrow")


@pytest.fixture
def photos(tmp_path):
    return [tmp_path / f"{number}.jpg" for number in range(3)]


@pytest.fixture
def counted(tmp_path, photos):
    """counted(sightings, rows): lost and doubled, with so many sightings and rows of each photo."""

    def count(sightings: list[int], rows: list[int]) -> tuple[int, int]:
        with Gallery.create(tmp_path / "g.sqlite") as gallery:
            for photo, number in zip(photos, sightings, strict=True):
                for index in range(number):
                    sha256 = hashlib.sha256(photo.name.encode()).hexdigest()
                    new = NewSighting(identity="Asha", photo_sha256=sha256, animal_index=index, photo_path=str(photo))
                    gallery.add_sighting(new, {}, "ab" * 16, "batch")
        schema = pa.schema([("path", pa.string()), ("status", pa.string())])
        with ResultFiles(tmp_path / "results", {}, schema) as files:
            named = zip(photos, rows, strict=True)
            files.add([{"path": str(photo), "status": "enrolled"} for photo, number in named for _ in range(number)])
        return lost_and_doubled(tmp_path / "g.sqlite", tmp_path / "results", photos)

    return count


@pytest.mark.parametrize(
    ("sightings", "rows", "expected"),
    [
        ([1, 1, 1], [1, 1, 1], (0, 0)),
        ([1, 0, 1], [1, 1, 1], (1, 0)),
        ([1, 1, 1], [0, 1, 1], (1, 0)),
        ([2, 1, 1], [1, 1, 3], (0, 3)),
    ],
)
def test_a_photo_without_a_sighting_or_a_row_is_lost_and_more_than_one_of_either_is_doubled(counted, sightings, rows, expected):
    assert counted(sightings, rows) == expected
