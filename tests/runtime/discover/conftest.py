"""Sightings that nobody named, and the sample gallery's photos as a discovery sees them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from reid_edge.discover.constraints import Seen
from reid_edge.gallery import Gallery, Sighting


@pytest.fixture(scope="session")
def sighting() -> Callable[..., Sighting]:
    """sighting("photo", animal_index=0, ...): an animal of a photo of that name."""

    def make(photo: str, number: int = 1, **facts: Any) -> Sighting:
        sha256 = hashlib.sha256(photo.encode()).hexdigest()
        values = {"photo_sha256": sha256, "photo_name": photo, "identity": "", "box": (0.0, 0.0, 9.0, 9.0), **facts}
        return Sighting(id=number, added_at="", **values)

    return make


@pytest.fixture
def own_work(compared: Path, tmp_path: Path) -> Path:
    """A copy of it, for other animals than all: what is compared is kept for one set of animals."""
    return Path(shutil.copy(compared, tmp_path / "own-work.sqlite"))


@pytest.fixture
def opened() -> Iterator[Callable[[Path], Gallery]]:
    """opened(path): a gallery, open until the test ends."""
    with ExitStack() as stack:
        yield lambda path: stack.enter_context(Gallery.open(path))


@pytest.fixture(scope="session")
def name_of() -> Callable[[Seen], str]:
    """Whom a sample photo shows, by its name."""
    return lambda seen: seen.sighting.photo_name.partition("_")[0]
