"""A run over many files: which are left to do, and that each has its rows exactly once, also after a stop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reid_edge.bulk.file_facts import FileFacts
from reid_edge.bulk.result_files import ResultFiles
from reid_edge.bulk.running import Pool, work_through
from reid_edge.bulk.worker import Failed, WorkerRecipe

FAILED, COPY = "failed", "copy"
"""States of a row: the file could not be read; its content is that of a file that was done before."""

Todo = tuple[Any, FileFacts]
"""What a worker is given, and its file."""

Done = tuple[Any, FileFacts, Any]
"""The same with its result."""


class BulkRun(ABC):
    """Works on what is not done yet; a context manager.

    Attributes:
        pending: what is left to do.
        skipped: how many files were done in an earlier run.
        counts: of files by what became of them, in this run.
    """

    def __init__(self, files: ResultFiles, todo: Sequence[Todo], retry_failed: bool) -> None:
        """Look which files are done, by their paths, sizes and times; those that moved are known by their content later.

        Args:
            files: of this run, which closes them.
            todo: all that is to be done.
            retry_failed: try those again that failed in an earlier run.

        Raises:
            StorageError: the results cannot be read or written.
        """
        self.counts: Counter[str] = Counter()
        self.files = files
        self._tasks = {facts.task for _, facts in todo}
        of_these = (row for row in files.rows(("task", "status", "photo_sha256")) if row["task"] in self._tasks)
        again = {row["task"] for row in of_these if (retry_failed and row["status"] == FAILED) or not self.holds(row)}
        if again:
            files.remove("task", again)  # all rows of a file: of a video that broke off there are answers, too
        done = {row["task"] for row in files.rows(("task",))}
        self.pending = [each for each in todo if each[1].task not in done]
        self.skipped = len(todo) - len(self.pending)

    def __enter__(self) -> BulkRun:
        return self

    def __exit__(self, *error: object) -> None:
        self.files.close()

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether what a row (task, status, photo_sha256) says of an earlier run is still so."""
        return True

    @abstractmethod
    def recipe(self) -> WorkerRecipe:
        """Of the workers, as things are now."""

    @abstractmethod
    def take(self, results: Sequence[Done]) -> list[Todo]:
        """Take over results; returns what has to be worked on once more."""

    def failed(self) -> Iterator[tuple[str, Failed]]:
        """The path of every file of this run that failed, now or in an earlier run, and why."""
        self.files.write()
        for row in self.files.rows(("path", "task", "status", "error", "hint")):
            if row["status"] == FAILED and row["task"] in self._tasks:
                yield row["path"], Failed(row["error"], row["hint"] or "")

    def run(self, pool: Pool, batch: int) -> Iterator[None]:
        """Do what is pending; gives None for each file that is done.

        Args:
            pool: of workers.
            batch: files that a worker is given at a time.

        Raises:
            PackError, EngineError: a worker cannot go on.
            GalleryError, StorageError: nothing further can be stored; what was stored stays.
        """
        pending = self.pending
        while pending:
            again: list[Todo] = []
            for results in work_through(pool, self.recipe(), [value for value, _ in pending], batch):
                repeated = self.take([(*pending[number], result) for number, result in results])
                again += repeated
                yield from [None] * (len(results) - len(repeated))
            pending = again
        self.files.write()
