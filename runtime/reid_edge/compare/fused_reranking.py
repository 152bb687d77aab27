"""k-reciprocal re-ranking by a fused score: a query's neighbours and those of its candidates are found by all that the fusion weighs.

The distance of two photos is 1 - the fused probability that they show the same individual. Between gallery photos it is made of the scores
that `reid-edge gallery pairs` computed; of two photos that neither has on its shortlist it is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_edge.compare.reranking import rerank
from reid_edge.gallery.pair_scores import PhotoPairs
from reid_edge.recipe import Rerank

Fuse = Callable[[str, NDArray[np.float64]], NDArray[np.float64]]
"""(name of a fusion, raw scores [B, S]) -> fused scores [B] of one query's candidates; NaN of those that it does not look at."""


@dataclass(frozen=True)
class GalleryNeighbours:
    """What re-ranking by a fusion needs beside the query's own scores.

    Attributes:
        pairs: the scores of pairs of gallery photos, by sighting.
        fuse: the recipe's fusions, with a calibration.
    """

    pairs: Mapping[int, PhotoPairs]
    fuse: Fuse

    def missing(self, ids: NDArray[np.int64]) -> int:
        """How many of these sightings have no scores with others."""
        return sum(int(sighting) not in self.pairs for sighting in ids)


def fused_neighbours(
    stage: Rerank, raw: NDArray[np.float64], ids: NDArray[np.int64], neighbours: GalleryNeighbours
) -> NDArray[np.float64]:
    """How many neighbours the query has in common with each candidate: 1 - Jaccard distance.

    Args:
        stage: names the fusion, k1 and k2.
        raw: [B, S], the query's raw scores, columns as in `Recipe.score_names`.
        ids: int64 [B], the candidates.
        neighbours: of the gallery.

    Returns:
        float64 [B] in 0 to 1; NaN of candidates that the fusion does not look at, and of all where no candidate has scores with others.
    """
    fused = neighbours.fuse(stage.fusion, raw)
    shared = np.full(len(ids), np.nan)
    rows = np.flatnonzero(~np.isnan(fused))
    if not len(rows) or neighbours.missing(ids[rows]) == len(rows):
        return shared
    place = {int(sighting): number for number, sighting in enumerate(ids[rows], start=1)}
    likeness = np.full((len(rows) + 1, len(rows) + 1), np.nan)
    likeness[0, 1:] = likeness[1:, 0] = fused[rows]
    for sighting, row in place.items():
        if record := neighbours.pairs.get(sighting):
            padded = np.full((len(record.candidates), raw.shape[1]), np.nan)
            padded[:, : record.raw.shape[1]] = record.raw
            columns = [place.get(int(candidate), -1) for candidate in record.candidates]
            values = neighbours.fuse(stage.fusion, padded)
            for column, value in zip(columns, values, strict=True):
                if column > 0:
                    likeness[row, column] = value
    both = np.fmax(likeness, likeness.T)  # each may have the other on its shortlist, or one of them alone
    distances = np.sqrt(1 - np.clip(np.nan_to_num(both, nan=0.0), 0, 1))
    np.fill_diagonal(distances, 0)
    shared[rows] = 1 - rerank(distances, 1, stage.k1, stage.k2, share=0.0)[0]
    return shared
