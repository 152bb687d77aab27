"""Photos are named by folders, by tables and one by one."""

from __future__ import annotations

import pytest

from reid_edge.bulk.source import source_paths
from reid_edge.errors import UsageError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def folder(tmp_path):
    for name in ("a/1.jpg", "a/b/2.JPG", "a/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "list.csv").write_text("path,identity\na/1.jpg,Asha\na/missing.jpg,Enzi\n")
    pq.write_table(pa.table({"path": ["a/b/2.JPG", "a/1.jpg"], "identity": ["Asha", None]}), tmp_path / "list.parquet")
    return tmp_path


def test_folders_tables_and_photos_are_listed_each_file_once(folder):
    listed = source_paths([folder / "a", folder / "list.csv", folder / "list.parquet", folder / "a" / "1.jpg"])
    assert [path.relative_to(folder).as_posix() for path in listed] == ["a/1.jpg", "a/b/2.JPG", "a/missing.jpg"]


@pytest.mark.parametrize(
    ("name", "message"), [("nothing", "There is nothing at"), ("empty", "names no photo"), ("bare.csv", "has no column 'path'")]
)
def test_a_source_that_names_no_photo_is_refused(folder, name, message):
    (folder / "empty").mkdir()
    (folder / "bare.csv").write_text("photo\na.jpg\n")
    with pytest.raises(UsageError, match=message):
        source_paths([folder / name])
