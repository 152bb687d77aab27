"""A gallery leaves as a file and comes back the same; a file that is not one changes nothing."""

from __future__ import annotations

import csv
import io
import json
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reid_edge.errors import GalleryError, ReidEdgeError, StorageError, UsageError
from reid_edge.gallery import Gallery
from reid_edge.gallery.enrolment_list import read_source
from reid_edge.gallery.portable import Conflict, export_gallery, import_gallery

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def archive(gallery, add, folder):
    """The export of a gallery with two individuals, one removed sighting and features under two keys."""
    first = add(
        gallery, 1, "Zoe", thumbnail=b"\xff\xd8small", box=(0, 1, 2, 3), latitude=1.5, taken_at="2024-05-01", viewpoint="left"
    )
    gallery.put_features(first, "ffffffff", {"embedding/other": np.ones(3, np.float16), "flags": np.array([True, False])})
    add(gallery, 2, '🦓, "quoted"', species="plains zebra")
    gallery.remove_sightings([add(gallery, 3, "Anna")])
    gallery.annotate("Zoe", sex="female", notes="torn ear")
    gallery.confirm(gallery.sighting(first).photo_sha256, "Zoe", person="Ana")
    gallery.reject("7" * 64, "Anna", person="Ben")
    export_gallery(gallery, folder / "out.zip")
    return folder / "out.zip"


def test_reviews_of_an_archive_give_way_to_what_this_gallery_says(archive, gallery, other, add):
    number = add(other, 1, "Bea")
    other.add_individual("Anna", other.new_batch())
    other.confirm("7" * 64, "Anna", person="Cem")
    before = other.reviews()
    import_gallery(other, archive)
    assert other.reviews() == before
    assert other.sighting(number).identity == "Bea"


@pytest.fixture
def other(new_place):
    with Gallery.create(new_place("other")) as made:
        yield made


def rewritten(archive, **members):
    """The archive with members replaced (bytes), or left out (None)."""
    with zipfile.ZipFile(archive) as old:
        contents = {name: old.read(name) for name in old.namelist()} | members
    with zipfile.ZipFile(archive, "w") as new:
        for name, data in contents.items():
            if data is not None:
                new.writestr(name, data)


def index_with(archive, change):
    with zipfile.ZipFile(archive) as old:
        index = json.loads(old.read("gallery.json"))
    change(index)
    rewritten(archive, **{"gallery.json": json.dumps(index).encode()})


def test_an_import_into_an_empty_gallery_makes_the_same_gallery(gallery, archive, other):
    report = import_gallery(other, archive)
    assert (report.added, report.present, report.conflicts) == (2, 0, ())
    assert other.content_hash() == gallery.content_hash()
    assert [one.name for one in other.individuals()] == ["Anna", "Zoe", '🦓, "quoted"']


def test_an_export_is_the_same_file_every_time(gallery, archive, folder):
    export_gallery(gallery, folder / "again.zip")
    assert (folder / "again.zip").read_bytes() == archive.read_bytes()


def test_a_second_import_adds_nothing_and_one_undo_takes_an_import_back(archive, other):
    before = other.content_hash()
    import_gallery(other, archive)
    report = import_gallery(other, archive)
    assert (report.added, report.present) == (0, 2)
    other.undo()
    assert other.content_hash() == before


def test_where_two_galleries_disagree_this_one_is_kept_and_the_report_tells(archive, other, add):
    add(other, 1, "Zebediah")
    report = import_gallery(other, archive)
    assert report.conflicts == (Conflict("1.jpg", "Zebediah", "Zoe"),)
    assert (report.added, report.present) == (1, 1)
    assert [one.identity for one in other.sightings(individual="Zebediah")] == ["Zebediah"]


def test_the_table_has_the_columns_of_animalclef_and_can_be_enrolled_again(gallery, archive, folder, add):
    add(gallery, 4, "Zoe", photo_path="/photos/4, first.jpg", longitude=3.25)
    assert export_gallery(gallery, folder / "out.csv") == 3
    rows = list(csv.DictReader(io.StringIO((folder / "out.csv").read_text("utf-8"))))
    assert list(rows[0])[:8] == ["image_id", "identity", "path", "date", "orientation", "species", "split", "dataset"]
    by_path = {one.path.as_posix(): one for one in read_source(folder / "out.csv", split="database")}
    again = by_path["/photos/4, first.jpg"]
    assert (again.identity, again.longitude, again.latitude) == ("Zoe", 3.25, None)


