"""A gallery and a pack opened together: what answers one photo after another from files."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from reid_edge.candidates import GalleryCandidates
from reid_edge.decision import Decision
from reid_edge.gallery import Gallery
from reid_edge.identification import Identifier, Question
from reid_edge.pack import find_pack, open_pack
from reid_edge.photo import Photo, read_photo
from reid_edge.timings import Timings


class Session:
    """An open gallery, a loaded pack, and the gallery's features made by that pack."""

    def __init__(self, gallery: Gallery, identifier: Identifier) -> None:
        self.gallery = gallery
        self.identifier = identifier
        self.candidates = GalleryCandidates(gallery, identifier.feature_key)

    @classmethod
    def open(cls, gallery_path: Path, pack_name: str, device: str = "auto", threads: int | None = None) -> Session:
        """Open both, the gallery for reading only.

        Gallery photos that another pack described are not compared: see `reid_edge.enrolment.describe_again`.

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

    def identify(self, path: Path, question: Question | None = None) -> tuple[Photo, list[Decision]]:
        """Read one photo file and answer for each of its animals.

        Raises:
            PhotoError: the file cannot be read.
            EngineError, GalleryError: see `Identifier.identify`.
        """
        timings = Timings()
        with timings.stage("decode"):
            photo = read_photo(path)
        return photo, self.identifier.identify(photo, self.candidates, question, timings)
