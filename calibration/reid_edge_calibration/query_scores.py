"""The scores of one query photo, kept in a file of its own until the table of its set is whole: scoring that was stopped continues."""

from __future__ import annotations

import shutil
import zipfile
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_edge.errors import StorageError
from reid_edge.storage.durable import replacing


@dataclass(frozen=True)
class QueryScores:
    """One query photo against the gallery, and against parts of it.

    Attributes:
        parts: how often it was asked for; first against the whole gallery.
        part: int32 [P], of each pair, which of these it is of.
        sighting: int64 [P], the gallery photo of each pair.
        raw, raw_without: float32 [P, S], as in a `ScoreTable`.
        quality: float32 [K].
    """

    parts: int
    part: NDArray[np.int32]
    sighting: NDArray[np.int64]
    raw: NDArray[np.float32]
    raw_without: NDArray[np.float32]
    quality: NDArray[np.float32]


class KeptQueries:
    """A folder with one file per query photo that was scored."""

    def __init__(self, folder: Path) -> None:
        """It is made when the first is kept."""
        self.folder = folder

    def find(self, number: int, photo: Path) -> QueryScores | None:
        """What was kept of the query of this number; None where there is nothing, it is damaged, or the photo is younger."""
        path = self._path(number)
        with suppress(OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
            if photo.is_file() and photo.stat().st_mtime > path.stat().st_mtime:
                return None
            with np.load(path, allow_pickle=False) as arrays:
                values = {each.name: arrays[each.name] for each in fields(QueryScores)}
            return QueryScores(**{**values, "parts": int(values["parts"])})
        return None

    def keep(self, number: int, scores: QueryScores) -> None:
        """Write one.

        Raises:
            StorageError: it cannot be written.
        """
        try:
            self.folder.mkdir(exist_ok=True)
            with replacing(self._path(number)) as file:
                np.savez_compressed(file, **{each.name: np.asarray(getattr(scores, each.name)) for each in fields(scores)})
        except OSError as error:
            raise StorageError(f"{self.folder} cannot be written ({error.strerror or error}).", "Free space there.") from error

    def remove(self) -> None:
        """Delete all of them; the table holds what they held."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number}.npz"
