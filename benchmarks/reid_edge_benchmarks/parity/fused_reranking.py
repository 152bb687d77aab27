"""Re-ranking by a fusion, pair by pair: with the calibrators that were fitted on the scores of vectors and matchers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from reid_edge.recipe import Recipe, Rerank
from reid_edge.recipe.species import applies_to
from reid_edge_benchmarks.parity.calibrating import IsotonicCurve, by_name
from reid_edge_benchmarks.parity.deciding import fused_scores
from reid_edge_benchmarks.parity.reranking import similarities_of_distances
from reid_edge_calibration.score_table import ScoreTable

GalleryPairs: TypeAlias = Mapping[int, Mapping[int, NDArray[np.float64]]]
"""By gallery photo, by each photo of its own shortlist, their raw scores [S], NaN where one was not computed."""


@dataclass(frozen=True)
class FusedReranking:
    """Fills in the scores of re-ranking by a fusion.

    Attributes:
        recipe: its re-rankings and fusions.
        curves: by score.
        species: of the photos.
    """

    recipe: Recipe
    curves: Mapping[str, IsotonicCurve]
    species: str

    @property
    def stages(self) -> tuple[Rerank, ...]:
        """Those by a fusion that are for the species."""
        return tuple(stage for stage in self.recipe.rerank if stage.fusion and applies_to(stage.species, self.species))

    def fill(self, raw: NDArray[np.float64], rows: Sequence[int], pairs: GalleryPairs) -> NDArray[np.float64]:
        """The scores of one query.

        Args:
            raw: [B, S], of the query with the gallery photos `rows`.
            rows: of the gallery.
            pairs: of gallery photos.

        Returns:
            float64 [B, S].
        """
        filled = np.array(raw, np.float64)
        for stage in self.stages:
            fused = self._fused(stage.fusion, dict(zip(rows, raw, strict=True)))
            photos = [row for row in rows if row in fused]
            of_gallery = {photo: self._fused(stage.fusion, pairs[photo]) for photo in photos if photo in pairs}
            if not of_gallery:
                continue
            squared = np.zeros((1 + len(photos), 1 + len(photos)))
            for place, photo in enumerate(photos, start=1):
                squared[0, place] = squared[place, 0] = 1 - fused[photo]
                for other_place, other in enumerate(photos, start=1):
                    if other != photo:
                        both = of_gallery.get(photo, {}).get(other, 0.0), of_gallery.get(other, {}).get(photo, 0.0)
                        squared[place, other_place] = 1 - max(both)
            shared = dict(zip(photos, similarities_of_distances(squared, stage.k1, stage.k2), strict=True))
            filled[:, self.recipe.score_names.index(stage.name)] = [shared.get(row, math.nan) for row in rows]
        return filled

    def fill_table(self, table: ScoreTable) -> ScoreTable:
        """A table of the reference's scores with those of re-ranking by a fusion."""
        if not self.stages:
            return table
        pairs: dict[int, dict[int, NDArray[np.float64]]] = {}
        every = np.full((len(table.gallery_query), len(table.score_names)), np.nan)
        every[:, : table.gallery_raw.shape[1]] = table.gallery_raw
        for photo, other, scores in zip(table.gallery_query, table.gallery_candidate, every, strict=True):
            pairs.setdefault(int(photo), {})[int(other)] = scores
        views = {"raw": table.raw.astype(np.float64), "raw_without": table.raw_without.astype(np.float64)}
        for raw in views.values():
            compared = ~np.isnan(raw).all(axis=1)
            for query in range(len(table.query_identity)):
                mine = np.flatnonzero((table.query == query) & compared)
                if len(mine):
                    raw[mine] = self.fill(raw[mine], table.candidate[mine].tolist(), pairs)
        return replace(table, **{name: raw.astype(np.float32) for name, raw in views.items()})

    def _fused(self, name: str, scores: Mapping[int, NDArray[np.float64]]) -> dict[int, float]:
        """By photo the fused score; none of those that the fusion does not look at."""
        if not scores:
            return {}
        (fuse,) = (fuse for fuse in self.recipe.fuse if fuse.name == name)
        nearest = self.recipe.score_names.index(self.recipe.retrieve.embedding)
        photos = sorted(scores, key=lambda photo: -scores[photo][nearest])
        raw, calibrated = by_name(np.stack([scores[photo] for photo in photos]), self.recipe.score_names, self.curves)
        learnt = {score for each in raw for score in each}
        values = fused_scores(fuse, raw, calibrated, learnt, None, None)
        return {photo: value for photo, value in zip(photos, values, strict=True) if value == value}
