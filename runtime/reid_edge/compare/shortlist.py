"""Who a query is compared with in detail: the nearest photos, or the nearest individuals by a few photos each that differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reid_edge.compare.source import CandidateSource
from reid_edge.recipe.stages import Retrieve


def shortlist(
    source: CandidateSource, retrieve: Retrieve, vector: NDArray[np.float32], allowed: NDArray[np.int64] | None
) -> NDArray[np.int64]:
    """The gallery photos that a query is compared with.

    Args:
        source: the gallery.
        retrieve: how many of what.
        vector: float32 [D] of length 1, the query's, of the embedding that retrieves.
        allowed: sighting ids that may be candidates; None for all.

    Returns:
        int64 [B], sighting ids, nearest first. Of individuals: the photos of the nearest individual first, then of the next. An individual
        that is not on the shortlist loses its place to no photo of an individual that is.
    """
    if retrieve.unit == "photos":
        return source.nearest(retrieve.embedding, vector, retrieve.candidates, allowed)
    chosen = [
        source.differing(retrieve.embedding, ids, retrieve.photos) if retrieve.photos else ids
        for ids in _of_nearest_individuals(source, retrieve, vector, allowed)
    ]
    return np.array([sighting for ids in chosen for sighting in ids], np.int64)


def _of_nearest_individuals(
    source: CandidateSource, retrieve: Retrieve, vector: NDArray[np.float32], allowed: NDArray[np.int64] | None
) -> list[list[int]]:
    """All photos of each individual that gets a place: the nearest individual first, and of each the nearest photo."""
    ids = source.nearest(retrieve.embedding, vector, len(source), allowed)
    if not len(ids):
        return []
    individuals = source.individual_numbers(ids)
    _, nearest_photo = np.unique(individuals, return_index=True)
    places = np.full(individuals.max() + 1, retrieve.candidates)
    with_place = individuals[np.sort(nearest_photo)[: retrieve.candidates]]
    places[with_place] = np.arange(len(with_place))
    place = places[individuals]
    order = np.argsort(place, kind="stable")[: np.count_nonzero(place < retrieve.candidates)]
    ends = np.cumsum(np.bincount(place[order]))[:-1]
    return [group.tolist() for group in np.split(ids[order], ends)]


def united(shortlists: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """The first shortlist, then of each further one what is not there yet: int64 [B], each sighting once."""
    if len(shortlists) == 1:
        return shortlists[0]
    return np.array(list(dict.fromkeys(int(sighting) for ids in shortlists for sighting in ids)), np.int64)


def most_different(vectors: NDArray[np.float32], count: int) -> list[int]:
    """Rows of photos of one individual that differ most: the most typical one, then each time the one least like all chosen so far.

    Farthest-first traversal (Gonzalez 1985). Near copies of a photo that is chosen come last, so that a hundred of them change nothing.
    Cosines are compared in whole millionths: rounding of sums decides nothing, and of two photos, each as typical as the other, the
    earlier row is taken.

    Args:
        vectors: float32 [N, D], each of length 1; of equal ones the earlier row is taken.
        count: how many, at most.
    """
    if len(vectors) <= count:
        return list(range(len(vectors)))
    likeness = np.rint((vectors @ vectors.T) * 1e6).astype(np.int64)
    np.fill_diagonal(likeness, 0)  # each photo is like itself
    chosen = [int(likeness.sum(axis=1).argmax())]
    nearest = likeness[chosen[0]].copy()
    while len(chosen) < count:
        nearest[chosen] = np.iinfo(np.int64).max
        chosen.append(int(nearest.argmin()))
        nearest = np.maximum(nearest, likeness[chosen[-1]])
    return chosen


def rows_to_match(scores: NDArray[np.float64], owners: Sequence[str], best: int, photos: int) -> list[int]:
    """Rows of the shortlist that a matcher sees, in the order of an earlier score; of equal ones the nearer first.

    Args:
        scores: float64 [B], the earlier score, NaN where it was not computed: these come last.
        owners: B names, whom each row shows; B different ones where photos are counted.
        best: how many individuals.
        photos: how many photos of each, the best ones; 0 for all.
    """
    seen: dict[str, list[int]] = {}
    for row in np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable"):
        seen.setdefault(owners[row], []).append(int(row))
    return [row for rows in list(seen.values())[:best] for row in rows[: photos or None]]
