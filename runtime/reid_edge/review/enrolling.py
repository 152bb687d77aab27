"""Reviewed animals enter the gallery: what a person named is described in the background, and found from then on.

The decision itself is on the disk before the page goes on. What is not described yet is found again after a restart:
every review that names an individual and has no sighting.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, replace

from reid_edge.describe.query import Query
from reid_edge.errors import PhotoError, ReidEdgeError, StorageError
from reid_edge.gallery import Gallery, Review
from reid_edge.identify.reviewing import ReviewedPhoto
from reid_edge.review.answers.stored import AnswerSource, StoredAnswer
from reid_edge.review.identification import Identification
from reid_edge.review.reading import PhotoReader

log = logging.getLogger(__name__)

_EVERY_SECONDS = 30.0
_QUIET_SECONDS = 0.5  # after a decision: who decides quickly is not slowed down
_AGAIN_SECONDS = 300.0  # a card is put back, a network's disk answers again


@dataclass(frozen=True)
class LeftOut:
    """Why the animal of a review could not be described, and when that is tried again, by the monotonic clock."""

    reason: str
    again: float


class Enroller:
    """A thread that describes what was named.

    Args:
        gallery: writable.
        source: of the answers that were reviewed.
        identification: the pack at work.
        reader: of the photos.
        stated: species and viewpoint of all photos, where the person who started the page knew them.

    Attributes:
        left_out: by sequence of a review, why its animal could not be described.
    """

    def __init__(
        self, gallery: Gallery, source: AnswerSource, identification: Identification, reader: PhotoReader, stated: Query
    ) -> None:
        self.left_out: dict[int, LeftOut] = {}
        self._gallery = gallery
        self._source = source
        self._identification = identification
        self._reader = reader
        self._stated = stated
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="enrolling", daemon=True)

    def start(self) -> None:
        """Begin with what an earlier run has left."""
        self._thread.start()

    def wake(self) -> None:
        """Something was decided."""
        self._wake.set()

    def waiting(self) -> list[Review]:
        """Reviews that name an individual and have no sighting yet, without those that could not be described just now."""
        named = [each for each in self._gallery.reviews() if each.kind in ("confirmed", "new") and each.sighting is None]
        now = time.monotonic()
        return [each for each in named if each.sequence not in self.left_out or self.left_out[each.sequence].again <= now]

    def end(self) -> None:
        """Stop after the animal that is being described, without waiting for it."""
        self._ended.set()
        self._wake.set()

    def close(self) -> None:
        """Stop after the animal that is being described."""
        self.end()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            self._identification.warm_up()  # whoever asks for matched points first need not wait for the networks
        except ReidEdgeError as error:
            log.warning(
                "Matched points cannot be made, and reviewed animals cannot be described: %s %s", error.message, error.hint
            )
        except Exception:
            log.exception("Matched points cannot be made, and reviewed animals cannot be described.")
        while not self._ended.is_set():
            try:
                self._enrol_all()
            except ReidEdgeError as error:  # a locked gallery, a full disk: later
                log.warning("Reviewed animals wait to be described: %s %s", error.message, error.hint)
            except Exception:  # a thread that ended would leave all that follow undescribed
                log.exception("Reviewed animals wait to be described.")
            self._wake.wait(_EVERY_SECONDS)
            self._wake.clear()

    def _enrol_all(self) -> None:
        self._source.refresh()
        answers = {answer.key: answer for answer in self._source.answers()}
        for review in self.waiting():
            while self._wake.is_set() and not self._ended.is_set():  # somebody is deciding
                self._wake.clear()
                self._ended.wait(_QUIET_SECONDS)
            if self._ended.is_set():
                return
            answer = answers.get((review.photo_sha256, review.animal_index))
            if answer is None:  # it is still to come, or another page has it
                continue
            try:
                self._enrol(review, answer)
            except StorageError:  # a full disk is full for the next one, too
                raise
            except Exception as error:  # of this review alone: those behind it go on
                self._leave_out(review, error)
            else:
                self.left_out.pop(review.sequence, None)

    def _leave_out(self, review: Review, error: Exception) -> None:
        reason, fault = (error.message, None) if isinstance(error, ReidEdgeError) else (repr(error), error)
        last = self.left_out.get(review.sequence)
        self.left_out[review.sequence] = LeftOut(reason, time.monotonic() + _AGAIN_SECONDS)
        if last is None or last.reason != reason:
            log.warning("%s of %s is not described: %s", review.identity, review.photo_name, reason, exc_info=fault)

    def _enrol(self, review: Review, answer: StoredAnswer) -> None:
        photo = self._reader.find(self._source.paths(answer), answer.sha256)
        if photo is None:
            raise PhotoError("The photo is not where it was.", "Bring it back.")
        photo = replace(photo, name=answer.photo, taken_at=photo.taken_at or answer.taken_at)
        facts = ReviewedPhoto(photo, photo.path, self._stated.species, self._stated.viewpoint, answer.camera)
        enrol = self._identification.to_enrol(self._gallery, review, facts)
        if enrol is not None:
            self._gallery.enrol_review(review.sequence, enrol)
