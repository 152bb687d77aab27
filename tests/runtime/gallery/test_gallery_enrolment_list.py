"""What a folder, a table or a photo asks to enrol, and which row or file is named when it cannot be."""

from __future__ import annotations

import os

import pytest

from reid_edge.errors import StorageError, UsageError
from reid_edge.gallery.enrolment_list import Enrolment, read_enrolments, read_source
from reid_edge.gallery.given_box import GivenBox

pytestmark = pytest.mark.file_only

HEADER = "image_id,identity,path,date,orientation,species,split,dataset,encounter,fold\n"


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_a_folder_per_individual_names_her_however_deep_her_photos_lie(folder):
    touch(
        folder, "Zoe/1.JPG", "Zoe/2024/may/2.png", "🦓/3.webp", "Anna/notes.txt", "Zoe/.hidden.jpg", ".cache/x/4.jpg", "readme.md"
    )
    assert [
        (one.path.relative_to(folder).as_posix(), one.identity, one.species) for one in read_source(folder, species="zebra")
    ] == [
        ("Zoe/1.JPG", "Zoe", "zebra"),
        ("Zoe/2024/may/2.png", "Zoe", "zebra"),
        ("🦓/3.webp", "🦓", "zebra"),
    ]


def test_a_photo_in_no_individuals_folder_is_not_left_out_silently(folder):
    touch(folder, "Zoe/1.jpg", "loose.jpg")
    with pytest.raises(UsageError, match=r"loose\.jpg lies in no individual's folder"):
        read_source(folder)


def test_one_photo_or_a_folder_of_photos_may_show_one_named_individual(folder):
    touch(folder, "a.jpg", "more/b.tif")
    assert read_source(folder / "a.jpg", identity=" Zoe ", viewpoint="left") == [Enrolment(folder / "a.jpg", "Zoe", "", "left")]
    assert {one.identity for one in read_source(folder, identity="Zoe")} == {"Zoe"}
    with pytest.raises(UsageError, match="individual must be named"):
        read_source(folder / "a.jpg")


def test_a_table_tells_everything_and_its_paths_start_at_the_table(folder):
    rows = (
        "1,Zoe,images/1.jpg,2024-05-01,Left,,database,Z,e1,evaluate\n2,Anna,/photos/2.jpg,,unknown,tiger,query,Z,e2,calibrate\n"
    )
    (folder / "metadata.csv").write_text("\ufeff" + HEADER + rows, "utf-8")
    first, second = read_source(folder, species="zebra")
    assert first == Enrolment(folder / "images/1.jpg", "Zoe", "zebra", "left", "2024-05-01", "e1")
    assert (str(second.path), second.species, second.viewpoint) == ("/photos/2.jpg", "tiger", "")
    assert read_source(folder / "metadata.csv", split="query", species="zebra") == [second]
    assert read_source(folder, fold="evaluate", species="zebra") == [first]


