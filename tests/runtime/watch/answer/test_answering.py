"""A photo is answered from the gallery as it is at that moment."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from reid_edge.describe.query import Query
from reid_edge.gallery import Gallery
from reid_edge.photo import Photo, decode_photo
from reid_edge.watch.answer.answering import Answerer


def test_decisions_about_individuals_count_from_the_next_photo_on(light, tmp_path: Path, photo: Callable[..., bytes]) -> None:
    gallery = Path(shutil.copy(light.gallery, tmp_path / "gallery.sqlite"))
    amani: Photo = decode_photo(photo(1, "Amani"), "amani.jpg")
    answerer = Answerer(gallery, str(light.pack), "cpu", 1, Query("unspecified"))

    def best() -> str:
        return answerer.answer(amani).decisions[0].ranking[0].identity

    try:
        assert best() == "Amani"
        with Gallery.open(gallery) as writer:
            writer.rename("Amani", "Zoe")
            assert best() == "Zoe"
            writer.merge(["Zoe"], next(name for name in writer.names() if name != "Zoe"))
            assert best() != "Zoe"
            writer.undo()
            assert best() == "Zoe"
        assert not answerer.refresh()
    finally:
        answerer.close()
