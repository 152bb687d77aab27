"""Exact nearest neighbours over one vector per sighting; of very many on a server, over those that its index finds near."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.errors import GalleryError
from reid_edge.gallery.features import StoredFeatures
from reid_edge.gallery.mapped_rows import MappedRows, RowForm
from reid_edge.gallery.server_index import MOST_ASKED, ServerIndex, server_index
from reid_edge.threads import in_shares

_SEARCH_ROWS = 2048  # vectors in one product
ASKED_FOR_EACH = 4
"""Vectors that the index of a server is asked for, for each that is wanted; the best of them are chosen exactly. `bench catalogue` measures
what other numbers cost and find."""


class VectorIndex:
    """The vectors of all live sightings that have one, ordered by photo hash and animal, so that ties do not depend on the order in which
    sightings were added.

    Attributes:
        ids: int64 [N], sighting of each vector.
        vectors: float32 [N, D], each of Euclidean length 1, memory-mapped where the cache could be written.
        revision: of the gallery when it was read; stale once `gallery.revision()` differs.
        asked_for_each: vectors that the server's index is asked for, for each that is wanted; may be set.
    """

    def __init__(self, mapped: MappedRows, server: ServerIndex | None = None) -> None:
        self.asked_for_each = ASKED_FOR_EACH
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
        rows = None if allowed_ids is None else np.flatnonzero(np.isin(self.ids, _as_array(allowed_ids)))
        k = min(k, number if rows is None else len(rows))
        if k <= 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        if self._server is not None:
            rows = self._near(self._server, query, k, rows)
        count = number if rows is None else len(rows)
        chosen = None if count == number else rows

        def cosines(starts: range) -> list[NDArray[np.float32]]:
            blocks = [slice(start, start + _SEARCH_ROWS) for start in starts]
            # einsum, not BLAS: BLAS rounds a row differently by its place in the matrix, which would break ties by chance.
            return [np.einsum("nd,d->n", self.vectors[each if chosen is None else chosen[each]], query) for each in blocks]

        cosine = np.concatenate(in_shares(cosines, range(0, count, _SEARCH_ROWS), threads))
        least = np.partition(cosine, count - k)[count - k]
        near = np.flatnonzero(cosine >= least)
        best = near[np.argsort(-cosine[near], kind="stable")][:k]
        return self.ids[best if chosen is None else chosen[best]], cosine[best]

    def _near(
        self, server: ServerIndex, query: NDArray[np.float32], k: int, rows: NDArray[np.int64] | None
    ) -> NDArray[np.int64] | None:
        """Of these rows (None: all) those to compare: what the server's index finds near, and what it lacks; all of them where that would
        not be enough."""
        number = len(self.ids)
        asked = self.asked_for_each * k * number // (number if rows is None else len(rows))
        if asked > MOST_ASKED:
            return rows
        near = self._rows_of(np.concatenate((server.near(query, asked), server.lacking)))
        found = near if rows is None else rows[_places(rows, near)]
        return found if len(found) >= k else rows

    def _rows_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows of those of these sightings that have one, ascending, each once."""
        order, ordered = self._by_id
        return np.unique(order[_places(ordered, ids)])

    @cached_property
    def _by_id(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The rows in the order of their ids, and these ids: a search by the index takes no time that grows with the gallery."""
        order = np.argsort(self.ids, kind="stable")
        return order, self.ids[order]


def _as_array(ids: Collection[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    return ids if isinstance(ids, np.ndarray) else np.fromiter(ids, np.int64)


def _places(ascending: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where those of the values that are among the ascending ones stand; there is one or more of these."""
    places = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    found: NDArray[np.int64] = places[ascending[places] == values]
    return found


def _vector(stored: NDArray[Any]) -> NDArray[np.float32]:
    if stored.ndim != 1:
        raise GalleryError(f"A stored vector has shape {stored.shape}.", "Embed the gallery again with one pack.")
    return stored.astype(np.float32)
