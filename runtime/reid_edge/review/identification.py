"""The pack at work for the page: photos that are sent in are answered, pairs get their evidence, reviewed animals their features."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from reid_edge.decide.decision import Decision
from reid_edge.describe.query import Query
from reid_edge.describe.segmentation import narrowed
from reid_edge.gallery import Gallery, Review, SightingToEnrol
from reid_edge.identify.enrolment import margin_of
from reid_edge.identify.reviewing import ReviewedPhoto, sighting_to_enrol
from reid_edge.identify.session import Session
from reid_edge.photo import Photo
from reid_edge.report.pictures import Frame
from reid_edge.storage.address import Place


@dataclass(frozen=True)
class PackChoice:
    """Which pack answers, and on what: as the options of the command line name them."""

    name: str
    device: str = "auto"
    threads: int | None = None


class Identification:
    """A session that is opened when it is first needed, and again looks at a gallery that changed. One thread at a time is served.

    Args:
        gallery_path: of the catalogue.
        pack: see `PackChoice`.
    """

    def __init__(self, gallery_path: Place, pack: PackChoice) -> None:
        self._gallery_path = gallery_path
        self._pack = pack
        self._session: Session | None = None
        self._lock = threading.Lock()
        self._asked = 0
        self._asking = threading.Lock()

    def identify(self, photo: Photo, query: Query) -> list[Decision]:
        """Answer for each animal of a photo, see `Session.identify`; errors as there, and as `Session.open`."""
        with self._lock:
            return self._current().identify(photo, query)

    def in_box(self, photo: Photo, box: Frame) -> Decision:
        """The answer for the animal inside a box that a person drew, with outline and matched points; errors as `identify`."""
        return self.identify(photo, Query(boxes=[box], with_evidence=True))[0]

    def evidence(self, photo: Photo, box: Frame, individuals: Sequence[str]) -> Decision | None:
        """The answer for an animal once more, with outline and matched points; errors as `identify`.

        Of those who wait for it only the newest gets it: whoever steps through questions is gone from the others. They get None.

        Args:
            photo: upright.
            box: of the animal as its answer has it, margin included.
            individuals: to compare with.
        """
        with self._asking:
            self._asked += 1
            number = self._asked
        with self._lock:
            if number != self._asked:
                return None
            session = self._current()
            boxes = [narrowed(box, margin_of(session.identifier))]
            query = Query(boxes=boxes, individuals=individuals, top=len(individuals), with_evidence=True)
            return session.identify(photo, query)[0]

    def to_enrol(self, gallery: Gallery, review: Review, photo: ReviewedPhoto) -> SightingToEnrol | None:
        """The sighting that a review adds to the gallery, see `sighting_to_enrol`."""
        with self._lock:
            return sighting_to_enrol(gallery, self._current().identifier, review, photo)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """The session, up to date with the gallery, for this thread alone."""
        with self._lock:
            yield self._current()

    def warm_up(self) -> None:
        """Open the session ahead of its first use; errors as `Session.open`."""
        with self._lock:
            self._current()

    def close(self) -> None:
        """Close the session."""
        with self._lock:
            if self._session is not None:
                self._session.close()
                self._session = None

    def _current(self) -> Session:
        if self._session is None:
            self._session = Session.open(self._gallery_path, self._pack.name, self._pack.device, self._pack.threads)
        self._session.refresh()
        return self._session
