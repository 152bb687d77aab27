"""CSV tables: what is taken from a row, and which row is wrong."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from reid_edge.errors import UsageError
from reid_edge_calibration.labels.csv_table import read_csv_table


def table(folder: Path, text: str) -> Path:
    path = folder / "metadata.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_row_of_animalclef_says_who_when_where_and_on_which_side(tmp_path: Path) -> None:
    (photo,) = read_csv_table(
        table(
            tmp_path,
            "image_id,identity,path,date,orientation,species,split,dataset,encounter,fold,place\n"
            "1,Ada,images/a.jpg,2020-01-31,Left,okapi,query,D,e7,calibrate,ford\n",
        )
    )
    taken = photo.enrolment
    assert (taken.path, taken.identity, taken.species) == (tmp_path / "images" / "a.jpg", "Ada", "okapi")
    assert (taken.viewpoint, taken.taken_at, taken.encounter, taken.place) == ("left", "2020-01-31", "e7", "ford")
    assert (photo.split, photo.fold, photo.where, photo.animal) == ("query", "calibrate", "row 2", False)


def test_a_wildlife_datasets_frame_is_read_as_pandas_writes_it(tmp_path: Path) -> None:
    # pandas 2.2, numpy 2.1: DataFrame(...).to_csv(path), a list, an array and a missing value in bbox, an RLE of 200,000 characters
    rows = (
        ",image_id,identity,path,bbox,date,keypoints,orientation,segmentation,species\n"
        '0,0,12,a.jpg,"[12, 30, 200.0, 150]",2011-05-01 00:00:00,"[1.0, 2.0]",unknown,,zebra\n'
        f"1,1,unknown,b.jpg,\"[  1.5   2.  -0.  10. ]\",,,right,\"{{'size': [4, 4], 'counts': '{'a' * 200_000}'}}\",zebra\n"
        '2,2,13,c.jpg,"[np.float64(1.0), np.float64(2.0), np.float64(3.0), np.float64(4.0)]",,,,nan,zebra\n'
        "3,3,13,d.jpg,nan,,,,,zebra\n"
    )
    limit = csv.field_size_limit()
    photos = read_csv_table(table(tmp_path, rows))
    assert csv.field_size_limit() == limit
    assert [photo.enrolment.identity for photo in photos] == ["12", "", "13", "13"]
    assert [photo.area for photo in photos] == [30_000, 0, 12, None]
    assert [photo.animal for photo in photos] == [True, True, True, False]
    assert [photo.enrolment.taken_at for photo in photos] == ["2011-05-01 00:00:00", "", "", ""]
    assert [photo.enrolment.viewpoint for photo in photos] == ["", "right", "", ""]


def test_rows_without_identity_are_counted_and_named(tmp_path: Path) -> None:
    path = table(tmp_path, "identity,path\nAda,a.jpg\n,b.jpg\nnan,c.jpg\n")
    with pytest.raises(UsageError, match=r"2 rows of .* have no identity: row 3, 4\.") as raised:
        read_csv_table(path)
    assert "unknown" in raised.value.hint


def test_rows_of_other_folds_are_not_looked_at(tmp_path: Path) -> None:
    path = table(tmp_path, "identity,path,fold\n,a.jpg,competition\nBo,b.jpg,calibrate\n")
    assert [photo.enrolment.identity for photo in read_csv_table(path, "calibrate")] == ["Bo"]
    with pytest.raises(UsageError, match="no row with fold 'evaluate'"):
        read_csv_table(path, "evaluate")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name,path\nAda,a.jpg\n", "no column 'identity' in row 1; it has name, path"),
        ("", "no column 'identity' in row 1; it has none"),
        ("identity,path\nAda,a.jpg\nBo\n", "Row 3 .* another number of cells"),
        ("identity,path\nAda,\n", "Row 2 .* has no path"),
        ("identity,path\nA\x07da,a.jpg\n", "Row 2 .* control character"),
        ('identity,path,bbox\nAda,a.jpg,"[1, 2, 3]"\n', r"Row 2 .* has the bbox '\[1, 2, 3\]'"),
        ('identity,path\nAda,a.jpg\nBo,"b.jpg\n', "cannot be read as CSV"),
    ],
)
def test_a_wrong_table_is_refused_by_row(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem) as raised:
        read_csv_table(table(tmp_path, text))
    assert raised.value.hint


def test_a_table_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "metadata.csv"
    path.write_bytes("identity,path\nÄda,a.jpg\n".encode("latin-1"))
    with pytest.raises(UsageError, match="not UTF-8"):
        read_csv_table(path)


def test_a_table_with_semicolons_blank_rows_and_backslashes_is_read(tmp_path):
    (tmp_path / "img").mkdir()
    (tmp_path / "img" / "a.JPG").write_bytes(b"")
    (tmp_path / "metadata.csv").write_text("identity;path\n\n;\nAda;IMG\\a.jpg\n")
    (photo,) = read_csv_table(tmp_path / "metadata.csv")
    assert (photo.where, photo.enrolment.path) == ("row 4", tmp_path / "img" / "a.JPG")
