"""Result files appear whole or not at all, and a folder belongs to one run."""

from __future__ import annotations

import pytest

from reid_edge.bulk.result_files import ResultFiles
from reid_edge.errors import StorageError, UsageError

pa = pytest.importorskip("pyarrow")

SCHEMA = pa.schema([("task", pa.string()), ("status", pa.string())])
RECORD = {"command": "describe", "pack": "a" * 64}


def tasks(files: ResultFiles) -> list[str]:
    return [row["task"] for row in files.rows(("task",))]


def test_rows_of_an_earlier_process_are_read_and_further_ones_go_to_a_file_of_their_own(tmp_path):
    with ResultFiles(tmp_path / "results", RECORD, SCHEMA) as files:
        files.add([{"task": "1", "status": "enrolled"}])
        assert tasks(files) == []
    with ResultFiles(tmp_path / "results", RECORD, SCHEMA) as files:
        assert tasks(files) == ["1"]
        files.add([{"task": "2", "status": "failed"}])
        files.write()
        assert tasks(files) == ["1", "2"]
    assert sorted(path.name for path in (tmp_path / "results").glob("part*")) == ["part-000001.parquet", "part-000002.parquet"]


def test_what_a_killed_process_left_unfinished_is_no_row(tmp_path):
    with ResultFiles(tmp_path / "results", RECORD, SCHEMA) as files:
        files.add([{"task": "1", "status": "enrolled"}])
    unfinished = tmp_path / "results" / "part-000002.parquet.0a.tmp"
    unfinished.write_bytes(b"PAR1 cut off")
    with ResultFiles(tmp_path / "results", RECORD, SCHEMA) as files:
        assert tasks(files) == ["1"]
    assert not unfinished.exists()


def test_the_folder_of_another_run_is_refused_and_says_what_differs(tmp_path):
    ResultFiles(tmp_path / "results", RECORD, SCHEMA).close()
    with pytest.raises(UsageError, match="of another run: its pack differs"):
        ResultFiles(tmp_path / "results", {**RECORD, "pack": "b" * 64}, SCHEMA)


def test_a_folder_of_other_files_is_refused(tmp_path):
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(UsageError, match="holds other files"):
        ResultFiles(tmp_path, RECORD, SCHEMA)


def test_two_processes_do_not_write_into_one_folder(tmp_path):
    with ResultFiles(tmp_path / "results", RECORD, SCHEMA), pytest.raises(UsageError, match="Another process"):
        ResultFiles(tmp_path / "results", RECORD, SCHEMA)


def test_failed_rows_are_removed_to_be_made_again(tmp_path):
    with ResultFiles(tmp_path / "results", RECORD, SCHEMA) as files:
        files.add([{"task": "1", "status": "failed"}, {"task": "2", "status": "enrolled"}])
        files.write()
        assert files.remove("status", ["failed"]) == 1
        assert tasks(files) == ["2"]


def test_a_damaged_file_is_an_error_that_says_what_to_do(tmp_path):
    with ResultFiles(tmp_path / "results", RECORD, SCHEMA) as files:
        (tmp_path / "results" / "part-000001.parquet").write_bytes(b"no Parquet")
        with pytest.raises(StorageError) as caught:
            tasks(files)
    assert "Delete it" in caught.value.hint
