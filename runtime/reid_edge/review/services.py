"""What the routes of the page work with, put together once per start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from reid_edge.decide.decision import Decision
from reid_edge.describe.query import Query
from reid_edge.errors import ReidEdgeError
from reid_edge.gallery import Gallery
from reid_edge.gallery.person import stored_person
from reid_edge.review.answers.drawn import CorrectedAnswers
from reid_edge.review.answers.folder import FolderAnswers
from reid_edge.review.answers.json_lines import JsonLinesAnswers
from reid_edge.review.answers.ledger import LedgerAnswers
from reid_edge.review.answers.stored import AnswerSource, StoredAnswer
from reid_edge.review.audit_list import AuditList
from reid_edge.review.enrolling import Enroller
from reid_edge.review.groups.groups import Groups
from reid_edge.review.groups.pair import FoundPictures
from reid_edge.review.identification import Identification, PackChoice
from reid_edge.review.individuals import Cards
from reid_edge.review.pair.view import PairViews
from reid_edge.review.pictures import Pictures
from reid_edge.review.queue import Queue
from reid_edge.review.reading import PhotoReader
from reid_edge.review.web.security import Access
from reid_edge.storage.address import Place

PERSON_COOKIE = "reid_edge_person"


@dataclass(frozen=True)
class Sources:
    """Where the answers are: photos to answer now, a daemon's folder, or a file of `identify --json`. None of them: no queue.

    Attributes:
        photos: to answer now.
        out: the folder of `reid-edge watch`.
        answers: the file.
        query: what is known of the photos.
        discovery: the working file of a discovery, whose groups are shown beside the queue.
    """

    photos: Sequence[Path] = ()
    out: Path | None = None
    answers: Path | None = None
    query: Query = field(default_factory=lambda: Query(with_evidence=True))
    discovery: Path | None = None

    @property
    def has_queue(self) -> bool:
        """Whether there are answers to review."""
        return bool(self.photos) or self.out is not None or self.answers is not None


class _NoAnswers:
    """For `reid-edge serve`, which has no queue."""

    def refresh(self) -> int:
        return 0

    def answers(self) -> Sequence[StoredAnswer]:
        return ()

    def decision(self, answer: StoredAnswer) -> Decision:
        raise LookupError(answer.id)

    def paths(self, answer: StoredAnswer) -> Sequence[Path]:
        return ()

    def thumbnail(self, answer: StoredAnswer) -> bytes | None:
        return None

    def close(self) -> None:
        pass


class Services:
    """The gallery, the answers, and all that is made of them. Close it at the end.

    Raises:
        GalleryError, StorageError, UsageError: the gallery or the answers cannot be opened.
    """

    def __init__(self, gallery: Place, pack: PackChoice, sources: Sources, access: Access) -> None:
        self.access = access
        self._folder: FolderAnswers | None = None
        self.has_queue = sources.has_queue
        self.gallery = Gallery.open_or_create(gallery) if sources.discovery else Gallery.open(gallery)
        self.groups: Groups | None = None
        self.reader = PhotoReader()
        self.identification = Identification(gallery, pack)
        try:
            self.source = CorrectedAnswers(self._open(sources))
            if sources.discovery is not None:
                self.groups = Groups(sources.discovery, self.gallery, pack)
        except BaseException:
            self.reader.close()
            self.gallery.close()
            raise
        self.queue = Queue(self.gallery, self.source)
        self.pictures = Pictures(self.gallery, self.source, self.reader)
        self.found: FoundPictures | None = None
        if self.groups is not None:
            self.found = FoundPictures(self.groups, Pictures(self.groups.work, self.source, self.reader), self.pictures)
        self.views = PairViews(self.gallery, self.pictures)
        self.cards = Cards(self.gallery)
        self.audit = AuditList(self.identification)
        self.enroller = Enroller(self.gallery, self.source, self.identification, self.reader, sources.query)

    def person_of(self, cookies: Mapping[str, str]) -> str:
        """Who decides: the name in the browser's cookie, else, on this computer, the one that was given once; '' where there is none."""
        name = unquote(cookies.get(PERSON_COOKIE, "")).strip()
        if name or self.access.token:
            return name
        try:
            return stored_person()
        except ReidEdgeError:
            return ""

    @property
    def waiting(self) -> int:
        """Photos that are still being answered."""
        return self._folder.waiting if self._folder else 0

    def start(self) -> None:
        """Begin the work in the background."""
        self.enroller.start()

    def close(self) -> None:
        """Stop the work in the background and close all files."""
        self.enroller.end()
        if self._folder is not None:
            self._folder.end()
        self.reader.close()  # first: who waits for a photo goes on, and sees the end
        self.audit.close()
        self.enroller.close()
        self.source.close()
        self.identification.close()
        if self.groups is not None:
            self.groups.close()
        self.gallery.close()

    def _open(self, sources: Sources) -> AnswerSource:
        if sources.photos:
            self._folder = FolderAnswers(sources.photos, self.identification, self.reader, sources.query)
            return self._folder
        if sources.out is not None:
            return LedgerAnswers(sources.out)
        if sources.answers is not None:
            return JsonLinesAnswers(sources.answers)
        return _NoAnswers()
