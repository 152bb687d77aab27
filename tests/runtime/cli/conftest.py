"""A gallery of few photos, so that a whole process with its answer stays quick."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from reid_edge.gallery import Gallery

KEPT = ("asha_2.jpg", "chipo_3.jpg", "enzi_3.jpg", "imara_2.jpg")


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_reaches_what_is_started() -> Iterator[None]:
    """Whoever started the tests in the background had Ctrl-C ignored, which the processes that they start would inherit."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def small_gallery(sample_gallery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One photo each of four sample animals. For reading; a test that writes takes `own_small_gallery`."""
    path = Path(shutil.copy(sample_gallery.path, tmp_path_factory.mktemp("small") / "gallery.sqlite"))
    with Gallery.open(path) as gallery:
        gallery.remove_sightings([sighting.id for sighting in gallery.sightings() if sighting.photo_name not in KEPT])
    return path


@pytest.fixture
def own_small_gallery(small_gallery: Path, tmp_path: Path) -> Path:
    """A copy to write to."""
    return Path(shutil.copy(small_gallery, tmp_path / "own.sqlite"))
