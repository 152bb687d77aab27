"""Photos of folders that are answered now, one after another in the background, while a person already reviews the first ones."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from reid_edge.decide.decision import Decision
from reid_edge.describe.query import Query
from reid_edge.errors import PhotoError, ReidEdgeError
from reid_edge.review.answers.grouping import in_events
from reid_edge.review.answers.stored import StoredAnswer, summarised
from reid_edge.review.identification import Identification
from reid_edge.review.reading import PhotoReader

log = logging.getLogger(__name__)


class FolderAnswers:
    """The answers for photos, in memory: each start answers anew, with what the gallery knows by then.

    Attributes:
        waiting: how many photos are not answered yet.
        failed: photos that could not be answered, with the reason.
    """

    def __init__(self, photos: Sequence[Path], identification: Identification, reader: PhotoReader, query: Query) -> None:
        self.waiting = len(photos)
        self.failed: list[tuple[Path, str]] = []
        self._identification = identification
        self._reader = reader
        self._query = query
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._decisions: dict[tuple[str, int], bytes] = {}
        self._paths: dict[str, Path] = {}
        self._summaries: dict[tuple[str, int], StoredAnswer] = {}
        self._answers: list[StoredAnswer] = []
        self._thread = threading.Thread(target=self._answer_all, args=(list(photos),), name="answering", daemon=True)
        self._thread.start()

    def refresh(self) -> int:
        """How many animals are answered."""
        with self._lock:
            if len(self._summaries) != len(self._answers):
                self._answers = in_events(self._summaries.values())
            return len(self._answers)

    def answers(self) -> Sequence[StoredAnswer]:
        """Those that are there."""
        with self._lock:
            return self._answers

    def decision(self, answer: StoredAnswer) -> Decision:
        """The whole answer, with its evidence."""
        return Decision.from_json(json.loads(self._decisions[answer.key]))

    def paths(self, answer: StoredAnswer) -> Sequence[Path]:
        """The photo."""
        return [self._paths[answer.sha256]]

    def thumbnail(self, answer: StoredAnswer) -> bytes | None:
        """None: the photo itself is shown."""
        return None

    def end(self) -> None:
        """Stop after the photo that is being answered, without waiting for it."""
        self._ended.set()

    def close(self) -> None:
        """Stop after the photo that is being answered."""
        self.end()
        self._thread.join()

    def _answer_all(self, photos: Sequence[Path]) -> None:
        for path in photos:
            if self._ended.is_set():
                return
            try:
                photo = self._reader.read(path)
                self._add(path, self._identification.identify(photo, self._query))
            except PhotoError as error:
                self.failed.append((path, error.message))
            except ReidEdgeError as error:
                log.error("%s could not be answered: %s %s", path, error.message, error.hint)
                self.failed.append((path, error.message))
            except Exception as error:  # a thread that ended would leave all photos behind this one waiting
                log.exception("%s could not be answered.", path)
                self.failed.append((path, repr(error)))
            self.waiting -= 1

    def _add(self, path: Path, decisions: Sequence[Decision]) -> None:
        with self._lock:
            for decision in decisions:
                plain = decision.as_json()
                summary = summarised(plain, camera=path.parent.name)
                self._decisions[summary.key] = json.dumps(plain).encode()
                self._summaries[summary.key] = summary
                self._paths[summary.sha256] = path
