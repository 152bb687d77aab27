"""Exact nearest neighbours over a memory-mapped cache of one vector per sighting; delete the cache and nothing is lost."""

from __future__ import annotations

import contextlib
import json
import time
import zlib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.errors import GalleryError
from reid_edge.gallery.arrays import check_feature_key, check_feature_name
from reid_edge.gallery.features import StoredFeatures
from reid_edge.storage.durable import TEMPORARY, replacing

_ROWS = 512  # vectors read from the gallery at a time while the cache is built
_SEARCH_ROWS = 16384  # vectors in one matrix product
_ABANDONED_SECONDS = 3600.0


class VectorIndex:
    """The vectors of all live sightings that have one, ordered by photo hash and animal, so that ties do not depend on the order in which
    sightings were added.

    Attributes:
        ids: int64 [N], sighting of each vector.
        vectors: float32 [N, D], each of Euclidean length 1, memory-mapped where the cache could be written.
        revision: of the gallery when it was read; stale once `gallery.revision()` differs.
    """

    def __init__(self, ids: NDArray[np.int64], vectors: NDArray[np.float32], revision: str) -> None:
        self.ids = ids
        self.vectors = vectors
        self.revision = revision

    @classmethod
    def open(cls, gallery: StoredFeatures, feature_key: str, name: str) -> VectorIndex:
        """The index of the feature `name`, from the cache where that is fresh and whole, else rebuilt.

        The cache is the folder `<gallery>.cache`; where it cannot be written, the vectors are held in memory.

        Raises:
            GalleryError: a stored vector is damaged, or they are not vectors of one length.
        """
        files = _CacheFiles(gallery.database.path, check_feature_key(feature_key), check_feature_name(name))
        with gallery.database.snapshot():
            revision = gallery.revision()
            cached = files.read(revision)
            return cls(*(cached or _build(gallery, feature_key, name, files, revision)), revision)

    def search(
        self, query: NDArray[np.float32], k: int, allowed_ids: Collection[int] | NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The k sightings nearest to `query`, best first, fewer where there are fewer.

        Args:
            query: float32 [D], Euclidean length 1.
            k: how many.
            allowed_ids: sightings that may be found; None for all.

        Returns:
            ids int64 [k] and cosine similarities float32 [k]. Equal similarities are ordered by photo hash and animal.

        Raises:
            GalleryError: the query has another length than the vectors.
        """
        number = len(self.ids)
        if number and query.shape != self.vectors.shape[1:]:
            raise GalleryError(
                f"The query vector has shape {query.shape}; the gallery's vectors have {self.vectors.shape[1:]}.",
                "Enrol and identify with the same pack.",
            )
        cosine = np.empty(number, np.float32)
        for start in range(0, number, _SEARCH_ROWS):
            block = slice(start, start + _SEARCH_ROWS)
            # einsum, not BLAS: BLAS rounds a row differently by its place in the matrix, which would break ties by chance.
            np.einsum("nd,d->n", self.vectors[block], query, out=cosine[block])
        rows = np.arange(number) if allowed_ids is None else np.flatnonzero(np.isin(self.ids, np.fromiter(allowed_ids, np.int64)))
        k = min(k, len(rows))
        if k <= 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        least = np.partition(cosine[rows], len(rows) - k)[len(rows) - k]
        rows = rows[cosine[rows] >= least]
        best = rows[np.argsort(-cosine[rows], kind="stable")][:k]
        return self.ids[best], cosine[best]


class _CacheFiles:
    """The three files of one cached index. The stamp is written last and proves the other two."""

    def __init__(self, gallery: Path, feature_key: str, name: str) -> None:
        self.folder = gallery.with_name(gallery.name + ".cache")
        stem = f"{feature_key[:16]}-{name.replace('/', '+')}"
        self.vectors, self.ids, self.stamp = (self.folder / f"{stem}{end}" for end in (".npy", ".ids.npy", ".json"))
        self._of = {"feature_key": feature_key, "name": name}

    def read(self, revision: str) -> tuple[NDArray[np.int64], NDArray[np.float32]] | None:
        """ids and vectors, or None where they are missing, stale or damaged."""
        try:
            stamp = json.loads(self.stamp.read_text("utf-8"))
            ids = np.load(self.ids, allow_pickle=False)
            vectors = np.load(self.vectors, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        if vectors.ndim != 2 or ids.dtype != np.int64 or vectors.dtype != np.float32 or ids.shape != vectors.shape[:1]:
            return None
        if stamp != self._stamp(revision, _checksum(ids), _checksum(vectors)):
            return None
        return ids, vectors

    def write(
        self, revision: str, ids: NDArray[np.int64], dimension: int, block: Callable[[int], NDArray[np.float32]]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Write all three and map the vectors; `block(row)` gives the vectors from `row` on. OSError where the disk refuses."""
        self.folder.mkdir(exist_ok=True)
        self._remove_abandoned()
        checksum = 0
        with replacing(self.vectors, durable=False) as file:
            # Written, not mapped: on a full disk a write fails, but touching a mapped page kills the process.
            header = {"descr": "<f4", "fortran_order": False, "shape": (len(ids), dimension)}
            np.lib.format.write_array_header_1_0(file, header)
            for row in range(0, len(ids), _ROWS):
                data = block(row).astype("<f4").tobytes()
                checksum = zlib.crc32(data, checksum)
                file.write(data)
            file.flush()
            vectors = np.load(file.name, mmap_mode="r", allow_pickle=False)
        with replacing(self.ids, durable=False) as file:
            np.save(file, ids)
        with replacing(self.stamp, durable=False) as file:
            file.write(json.dumps(self._stamp(revision, _checksum(ids), checksum)).encode())
        return ids, vectors

    def _stamp(self, revision: str, ids: int, vectors: int) -> dict[str, Any]:
        return {**self._of, "revision": revision, "ids": ids, "vectors": vectors}

    def _remove_abandoned(self) -> None:
        """Half-written files that a kill left behind."""
        for file in self.folder.glob(f"*{TEMPORARY}"):
            if time.time() - file.stat().st_mtime > _ABANDONED_SECONDS:
                file.unlink(missing_ok=True)


def _build(
    gallery: StoredFeatures, feature_key: str, name: str, files: _CacheFiles, revision: str
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    rows = gallery.database.rows(
        "SELECT s.id FROM sighting s JOIN feature f ON f.sighting_id = s.id AND f.feature_key = ? AND f.name = ? "
        "WHERE s.live = 1 ORDER BY s.photo_sha256, s.animal_index",
        (feature_key, name),
    )
    ids = np.array([row[0] for row in rows], np.int64)
    if not len(ids):
        return ids, np.empty((0, 0), np.float32)
    (first,) = gallery.features([int(ids[0])], feature_key, [name]).values()
    dimension = first[name].size

    def block(row: int) -> NDArray[np.float32]:
        chunk = ids[row : row + _ROWS].tolist()
        arrays = gallery.features(chunk, feature_key, [name])
        for sighting in chunk:
            shape = arrays[sighting][name].shape
            if shape != (dimension,):
                raise GalleryError(
                    f"The feature {name} of sighting {sighting} has shape {shape}, others ({dimension},).",
                    "Embed the gallery again with one pack.",
                )
        return np.stack([arrays[sighting][name] for sighting in chunk]).astype(np.float32)

    with contextlib.suppress(OSError):
        return files.write(revision, ids, dimension, block)
    vectors = np.empty((len(ids), dimension), np.float32)
    for row in range(0, len(ids), _ROWS):
        vectors[row : row + _ROWS] = block(row)
    return ids, vectors


def _checksum(array: NDArray[Any]) -> int:
    checksum = 0
    for start in range(0, len(array), _SEARCH_ROWS):
        checksum = zlib.crc32(np.ascontiguousarray(array[start : start + _SEARCH_ROWS]).data, checksum)
    return checksum
