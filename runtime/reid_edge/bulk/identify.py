"""A run that answers many photos: each answer is a row of the result files. The gallery is not changed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa

from reid_edge.bulk.file_facts import FileFacts
from reid_edge.bulk.hashes import PhotoHashes
from reid_edge.bulk.opening import BulkPack, PackRecipe
from reid_edge.bulk.result_files import ResultFiles
from reid_edge.bulk.run import COPY, FAILED, BulkRun, Done, Todo
from reid_edge.bulk.worker import Failed
from reid_edge.decide.decision import Decision
from reid_edge.decide.facts import unreadable_as_json
from reid_edge.describe.query import Query
from reid_edge.errors import PhotoError
from reid_edge.gallery import Gallery
from reid_edge.identify.session import Session
from reid_edge.identify.video import EmptyVideoError, VideoOptions
from reid_edge.photo import read_photo_bytes
from reid_edge.photo.video import is_video, video_sha256
from reid_edge.storage.address import Place, absolute_place

ANSWERED, NO_ANIMAL = "answered", "no_animal"


@dataclass(frozen=True)
class PhotoToAnswer:
    """A photo or video; `even_if_known` where its content has to be answered although it seems to be known."""

    path: Path
    even_if_known: bool = False


@dataclass(frozen=True)
class AnsweredFile:
    """What a worker found out.

    Attributes:
        sha256: of the file's bytes.
        decisions: as `Decision.as_json`; empty where its content is known, so that it was not answered.
        revision: of the gallery that they were answered with.
        empty: it is a video in which no animal stands out.
        error: of a video that breaks off, after these answers.
    """

    sha256: str
    decisions: tuple[dict[str, Any], ...] = ()
    revision: str = ""
    empty: bool = False
    error: Failed | None = None


@dataclass(frozen=True)
class IdentifyRecipe:
    """How a worker that answers is made.

    Attributes:
        gallery: where each worker finds it.
        pack: that answers.
        query: what is known of all photos.
        video: how videos are read.
        answered: photos that have answers.
    """

    gallery: Place
    pack: PackRecipe
    query: Query
    video: VideoOptions
    answered: PhotoHashes

    def open(self) -> IdentifyWorker:
        """Open the gallery and the pack; errors as of `Session.open`."""
        gallery = Gallery.open(self.gallery, writable=False)
        try:
            return IdentifyWorker(Session(gallery, self.pack.open()), self)
        except BaseException:
            gallery.close()
            raise


class IdentifyWorker:
    """Answers photos and videos with one session."""

    def __init__(self, session: Session, recipe: IdentifyRecipe) -> None:
        self._session, self._recipe = session, recipe
        self._revision = session.gallery.revision()

    def process(self, values: Sequence[PhotoToAnswer]) -> list[AnsweredFile | Failed]:
        """Answer files; errors as of `Worker.process`."""
        results: dict[Path, AnsweredFile | Failed] = {}
        for value in values:
            try:
                results[value.path] = AnsweredFile(_content_hash(value.path), revision=self._revision)
            except PhotoError as error:
                results[value.path] = Failed.of(error)
        new = [value.path for value in values if self._is_new(value, results[value.path])]
        with closing(self._session.identify_each(new, self._recipe.query, self._recipe.video)) as answers:
            for path, answer in answers:
                results[path] = _added(results[path], answer)
        return [results[value.path] for value in values]

    def _is_new(self, value: PhotoToAnswer, result: AnsweredFile | Failed) -> bool:
        return isinstance(result, AnsweredFile) and (value.even_if_known or result.sha256 not in self._recipe.answered)


class IdentifyRun(BulkRun):
    """Answers photos into result files."""

    def __init__(
        self, gallery: Gallery, pack: BulkPack, folder: Path, paths: Sequence[Path], query: Query, retry_failed: bool = False
    ) -> None:
        """Look what is left to do.

        Args:
            gallery: that they are compared with.
            pack: that answers.
            folder: of the results.
            paths: photos and videos.
            query: what is known of all.
            retry_failed: see `BulkRun`.

        Raises:
            UsageError: the folder holds the results of another pack, gallery or query.
            StorageError: it cannot be read or written.
        """
        record = {"command": "identify", "pack": pack.pack.sha256, "gallery": str(absolute_place(gallery.path))}
        record |= {"species": query.species, "viewpoint": query.viewpoint, "top": str(query.top)}
        files = ResultFiles(folder, record, identify_schema())
        try:
            super().__init__(files, [(PhotoToAnswer(path), FileFacts.of(path)) for path in paths], retry_failed)
            rows = files.rows(("photo_sha256", "status"))
            self._answered = {row["photo_sha256"] for row in rows if row["status"] in (ANSWERED, NO_ANIMAL)}
        except BaseException:
            files.close()
            raise
        self._place, self._pack, self._query = absolute_place(gallery.path), pack.workers, query
        self.video = VideoOptions()

    def recipe(self) -> IdentifyRecipe:
        """See `BulkRun.recipe`."""
        return IdentifyRecipe(self._place, self._pack, self._query, self.video, PhotoHashes.of(self._answered))

    def take(self, results: Sequence[Done]) -> list[Todo]:
        """See `BulkRun.take`."""
        rows, again = [], []
        for value, facts, result in results:
            found = self._rows(result)
            if not found:
                again.append((replace(value, even_if_known=True), facts))
                continue
            self.counts[found[0]["status"]] += 1
            rows += [{**facts.as_row(), **row} for row in found]
        self.files.add(rows)
        return again

    def answers(self) -> Iterator[str]:
        """The JSON of every answer, also of earlier runs, and of every failure of this one, as `reid-edge identify --json` prints it."""
        self.files.write()
        for row in self.files.rows(("decision", "path", "task", "status", "error", "hint")):
            if row["decision"]:
                yield row["decision"]
            elif row["status"] == FAILED and row["task"] in self._tasks:
                yield json.dumps(unreadable_as_json(row["path"], row["error"], row["hint"] or ""), ensure_ascii=False)

    def _rows(self, result: AnsweredFile | Failed) -> list[dict[str, Any]]:
        """The rows of a file; none where it has to be answered after all."""
        if isinstance(result, Failed):
            return [{"status": FAILED, "error": result.message, "hint": result.hint}]
        if result.sha256 in self._answered:
            return [{"photo_sha256": result.sha256, "status": COPY}]
        shared = {"photo_sha256": result.sha256, "gallery_revision": result.revision}
        rows = [{**shared, "status": ANSWERED, **_columns(each)} for each in result.decisions]
        if result.empty:
            rows.append({**shared, "status": NO_ANIMAL})
        if result.error is not None:
            rows.append({**shared, "status": FAILED, "error": result.error.message, "hint": result.error.hint})
        if rows:
            self._answered.add(result.sha256)
        return rows


def identify_schema() -> pa.Schema:
    """The columns of the rows, one for each animal; `decision` is the whole answer as JSON."""
    text, number = pa.string(), pa.float64()
    return pa.schema(
        [
            *(("path", text), ("file_size", pa.int64()), ("file_modified_ns", pa.int64()), ("task", text)),
            *(("photo_sha256", text), ("status", text), ("error", text), ("hint", text)),
            *(("animal_index", pa.int32()), ("box", pa.list_(number)), ("verdict", text), ("identity", text)),
            *(("probability", number), ("unknown", number), ("reason", text), ("decision", text), ("gallery_revision", text)),
        ]
    )


def _columns(decision: dict[str, Any]) -> dict[str, Any]:
    facts = {name: decision[name] for name in ("verdict", "identity", "probability", "unknown", "reason")}
    animal = decision["animal"]
    text = json.dumps(decision, ensure_ascii=False).encode("utf-8", "replace").decode()  # a file's name may not be UTF-8
    return {**facts, "animal_index": animal["index"], "box": animal["box"], "decision": text}


def _added(result: AnsweredFile | Failed, answer: tuple[Any, list[Decision]] | PhotoError) -> AnsweredFile | Failed:
    """What is known of a file, with a further answer of it."""
    if isinstance(result, Failed):
        return result
    if isinstance(answer, EmptyVideoError):
        return replace(result, empty=True)
    if isinstance(answer, PhotoError):
        return replace(result, error=Failed.of(answer)) if result.decisions else Failed.of(answer)
    return replace(result, decisions=(*result.decisions, *(each.as_json() for each in answer[1])))


def _content_hash(path: Path) -> str:
    return video_sha256(path) if is_video(path) else sha256(read_photo_bytes(path)).hexdigest()
