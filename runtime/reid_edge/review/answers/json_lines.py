"""Answers as `reid-edge identify --json` prints them: a file of JSON Lines, read where it grows, each answer found by its offset."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path

from reid_edge.decide.decision import Decision
from reid_edge.decide.facts import UNREADABLE
from reid_edge.errors import UsageError
from reid_edge.review.answers.grouping import in_events
from reid_edge.review.answers.stored import StoredAnswer, summarised
from reid_edge.storage.errors import file_errors


class JsonLinesAnswers:
    """The answers of one file; another process may append to it, or write it anew. Where it holds an animal twice, the last answer
    counts; a line of a file that could not be read is passed over.

    Args:
        path: of the file.

    Raises:
        UsageError: a line is not an answer of this version.
        StorageError: the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._inode: tuple[int, int] | None = None
        self._end = 0
        self._rewrites = 0
        self._offsets: dict[tuple[str, int], tuple[int, int]] = {}
        self._files: dict[str, str] = {}
        self._summaries: dict[tuple[str, int], StoredAnswer] = {}
        self._answers: list[StoredAnswer] = []
        self.refresh()

    def refresh(self) -> int:
        """Read the lines that were appended, or the file from its beginning where it was written anew; returns another number then."""
        with self._lock, file_errors(self._path), self._path.open("rb") as file:
            status = os.fstat(file.fileno())
            if self._inode != (status.st_dev, status.st_ino) or status.st_size < self._end:
                self._inode, self._end, self._rewrites = (status.st_dev, status.st_ino), 0, self._rewrites + 1
                self._offsets, self._files, self._summaries, self._answers = {}, {}, {}, []
            began = file.seek(self._end)
            try:
                while (line := file.readline()).endswith(b"\n"):  # the last line may still be written
                    self._add(line)
            finally:  # what stands before a line that is no answer counts
                if self._end != began:
                    self._answers = in_events(self._summaries.values())
            return (self._rewrites << 48) + self._end

    def answers(self) -> Sequence[StoredAnswer]:
        """All answers, in the order of the file."""
        return self._answers

    def decision(self, answer: StoredAnswer) -> Decision:
        """The whole answer."""
        try:
            start, length = self._offsets[answer.key]
            with file_errors(self._path), self._path.open("rb") as file:
                file.seek(start)
                plain = json.loads(file.read(length))
            if (plain["photo"]["sha256"], plain["animal"]["index"]) != answer.key:
                raise ValueError(answer.id)
        except (ValueError, KeyError, TypeError) as error:
            self._inode = None  # the next refresh reads the file from its beginning
            raise UsageError(f"{self._path} no longer holds the answer for {answer.photo}.", "Open the queue again.") from error
        return Decision.from_json(plain)

    def paths(self, answer: StoredAnswer) -> Sequence[Path]:
        """Where the photo was when it was answered; a relative path is also looked for beside the file of answers."""
        path = self._files.get(answer.sha256)
        if not path:
            return ()
        return (Path(path),) if Path(path).is_absolute() else (Path(path), self._path.parent / path)

    def thumbnail(self, answer: StoredAnswer) -> bytes | None:
        """None: the file holds no pictures."""
        return None

    def close(self) -> None:
        """Nothing is open."""

    def _add(self, line: bytes) -> None:
        start, self._end = self._end, self._end + len(line)
        if not line.strip():
            return
        try:
            plain = json.loads(line)
            if plain["schema"] == UNREADABLE:
                return
            path = plain["photo"]["path"]
            summary = summarised(plain, camera=Path(path).parent.name if path else "")
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise UsageError(
                f"{self._path} holds a line at byte {start} that is no answer.",
                "Give the file that `reid-edge identify --json > answers.jsonl` wrote.",
            ) from error
        self._offsets[summary.key] = start, len(line)
        self._files[summary.sha256] = path
        self._summaries[summary.key] = summary
