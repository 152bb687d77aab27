"""Tables as people's programs save them: separators, encodings, blank rows; every row knows its line in the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from reid_edge.errors import UsageError
from reid_edge.storage.table import read_table

ROWS = [["identity", "path"], ["Asha", "a, b.jpg"], ["Bela; the second", "b.jpg"]]


def written(separator: str) -> str:
    return "".join(separator.join(f'"{cell}"' if set(cell) & set(",;") else cell for cell in row) + "\r\n" for row in ROWS)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_every_separator_and_encoding_of_spreadsheets_is_read(tmp_path: Path, separator: str, encoding: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(written(separator).encode(encoding))
    table = read_table(path)
    assert table.columns == ("identity", "path")
    assert [tuple(row.values()) for _, row in table.rows] == [tuple(row) for row in ROWS[1:]]


def test_blank_rows_are_left_out_and_the_others_keep_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('\nidentity;path;;\n;;;\n Asha ;"two\nlines.jpg";;\n\n   \nBela;b.jpg;;\n;;;\n')
    table = read_table(path)
    assert table.header_line == 2
    assert table.rows == ((4, {"identity": "Asha", "path": "two\nlines.jpg"}), (8, {"identity": "Bela", "path": "b.jpg"}))


def test_the_first_line_that_excel_writes_names_the_separator(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("sep=;\nidentity;path\nAsha;a,b,c.jpg\n")
    assert read_table(path).rows == ((3, {"identity": "Asha", "path": "a,b,c.jpg"}),)


def test_a_table_of_one_column_and_an_empty_file_are_tables(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("identity\nAsha\n")
    assert read_table(path).rows == ((2, {"identity": "Asha"}),)
    path.write_text("")
    assert read_table(path).columns == ()


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"a,b\n1,2\n\n1\n", "Row 4 of .* another number of cells than its header"),
        (b"a,b\n1,2,3\n", "Row 2 of"),
        (b"a,a\n1,2\n", "has the column 'a' twice"),
        (b"a,b\n\xff\xfe,2\n", "is not UTF-8 text"),
        (b'a,b\n"1"1,2\n', "cannot be read as CSV"),
    ],
)
def test_a_file_that_is_no_table_is_refused_and_the_line_named(tmp_path: Path, data: bytes, problem: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=problem):
        read_table(path)
