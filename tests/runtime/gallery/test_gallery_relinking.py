"""Photos that were moved are found again by their content, and what is missing is listed."""

from __future__ import annotations

import hashlib

import pytest

from reid_edge.errors import UsageError
from reid_edge.gallery import NewSighting
from reid_edge.gallery.check import missing_photos
from reid_edge.gallery.relinking import relink

pytestmark = pytest.mark.file_only


@pytest.fixture
def enrolled(gallery, folder):
    """enrolled(path, content, place): a sighting of a file with this content, noted as at `place`; the file lies below `new`."""

    def make(name: str, content: bytes, noted: str, animal_index: int = 0) -> int:
        path = folder / "new" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        sighting = NewSighting(
            photo_sha256=hashlib.sha256(content).hexdigest(),
            identity="Zoe" if animal_index == 0 else "Anna",
            animal_index=animal_index,
            photo_name=noted.replace("\\", "/").rsplit("/", 1)[-1],
            photo_path=noted,
        )
        return gallery.add_sighting(sighting, {}, "", gallery.new_batch())

    return make


def test_photos_of_a_moved_folder_are_found_below_the_new_one_and_one_undo_takes_it_back(gallery, enrolled, folder):
    enrolled("a/1.jpg", b"one", "/card/photos/a/1.jpg")
    enrolled("a/1.jpg", b"one", "/card/photos/a/1.jpg", animal_index=1)
    enrolled("sorted/2.jpg", b"two", "/card/photos/2.jpg")
    enrolled("3.jpg", b"three", "/card/photos/3.jpg")
    enrolled("4.jpg", b"four", "/card/photos of others/4.jpg")
    (folder / "new" / "3.jpg").write_bytes(b"another photo")
    content = gallery.content_hash()
    result = relink(gallery, "/card/photos/", folder / "new")
    assert (len(result.found), [seen.photo_name for seen in result.missing]) == (3, ["3.jpg"])
    assert {seen.photo_path for seen in result.found} == {"/card/photos/a/1.jpg", "/card/photos/2.jpg"}
    assert sorted(seen.photo_name for seen in missing_photos(gallery)) == ["3.jpg", "4.jpg"]
    assert gallery.history(1)[0].kind == "relink"
    gallery.undo()
    assert gallery.content_hash() == content


def test_a_folder_of_another_operating_system_is_relinked(gallery, enrolled, folder):
    enrolled("cam 1/1.jpg", b"one", "D:\\Card\\cam 1\\1.jpg")
    assert len(relink(gallery, "d:/Card", folder / "new").found) == 1
    assert missing_photos(gallery) == []


def test_a_folder_that_the_gallery_does_not_name_is_refused_with_those_that_it_does(gallery, enrolled, folder):
    enrolled("1.jpg", b"one", "/card/1.jpg")
    with pytest.raises(UsageError, match="lay in /dard") as refused:
        relink(gallery, "/dard", folder / "new")
    assert "/card" in refused.value.hint
    with pytest.raises(UsageError, match="nothing at"):
        relink(gallery, "/card", folder / "absent")