def test_positions_and_places_are_read_where_the_table_has_them(folder):
    (folder / "a.csv").write_text("identity,path,latitude,longitude,place\nZoe,1.jpg,-1.5,36.8,Ol Pejeta\nAnna,2.jpg,,,\n")
    first, second = read_source(folder / "a.csv")
    assert (first.latitude, first.longitude, first.place) == (-1.5, 36.8, "Ol Pejeta")
    assert (second.latitude, second.longitude, second.place) == (None, None, "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column 'identity' in row 1"),
        ("identity:path\nZoe:1.jpg\n", "no column 'identity' in row 1; it has identity:path"),
        ("identity,file\nZoe,1.jpg\n", "no column 'path'"),
        ("identity,path\n,1.jpg\n", "names no individual, only empty cells"),
        ("identity,path\nunknown,1.jpg\nNA,2.jpg\n", "names no individual, only unknown, NA"),
        ('identity,path,bbox\nZoe,1.jpg,"1, 2, 3"\n', "Row 2 of .* has the box '1, 2, 3'"),
        ('identity,path,bbox\nZoe,1.jpg,"1, 2, 0, 3"\n', "Row 2 of .* has the box"),
        ("identity,path,animal\nZoe,1.jpg,0\n", "Row 2 of .* has the animal '0'"),
        ('identity,path,bbox\nZoe,1.jpg,"1 2 3 4"\nAnna,1.jpg,\n', "Row 3 of .* the same photo as row 2"),
        ("identity,path\nZoe,1.jpg\nZoe,\n", "Row 3 of .* has no path"),
        ("identity,path\nZoe,1.jpg\nAnna,2.jpg\nZoe,1.jpg\n", "Row 4 of .* the same photo as row 2"),
        ("identity,path\nZoe,1.jpg,left\n", "Row 2 of .* another number of cells"),
        ("identity,path\nZoe\n", "Row 2 of .* another number of cells"),
        ("identity,path\nZo\x07e,1.jpg\n", "Row 2 of .* control character"),
        ("identity,path,latitude\nZoe,1.jpg,95\n", "Row 2 of .* has the latitude '95'"),
        ("identity,path,longitude\nZoe,1.jpg,east\n", "Row 2 of .* has the longitude 'east'"),
        ("identity,path\n", "metadata.csv has no row"),
        ('identity,path\n"Zoe"x,1.jpg\n', "cannot be read as CSV"),
        ("identity,path\nZo\udcff,1.jpg\n", "is not UTF-8"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused_with_the_row(folder, text, message):
    (folder / "metadata.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match=message):
        read_source(folder)


def test_rows_of_another_split_need_no_identity(folder):
    (folder / "metadata.csv").write_text("identity,path,split\nZoe,1.jpg,database\n,2.jpg,query\n")
    assert len(read_source(folder, split="database")) == 1
    with pytest.raises(UsageError, match="no column 'fold'"):
        read_source(folder, fold="evaluate")


def test_options_that_do_not_fit_the_source_are_refused(folder):
    touch(folder, "photos/Zoe/1.jpg", "notes.txt")
    (folder / "metadata.csv").write_text("identity,path\nZoe,1.jpg\n")
    for path, options in (
        (folder / "photos", {"split": "database"}),
        (folder / "metadata.csv", {"identity": "Zoe"}),
        (folder / "notes.txt", {"identity": "Zoe"}),
        (folder / "photos" / "Zoe" / "1.jpg", {}),
        (folder / "absent", {}),
    ):
        with pytest.raises(UsageError):
            read_source(path, **options)


def test_an_empty_folder_is_named(folder):
    with pytest.raises(UsageError, match="holds no photo"):
        read_source(folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_named(folder):
    touch(folder, "Zoe/1.jpg")
    (folder / "Zoe").chmod(0)
    with pytest.raises(StorageError, match="Zoe"):
        read_source(folder)


def test_the_tables_beside_the_project_are_read_whole(shared):
    for species in ("zebra", "tiger", "turtle", "nyala"):
        enrolments = read_source(shared / "data" / species, split="database")
        assert len(enrolments) > 50
        assert all(enrolment.path.is_file() for enrolment in enrolments)


def test_a_table_of_excel_on_windows_is_read(tmp_path):
    (tmp_path / "Images").mkdir()
    photos = [tmp_path / "Images" / name for name in ("a.jpg", "b.JPG")]
    for photo in photos:
        photo.write_bytes(b"")
    text = "identity;path;date\r\nAsha;images\\a.jpg;\r\n;;\r\nBela;images\\b.jpg;2024-05-01\r\n;;\r\n"
    (tmp_path / "metadata.csv").write_bytes(text.encode("utf-16"))
    assert [(each.identity, each.path) for each in read_source(tmp_path)] == [("Asha", photos[0]), ("Bela", photos[1])]


def test_an_error_names_the_line_of_the_file(tmp_path):
    (tmp_path / "metadata.csv").write_text("identity,path,latitude\n\n,,\nAsha,a.jpg,95\n")
    with pytest.raises(UsageError, match="Row 4 of"):
        read_source(tmp_path)


def test_rows_and_folders_of_nobody_are_left_out_with_a_count(folder):
    rows = "Zoe,1.jpg\nunknown,2.jpg\nUnknown,3.jpg\nNA,4.jpg\n,5.jpg\nn/a,6.jpg\nunknown,7.jpg\n"
    (folder / "a.csv").write_text("identity,path\n" + rows)
    listed = read_enrolments(folder / "a.csv")
    assert [one.identity for one in listed.enrolments] == ["Zoe"]
    assert listed.unidentified == {"unknown": 2, "Unknown": 1, "NA": 1, "": 1, "n/a": 1}
    touch(folder, "photos/unidentified/1.jpg", "photos/Zoe/2.jpg", "photos/__/3.jpg")
    listed = read_enrolments(folder / "photos")
    assert ([one.identity for one in listed.enrolments], listed.unidentified) == (["Zoe"], {"__": 1, "unidentified": 1})
    with pytest.raises(UsageError, match="'unknown' stands for"):
        read_enrolments(folder / "photos", identity="unknown")


def test_a_cell_that_says_that_nothing_is_known_says_nothing(folder):
    (folder / "a.csv").write_text("identity,path,species,date,encounter,latitude,viewpoint\nZoe,1.jpg,NA,?,none,nan,n/a\n")
    (row,) = read_enrolments(folder / "a.csv", species="zebra", viewpoint="left").enrolments
    assert row == Enrolment(folder / "1.jpg", "Zoe", "zebra", "")


@pytest.mark.parametrize(
    ("header", "cells", "box"),
    [
        ("bbox", '"[10, 20, 30, 40]"', GivenBox(10, 20, 40, 60, False)),
        ("bounding box", '"10 20 30.5 40"', GivenBox(10, 20, 40.5, 60, False)),
        ("Bounding_Box", '"[0.25, 0.5, 0.5, 0.25]"', GivenBox(0.25, 0.5, 0.75, 0.75, True)),
        ('"bbox (x0, y0, x1, y1)"', '"10,20,30,40"', GivenBox(10, 20, 30, 40, False)),
        ("bbox_xyxy", '"(0.1, 0.2, 0.5, 0.75)"', GivenBox(0.1, 0.2, 0.5, 0.75, True)),
        ("x,y,w,h", "10,20,30,40", GivenBox(10, 20, 40, 60, False)),
        ("xmin,ymin,xmax,ymax", "10,20,30,40", GivenBox(10, 20, 30, 40, False)),
        ("x1,y1,x2,y2", "10,20,30,40", GivenBox(10, 20, 30, 40, False)),
        ("bboxX,bboxY,bboxWidth,bboxHeight", "0,0,1,1", GivenBox(0, 0, 1, 1, True)),
        ("bbox", "nan", None),
        ("bbox", "", None),
    ],
)
def test_boxes_are_read_in_the_spellings_that_tables_have(folder, header, cells, box):
    (folder / "a.csv").write_text(f"identity,path,{header}\nZoe,1.jpg,{cells}\n")
    listed = read_enrolments(folder / "a.csv")
    assert (listed.enrolments[0].box, listed.unused_columns) == (box, ())


def test_a_box_in_shares_becomes_pixels_of_the_photo():
    assert GivenBox(0.25, 0.5, 0.75, 1, True).pixels(400, 200) == (100, 100, 300, 200)
    assert GivenBox(1, 2, 30, 40, False).pixels(400, 200) == (1, 2, 30, 40)


def test_several_animals_of_a_photo_are_several_rows(folder):
    (folder / "a.csv").write_text(
        'identity,path,bbox\nZoe,1.jpg,"1 2 30 40"\nAnna,1.jpg,"50 2 30 40"\nunknown,1.jpg,"90 2 30 40"\n'
    )
    assert [one.identity for one in read_source(folder / "a.csv")] == ["Zoe", "Anna"]
    (folder / "a.csv").write_text("identity,path,animal\nZoe,1.jpg,1\nAnna,1.jpg,2.0\n")
    assert [(one.identity, one.animal) for one in read_source(folder / "a.csv")] == [("Zoe", 1), ("Anna", 2)]


def test_a_column_that_nothing_is_read_from_is_named(folder):
    (folder / "a.csv").write_text("image_id,identity,path,dataset,sex,age,Box\n1,Zoe,1.jpg,Z,f,7,\n")
    assert read_enrolments(folder / "a.csv").unused_columns == ("sex", "age")
