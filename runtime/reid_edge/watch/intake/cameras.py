"""Which camera took a photo: from its folder, or from the first bytes of the file, for the order of answering."""

# File names are bytes here, which pathlib does not take.
# ruff: noqa: PTH119, PTH120

from __future__ import annotations

import os

from reid_edge.photo.noted_time import exif_of_head
from reid_edge.photo.tags import BrokenTagsError, TagBlock
from reid_edge.watch.ledger.ledger import shown

_DCIM = b"DCIM"
_MAKE, _MODEL, _EXIF_DIRECTORY, _SERIAL = 0x010F, 0x0110, 0x8769, 0xA431  # Exif 2.32, 4.6.4 and 4.6.5


def camera_of_folder(root: bytes, path: bytes) -> str:
    """The name of the first folder below the root, else the root's own name.

    `DCIM` is on every card (DCF 2.0, JEITA CP-3461B, 3.1), so neither it nor what is in it names a camera: the folder that holds it does.
    """
    root = root.rstrip(b"/")
    if os.path.basename(root).upper() == _DCIM:
        root = path = os.path.dirname(root)
    parts = os.path.relpath(path, root or b"/").split(b"/")
    return shown(parts[0] if len(parts) > 1 and parts[0].upper() != _DCIM else os.path.basename(root) or b"/")


def camera_of_exif(head: bytes) -> str:
    """Make, model and serial number as far as they are noted; '' where none is."""
    block = exif_of_head(head)
    if not block:
        return ""
    try:
        tags = TagBlock(block)
        first = tags.first_directory()
        texts = [first.text(tag) for tag in (_MAKE, _MODEL) if tag in first]
        if _EXIF_DIRECTORY in first:
            directory = tags.directory(first.integer(_EXIF_DIRECTORY))
            texts += [directory.text(_SERIAL)] if _SERIAL in directory else []
    except BrokenTagsError:
        return ""
    return "".join(character for character in " ".join(text for text in texts if text) if character.isprintable())
