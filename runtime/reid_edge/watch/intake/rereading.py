"""Reading an answered photo once more, for what is made after its answer. It was decoded once before, in a process of its own."""

# File names are bytes here, which pathlib does not take.
# ruff: noqa: PTH119

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reid_edge.errors import PhotoError
from reid_edge.photo import Photo, decode_photo, read_photo_bytes
from reid_edge.watch.ledger.ledger import shown


def read_again(paths: Sequence[bytes], sha256: str) -> Photo | None:
    """The very photo that was answered, from whichever file still carries it; None where none does, or it is a frame of a video."""
    for path in paths:
        place = Path(os.fsdecode(path))
        try:
            data = read_photo_bytes(place)
            if hashlib.sha256(data).hexdigest() == sha256:
                return replace(decode_photo(data, shown(os.path.basename(path))), path=place)
        except PhotoError:
            continue
    return None
