"""Exact nearest neighbours over one vector per sighting."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.errors import GalleryError
from reid_edge.gallery.features import StoredFeatures
from reid_edge.gallery.mapped_rows import MappedRows, RowForm

_SEARCH_ROWS = 16384  # vectors in one matrix product


class VectorIndex:
    """The vectors of all live sightings that have one, ordered by photo hash and animal, so that ties do not depend on the order in which
    sightings were added.

    Attributes:
        ids: int64 [N], sighting of each vector.
        vectors: float32 [N, D], each of Euclidean length 1, memory-mapped where the cache could be written.
        revision: of the gallery when it was read; stale once `gallery.revision()` differs.
    """

    def __init__(self, mapped: MappedRows) -> None:
        self.ids = mapped.ids
        self.vectors: NDArray[np.float32] = mapped.rows
        self.revision = mapped.revision
        self._mapped = mapped

    @classmethod
    def open(cls, gallery: StoredFeatures, feature_key: str, name: str) -> VectorIndex:
        """The index of the feature `name`, mapped from a cache, see `reid_edge.gallery.mapped_rows`.

        Raises:
            GalleryError: a stored vector is damaged, or they are not vectors of one length.
        """
        return cls(MappedRows.open(gallery, feature_key, RowForm(name, name, "<f4", _vector)))

    @property
    def row_of(self) -> Mapping[int, int]:
        """The row of each sighting."""
        return self._mapped.row_of

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


def _vector(stored: NDArray[Any]) -> NDArray[np.float32]:
    if stored.ndim != 1:
        raise GalleryError(f"A stored vector has shape {stored.shape}.", "Embed the gallery again with one pack.")
    return stored.astype(np.float32)
