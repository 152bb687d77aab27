"""Answers as `reid-edge identify --json` prints them: a file of JSON Lines, read where it grows, each answer found by its offset."""

from __future__ import annotations

import json
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
    """The answers of one file; another process may append to it. Where it holds an animal twice, the last answer counts; a line of a
    file that could not be read is passed over.

    Args:
        path: of the file.

    Raises:
        UsageError: a line is not an answer of this version.
        StorageError: the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._end = 0
        self._offsets: dict[tuple[str, int], tuple[int, int]] = {}
        self._files: dict[str, str] = {}
        self._summaries: dict[tuple[str, int], StoredAnswer] = {}
        self._answers: list[StoredAnswer] = []
        self.refresh()

    def refresh(self) -> int:
        """Read the lines that were appended; returns how far the file is read."""
        with self._lock, file_errors(self._path), self._path.open("rb") as file:
            if file.seek(0, 2) <= self._end:
                return self._end
            file.seek(self._end)
            while (line := file.readline()).endswith(b"\n"):  # the last line may still be written
                self._add(line)
            self._answers = in_events(self._summaries.values())
            return self._end

    def answers(self) -> Sequence[StoredAnswer]:
        """All answers, in the order of the file."""
        return self._answers

    def decision(self, answer: StoredAnswer) -> Decision:
        """The whole answer."""
        start, length = self._offsets[answer.key]
        with file_errors(self._path), self._path.open("rb") as file:
            file.seek(start)
            return Decision.from_json(json.loads(file.read(length)))

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
