"""Companions of a photo: side-cars and recordings of the same name, which travel with it."""

# File names are bytes here, which pathlib does not take.
# ruff: noqa: PTH122

from __future__ import annotations

import os

from reid_edge.photo import PHOTO_EXTENSIONS, optional
from reid_edge.photo.video import VIDEO_EXTENSIONS

_EXTENSIONS = tuple(extension.encode() for extension in (".xmp", ".json", ".wav", ".thm", ".aae"))
_MEDIA = tuple(each.encode() for each in PHOTO_EXTENSIONS.union(VIDEO_EXTENSIONS, *optional.EXTENSIONS.values()))


def companions_of(path: bytes) -> dict[bytes, bytes]:
    """The companions that lie beside a photo, each with what its name has in place of, or after, the photo's.

    `IMG_1.JPG.xmp` is of this photo alone, `IMG_1.xmp` of every photo and video with that stem: it goes with the last one of these.

    Returns:
        By path what to append to the photo's name (`.xmp`) or, beginning with a slash, to its stem (`/.xmp`).

    Raises:
        OSError: the folder cannot be read.
    """
    folder, name = os.path.split(path)
    stem = os.path.splitext(name)[0]
    with os.scandir(folder or b".") as entries:
        beside = {entry.name: entry.path for entry in entries if entry.is_file(follow_symlinks=False)}
    is_shared = any(
        other != name and os.path.splitext(other)[0].lower() == stem.lower() and other.lower().endswith(_MEDIA)
        for other in beside
    )
    found = {}
    for other, place in beside.items():
        for extension in _EXTENSIONS:
            ending = other[-len(extension) :]
            if other.lower() == name.lower() + extension:
                found[place] = ending
            elif other.lower() == stem.lower() + extension and not is_shared:
                found[place] = b"/" + ending
    return found


def place_of_companion(target: bytes, ending: bytes) -> bytes:
    """Where a companion lies beside a photo at `target`; `ending` is of `companions_of`."""
    return os.path.splitext(target)[0] + ending[1:] if ending.startswith(b"/") else target + ending
