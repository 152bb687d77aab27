"""Photo files: reading with every way a path can be wrong, and listing a folder."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from reid_edge.errors import PhotoError
from reid_edge.photo import DecodeLimits, list_photos, read_photo

JPEG = cv2.imencode(".jpg", np.full((20, 30, 3), 90, np.uint8))[1].tobytes()


def refusal(path, **arguments):
    with pytest.raises(PhotoError) as refused:
        read_photo(path, **arguments)
    assert refused.value.hint
    return refused.value.message


def test_a_photo_knows_its_path_and_name(tmp_path):
    path = tmp_path / "tiger.jpg"
    path.write_bytes(JPEG)
    photo = read_photo(path)
    assert (photo.path, photo.name, photo.width, photo.height) == (path, "tiger.jpg", 30, 20)


def test_the_extension_does_not_matter_to_reading(tmp_path):
    path = tmp_path / "tiger.png"
    path.write_bytes(JPEG)
    assert read_photo(path).width == 30


def test_a_missing_path_a_folder_a_path_through_a_file_and_a_pipe_are_refused(tmp_path):
    (tmp_path / "file").write_bytes(JPEG)
    assert refusal(tmp_path / "no.jpg") == f"{tmp_path / 'no.jpg'} does not exist."
    assert refusal(tmp_path) == f"{tmp_path} is a folder, not a photo."
    assert refusal(tmp_path / "file" / "a.jpg") == f"{tmp_path / 'file' / 'a.jpg'} does not exist."
    os.mkfifo(tmp_path / "pipe.jpg")
    assert refusal(tmp_path / "pipe.jpg") == f"{tmp_path / 'pipe.jpg'} is not a regular file."


def test_a_link_to_nothing_and_a_link_to_itself_are_refused(tmp_path):
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "gone.jpg")
    (tmp_path / "self.jpg").symlink_to(tmp_path / "self.jpg")
    assert refusal(tmp_path / "dangling.jpg").endswith("dangling.jpg does not exist.")
    assert "self.jpg cannot be read: " in refusal(tmp_path / "self.jpg")


def test_a_name_too_long_for_the_disk_is_refused(tmp_path):
    assert "cannot be read: " in refusal(tmp_path / ("x" * 300 + ".jpg"))


def test_a_file_over_the_limit_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "sparse.jpg"
    with path.open("wb") as file:
        file.truncate(10**12)
    assert refusal(path) == "sparse.jpg is too large: it has 1,000,000.0 MB, and at most 256.0 MB are read."
    path.write_bytes(JPEG)
    assert "too large" in refusal(path, limits=DecodeLimits(max_bytes=len(JPEG) - 1))


def test_a_text_file_called_jpg_is_refused(tmp_path):
    (tmp_path / "notes.jpg").write_text("Station 12: two nyala, one calf.\n")
    assert refusal(tmp_path / "notes.jpg") == "notes.jpg is a text file, not a photo."


def test_a_name_that_is_no_utf8_can_still_be_printed(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/l\xf6we.jpg"))
    try:
        path.write_bytes(JPEG)
    except OSError:
        pytest.skip("this disk takes only UTF-8 names")
    assert read_photo(path).name == "l?we.jpg"
    path.write_bytes(b"")
    assert refusal(path).encode("utf-8").startswith(b"l?we.jpg is empty")


AS_ANOTHER_USER = """
import os, sys
from pathlib import Path
from reid_edge.errors import PhotoError
from reid_edge.photo import list_photos, read_photo
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
for ask, path in ((read_photo, sys.argv[1]), (list_photos, sys.argv[2])):
    try:
        ask(Path(path))
    except PhotoError as error:
        print(error.message, "|", error.hint)
"""


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="file permissions of this kind are those of Unix")
def test_a_photo_and_a_folder_without_read_permission_are_refused():
    # pytest's own folders are closed to other users, which would be refused for another reason.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        photo, closed = folder / "tiger.jpg", folder / "closed"
        photo.write_bytes(JPEG)
        photo.chmod(0)
        closed.mkdir(0)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        command = [sys.executable, "-c", AS_ANOTHER_USER, photo, closed]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        closed.chmod(0o755)
    if "Operation not permitted" in ran.stderr:
        pytest.skip("root may not become another user here")
    hint = "Change its permissions, or run as a user who may read it."
    assert ran.stdout.splitlines() == [
        f"{photo} may not be read: permission denied. | {hint}",
        f"{closed} may not be read: permission denied. | {hint}",
    ], ran.stderr


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def names_in(folder, **arguments):
    return [path.relative_to(folder).as_posix() for path in list_photos(folder, **arguments)]


def test_photos_are_listed_sorted_by_extension_in_any_case(tmp_path):
    make(tmp_path, "b.JPG", "a.jpeg", "c.Png", "d.tif", "e.TIFF", "f.bmp", "g.webp", "notes.txt", "metadata.csv", "h.mp4", "jpg")
    assert names_in(tmp_path) == ["a.jpeg", "b.JPG", "c.Png", "d.tif", "e.TIFF", "f.bmp", "g.webp"]


def test_folders_are_entered_unless_told_otherwise(tmp_path):
    make(tmp_path, "z.jpg", "tiger/1.jpg", "tiger/left/2.jpg", "album.jpg/3.jpg")
    assert names_in(tmp_path) == ["album.jpg/3.jpg", "tiger/1.jpg", "tiger/left/2.jpg", "z.jpg"]
    assert names_in(tmp_path, recursive=False) == ["z.jpg"]


def test_hidden_files_and_folders_are_skipped_but_not_a_hidden_folder_that_was_asked_for(tmp_path):
    make(tmp_path, "a.jpg", "._a.jpg", ".Trashes/b.jpg")
    assert names_in(tmp_path) == ["a.jpg"]
    assert names_in(tmp_path / ".Trashes") == ["b.jpg"]


def test_links_are_followed_and_loops_end(tmp_path):
    make(tmp_path, "card/a.jpg", "card/deep/b.jpg")
    (tmp_path / "card" / "deep" / "up").symlink_to(tmp_path / "card", target_is_directory=True)
    (tmp_path / "card" / "self").symlink_to(tmp_path / "card" / "self")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "link").symlink_to(tmp_path / "card", target_is_directory=True)
    assert names_in(tmp_path / "card") == ["a.jpg", "deep/b.jpg"]
    assert names_in(tmp_path / "elsewhere") == ["link/a.jpg", "link/deep/b.jpg"]


def test_a_dangling_link_named_like_a_photo_is_listed_so_that_reading_it_can_say_so(tmp_path):
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert names_in(tmp_path) == ["gone.jpg"]


def test_an_empty_folder_lists_nothing_and_a_missing_one_is_refused(tmp_path):
    assert list_photos(tmp_path) == []
    make(tmp_path, "a.jpg")
    for wrong, said in ((tmp_path / "no", "does not exist."), (tmp_path / "a.jpg", "is not a folder.")):
        with pytest.raises(PhotoError) as refused:
            list_photos(wrong)
        assert refused.value.message == f"{wrong} {said}"
        assert refused.value.hint