@pytest.mark.file_only
def test_an_export_replaces_the_old_file_only_when_it_is_whole(gallery, archive, small_disk, tmp_path, add):
    out = tmp_path / "disk" / "out.zip"
    export_gallery(gallery, out)
    before = out.read_bytes()
    add(gallery, 9, "Zoe", thumbnail=bytes(2_000_000))
    with pytest.raises(StorageError, match="is full"):
        export_gallery(gallery, out)
    assert out.read_bytes() == before
    assert [file.name for file in out.parent.iterdir()] == ["out.zip"]


@pytest.mark.file_only
def test_only_a_table_or_an_archive_can_be_written(gallery, folder):
    with pytest.raises(UsageError, match=r"cannot be exported as gallery\.sqlite"):
        export_gallery(gallery, gallery.path)


def test_a_missing_archive_is_named(other, folder):
    with pytest.raises(StorageError, match=r"absent\.zip"):
        import_gallery(other, folder / "absent.zip")


BROKEN = {
    "not a zip": lambda path: path.write_bytes(b"PK\x03\x04 no"),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "no index": lambda path: rewritten(path, **{"gallery.json": None}),
    "no table": lambda path: rewritten(path, **{"metadata.csv": None}),
    "a file too many": lambda path: rewritten(path, **{"../../evil.sh": b"#!"}),
    "index is not JSON": lambda path: rewritten(path, **{"gallery.json": b"{"}),
    "index is deep": lambda path: rewritten(path, **{"gallery.json": b"[" * 200_000}),
    "index is a list": lambda path: rewritten(path, **{"gallery.json": b"[]"}),
    "another format": lambda path: index_with(path, lambda index: index.update(format="a pack")),
    "a newer format": lambda path: index_with(path, lambda index: index.update(format_version=2)),
    "no individuals": lambda path: index_with(path, lambda index: index.pop("individuals")),
    "a wrong name": lambda path: index_with(path, lambda index: index["individuals"].append("a\nb")),
    "a name that is a number": lambda path: index_with(path, lambda index: index["individuals"].append(7)),
    "sightings are text": lambda path: index_with(path, lambda index: index.update(sightings="none")),
    "an unknown field": lambda path: index_with(path, lambda index: index["sightings"][0].update(colour="red")),
    "a field missing": lambda path: index_with(path, lambda index: index["sightings"][0].pop("place")),
    "a hash that is a path": lambda path: index_with(
        path, lambda index: index["sightings"][0].update(photo_sha256="../" * 21 + "x")
    ),
    "a wrong type": lambda path: index_with(path, lambda index: index["sightings"][0].update(species=["zebra"])),
    "a wrong box": lambda path: index_with(path, lambda index: index["sightings"][0].update(box="left")),
    "a box that is a number": lambda path: index_with(path, lambda index: index["sightings"][0].update(box=5)),
    "a latitude that is none": lambda path: index_with(path, lambda index: index["sightings"][0].update(latitude=float("nan"))),
    "a sighting twice": lambda path: index_with(path, lambda index: index["sightings"].append(index["sightings"][0])),
    "a feature name that climbs": lambda path: index_with(
        path, lambda index: index["sightings"][0]["features"].append([KEY, "../../x"])
    ),
    "features are numbers": lambda path: index_with(path, lambda index: index["sightings"][0].update(features=[1])),
    "a feature that is missing": lambda path: index_with(
        path, lambda index: index["sightings"][0]["features"].append([KEY, "y"])
    ),
}


@pytest.mark.file_only
@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_archive_is_refused_in_one_sentence_and_changes_nothing(archive, other, folder, how):
    BROKEN[how](archive)
    with pytest.raises(GalleryError) as refused:
        import_gallery(other, archive)
    assert str(archive) in refused.value.message
    assert other.history() == []
    assert other.individuals() == []
    assert not (folder.parent / "evil.sh").exists()


