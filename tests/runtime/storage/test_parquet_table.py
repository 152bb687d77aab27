"""A Parquet file is read as the CSV file with the same cells."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from reid_edge.errors import UsageError
from reid_edge.gallery.enrolment_list import read_source
from reid_edge.storage.table import read_table

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def test_cells_are_text_and_rows_without_any_are_left_out(tmp_path):
    columns = {
        "path": ["a.jpg", None, "b.jpg"],
        "date": [datetime(2026, 5, 1, 6, 30), None, datetime(2026, 5, 2)],
        "day": [date(2026, 5, 1), None, None],
        "latitude": [51.5, None, float("nan")],
        "animal": [2, None, None],
    }
    pq.write_table(pa.table(columns), tmp_path / "list.parquet")
    table = read_table(tmp_path / "list.parquet")
    assert table.columns == tuple(columns)
    assert table.rows == (
        (1, {"path": "a.jpg", "date": "2026-05-01T06:30:00", "day": "2026-05-01", "latitude": "51.5", "animal": "2"}),
        (3, {"path": "b.jpg", "date": "2026-05-02T00:00:00", "day": "", "latitude": "", "animal": ""}),
    )


def test_a_list_of_known_individuals_is_enrolled_as_a_csv_file_is(tmp_path):
    boxes = pa.array([None, [1.0, 2.0, 30.0, 40.0]], pa.list_(pa.float64()))
    columns = {"path": ["1.jpg", "2.jpg"], "identity": ["Asha", "Enzi"], "latitude": [51.5, None], "animal": [2, None]}
    pq.write_table(pa.table({**columns, "bbox": boxes}), tmp_path / "known.parquet")
    first, second = read_source(tmp_path / "known.parquet")
    assert (first.path, first.identity, first.latitude, first.animal, first.box) == (tmp_path / "1.jpg", "Asha", 51.5, 2, None)
    assert (second.box.x1, second.box.y1) == (31.0, 42.0)


def test_a_file_that_is_no_parquet_is_refused(tmp_path):
    (tmp_path / "bad.parquet").write_bytes(b"text")
    with pytest.raises(UsageError, match="cannot be read as Parquet"):
        read_table(tmp_path / "bad.parquet")
