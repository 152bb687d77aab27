"""A gallery and a pack opened together: what answers one photo after another from files."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from reid_edge.compare.candidates import GalleryCandidates
from reid_edge.compare.selection import Selection
from reid_edge.decide.decision import Decision
from reid_edge.describe.description import DescribedAnimal
from reid_edge.describe.query import Query
from reid_edge.errors import PhotoError
from reid_edge.gallery import Gallery
from reid_edge.identify.identifier import Identifier
from reid_edge.pack import find_pack, open_pack
from reid_edge.photo import Photo, read_photo
from reid_edge.timings import Timings

Answered = tuple[Photo, list[Decision]]
"""A photo, and the answer for each of its animals."""


class _Described(NamedTuple):
    """The first half of the way of a photo."""

    photo: Photo
    animals: list[DescribedAnimal]
    timings: Timings


class Session:
    """An open gallery, a loaded pack, and the gallery's features made by that pack."""

    def __init__(self, gallery: Gallery, identifier: Identifier) -> None:
        self.gallery = gallery
        self.identifier = identifier
        self.candidates = GalleryCandidates(gallery, identifier.feature_key)

    @classmethod
    def open(cls, gallery_path: Path, pack_name: str, device: str = "auto", threads: int | None = None) -> Session:
        """Open both, the gallery for reading only.

        Gallery photos that another pack described are not compared: see `reid_edge.identify.enrolment.describe_again`.

        Raises:
            GalleryError, PackError, EngineError, UsageError: one of them cannot be opened.
        """
        gallery = Gallery.open(gallery_path, writable=False)
        try:
            return cls(gallery, Identifier(open_pack(find_pack(pack_name)), device, threads))
        except BaseException:
            gallery.close()
            raise

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.gallery.close()

    def identify(self, path: Path, query: Query | None = None) -> Answered:
        """Read one photo file and answer for each of its animals.

        Raises:
            PhotoError: the file cannot be read.
            EngineError, GalleryError: see `Identifier.identify`.
        """
        selection = self.candidates.select(query or Query())
        return self._answer(self._describe(path, selection), selection)

    def identify_each(
        self, paths: Iterable[Path], query: Query | None = None
    ) -> Generator[tuple[Path, Answered | PhotoError], None, None]:
        """Answer for one photo file after another, in their order: while one is compared, the next is read and described.

        A photo that cannot be read is the error that says why. Close the generator where it is left early: it waits for the photo that
        is being described.

        Raises:
            EngineError, GalleryError: see `Identifier.identify`.
        """
        selection = self.candidates.select(query or Query())

        def answer(path: Path, described: Future[_Described]) -> tuple[Path, Answered | PhotoError]:
            try:
                return path, self._answer(described.result(), selection)
            except PhotoError as error:
                return path, error

        # The gallery stays with this thread: only pixels and networks are the other one's.
        with ThreadPoolExecutor(1, "describe") as describer:
            waiting: tuple[Path, Future[_Described]] | None = None
            for path in paths:
                following = path, describer.submit(self._describe, path, selection)
                if waiting:
                    yield answer(*waiting)
                waiting = following
            if waiting:
                yield answer(*waiting)

    def _describe(self, path: Path, selection: Selection) -> _Described:
        timings = Timings()
        with timings.stage("decode"):
            photo = read_photo(path)
        return _Described(photo, self.identifier.describe(photo, selection.query, timings), timings)

    def _answer(self, described: _Described, selection: Selection) -> Answered:
        photo, animals, timings = described
        return photo, self.identifier.answer(photo, animals, self.candidates, selection, timings)
