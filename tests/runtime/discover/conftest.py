"""Sightings that nobody named, and the sample gallery's photos as a discovery sees them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from reid_edge.discover.constraints import Seen
from reid_edge.gallery import Gallery


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