class Payload:
    """Unpickling it would run code."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('code in an archive was run')",))


def npy(array, **options):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **options)
    return file.getvalue()


def npy_that_claims(shape):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return file.getvalue() + bytes(16)


@pytest.mark.file_only
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93NUMPY\x01\x00",
        npy(np.array([Payload()], object), allow_pickle=True),
        npy(np.zeros(3)),
        npy(np.array([np.nan], np.float32)),
        npy(np.asfortranarray(np.ones((3, 2), np.float32))),
        npy_that_claims((10**12,)),
        npy_that_claims((-1, 4)),
        npy_that_claims(()),
    ],
    ids=["empty", "no header", "pickle", "float64", "nan", "fortran", "huge", "negative", "short"],
)
def test_an_array_that_is_not_what_it_says_is_refused_and_changes_nothing(archive, other, data):
    with zipfile.ZipFile(archive) as old:
        (member,) = [name for name in old.namelist() if name.endswith("embedding/other.npy")]
    rewritten(archive, **{member: data})
    with pytest.raises(GalleryError):
        import_gallery(other, archive)
    assert other.sightings() == []
    assert other.history() == []


@pytest.mark.file_only
def test_a_zip_bomb_is_refused_before_it_is_unpacked(archive, other):
    with zipfile.ZipFile(archive) as old:
        (member,) = [name for name in old.namelist() if name.endswith(".jpg")]
        contents = {name: old.read(name) for name in old.namelist()} | {member: bytes(50_000_000)}
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as bomb:
        for name, data in contents.items():
            bomb.writestr(name, data)
    with pytest.raises(GalleryError, match="unpacks to 5"):
        import_gallery(other, archive)


@pytest.mark.file_only
def test_a_thumbnail_that_is_no_thumbnail_is_refused(archive, other):
    with zipfile.ZipFile(archive) as old:
        (member,) = [name for name in old.namelist() if name.endswith(".jpg")]
    rewritten(archive, **{member: np.random.default_rng(0).bytes(5_000_000)})
    with pytest.raises(GalleryError, match="is larger than"):
        import_gallery(other, archive)
    assert other.sightings() == []


@pytest.mark.file_only
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 10**6), value=st.integers(0, 255))
def test_an_archive_with_any_byte_changed_is_imported_whole_or_not_at_all(archive, other, gallery, folder, position, value):
    data = bytearray(archive.read_bytes())
    data[position % len(data)] = value
    (folder / "changed.zip").write_bytes(data)
    before = other.content_hash()
    try:
        import_gallery(other, folder / "changed.zip")
    except ReidEdgeError:
        assert other.content_hash() == before
    else:
        assert other.content_hash() == gallery.content_hash()
        other.undo()
    assert other.content_hash() == before


def test_one_name_on_both_sides_is_one_animal_only_where_a_photo_says_so(gallery, other, folder, add):
    for number, name in ((1, "new-2024-0001"), (2, "Asha"), (3, "Asha"), (4, "Only here")):
        add(gallery, number, name)
    for number, name in ((9, "new-2024-0001"), (2, "asha"), (8, "asha")):
        add(other, number, name)
    export_gallery(gallery, folder / "out.zip")
    report = import_gallery(other, folder / "out.zip")
    assert {(each.name, each.imported_as, each.reason) for each in report.shared_names} == {
        ("new-2024-0001", "new-2024-0001 (2)", "new name"),
        ("Asha", "asha", "same photos"),
    }
    assert (report.added, report.present, report.conflicts) == (3, 1, ())
    assert {one.name: one.sightings for one in other.individuals()} == {
        "new-2024-0001": 1, "new-2024-0001 (2)": 1, "asha": 3, "Only here": 1,
    }  # fmt: skip
    before = other.content_hash()
    add(gallery, 5, "new-2024-0001")
    export_gallery(gallery, folder / "again.zip")
    again = import_gallery(other, folder / "again.zip")
    assert (again.added, again.present, again.conflicts) == (1, 4, ())
    assert other.individual("new-2024-0001 (2)").sightings == 2
    other.undo()
    assert other.content_hash() == before


def test_an_import_takes_equal_names_as_one_animal_where_that_is_said(gallery, other, folder, add):
    add(gallery, 1, "Asha")
    add(other, 2, "Asha")
    export_gallery(gallery, folder / "out.zip")
    (shared,) = import_gallery(other, folder / "out.zip", same_names=True).shared_names
    assert (shared.imported_as, shared.reason) == ("Asha", "same name")
    assert other.individual("Asha").sightings == 2


def test_sightings_of_nobody_in_an_older_export_are_left_out_and_counted(gallery, other, folder, add):
    add(gallery, 1, "unknown")
    add(gallery, 2, "Asha")
    export_gallery(gallery, folder / "out.zip")
    report = import_gallery(other, folder / "out.zip")
    assert (report.added, report.unidentified) == (1, 1)
    assert [one.name for one in other.individuals()] == ["Asha"]
