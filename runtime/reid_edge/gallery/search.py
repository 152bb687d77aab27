"""Exact nearest neighbours over one vector per sighting; of very many on a server, over those that its index finds near."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.errors import GalleryError
from reid_edge.gallery.features import StoredFeatures
from reid_edge.gallery.mapped_rows import MappedRows, RowForm
from reid_edge.gallery.server_index import MOST_ASKED, ServerIndex, server_index
from reid_edge.threads import in_shares

_SEARCH_ROWS = 2048  # vectors in one product
_ASKED_FOR_EACH = (
    4  # vectors that the index of a server is asked for, for each that is wanted; the best of them are chosen exactly
)


class VectorIndex:
    """The vectors of all live sightings that have one, ordered by photo hash and animal, so that ties do not depend on the order in which
    sightings were added.

    Attributes:
        ids: int64 [N], sighting of each vector.
        vectors: float32 [N, D], each of Euclidean length 1, memory-mapped where the cache could be written.
        revision: of the gallery when it was read; stale once `gallery.revision()` differs.
    """

    def __init__(self, mapped: MappedRows, server: ServerIndex | None = None) -> None:
        self.ids = mapped.ids
        self.vectors: NDArray[np.float32] = mapped.rows
        self.revision = mapped.revision
        self._mapped = mapped
        self._server = server

    @classmethod
    def open(cls, gallery: StoredFeatures, feature_key: str, name: str) -> VectorIndex:
        """The index of the feature `name`, mapped from a cache, see `reid_edge.gallery.mapped_rows`.

        Raises:
            GalleryError: a stored vector is damaged, or they are not vectors of one length.
        """
        mapped = MappedRows.open(gallery, feature_key, RowForm(name, name, "<f4", _vector))
        return cls(mapped, server_index(gallery, feature_key, name))

    @property
    def row_of(self) -> Mapping[int, int]:
        """The row of each sighting."""
        return self._mapped.row_of

    def search(
        self,
        query: NDArray[np.float32],
        k: int,
        allowed_ids: Collection[int] | NDArray[np.int64] | None = None,
        threads: int = 1,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The k sightings nearest to `query`, best first, fewer where there are fewer.

        Args:
            query: float32 [D], Euclidean length 1.
            k: how many.
            allowed_ids: sightings that may be found; None for all.
            threads: that share the vectors, where these are many.

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
        rows = np.arange(number) if allowed_ids is None else np.flatnonzero(np.isin(self.ids, np.fromiter(allowed_ids, np.int64)))
        k = min(k, len(rows))
        if k <= 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        if self._server is not None:
            rows = self._near(self._server, query, k, rows)
        whole = len(rows) == number

        def cosines(starts: range) -> list[NDArray[np.float32]]:
            blocks = [slice(start, start + _SEARCH_ROWS) for start in starts]
            # einsum, not BLAS: BLAS rounds a row differently by its place in the matrix, which would break ties by chance.
            return [np.einsum("nd,d->n", self.vectors[each if whole else rows[each]], query) for each in blocks]

        cosine = np.concatenate(in_shares(cosines, range(0, len(rows), _SEARCH_ROWS), threads))
        least = np.partition(cosine, len(rows) - k)[len(rows) - k]
        near = np.flatnonzero(cosine >= least)
        best = near[np.argsort(-cosine[near], kind="stable")][:k]
        return self.ids[rows[best]], cosine[best]

    def _near(self, server: ServerIndex, query: NDArray[np.float32], k: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows to compare: those that the server's index finds near, and those that it lacks; all where that would not be enough."""
        asked = _ASKED_FOR_EACH * k * len(self.ids) // len(rows)
        if asked > MOST_ASKED:
            return rows
        near = np.concatenate((server.near(query, asked), server.lacking))
        found = rows[np.isin(self.ids[rows], near)]
        return found if len(found) >= k else rows


def _vector(stored: NDArray[Any]) -> NDArray[np.float32]:
    if stored.ndim != 1:
        raise GalleryError(f"A stored vector has shape {stored.shape}.", "Embed the gallery again with one pack.")
    return stored.astype(np.float32)
