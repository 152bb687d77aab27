"""Fill in the scores of a table that are found by a fusion: they need calibrators, which are fitted on the other scores first."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from reid_edge.compare.fused_reranking import GalleryNeighbours, fused_neighbours
from reid_edge.decide.calibration import Entry
from reid_edge.decide.consensus import fused_by_name
from reid_edge.gallery.pair_scores import PhotoPairs
from reid_edge.recipe import Recipe
from reid_edge.recipe.species import applies_to
from reid_edge_calibration.score_table import ScoreTable


def reranked(table: ScoreTable, recipe: Recipe, entry: Entry) -> ScoreTable:
    """The table with the scores of re-ranking by a fusion, as the runtime computes them with this calibration.

    Args:
        table: of the recipe's scores, with those of pairs of gallery photos.
        recipe: of the scores.
        entry: its calibrators; what else it has is not used.
    """
    stages = [stage for stage in recipe.rerank if stage.fusion and applies_to(stage.species, table.species)]
    if not stages or not len(table.gallery_query):
        return table
    order = np.argsort(table.gallery_query, kind="stable")
    photos, starts = np.unique(table.gallery_query[order], return_index=True)
    pairs = {
        int(photo): PhotoPairs(table.gallery_candidate[rows].astype(np.int64), table.gallery_raw[rows])
        for photo, rows in zip(photos, np.split(order, starts[1:]), strict=True)
    }
    neighbours = GalleryNeighbours(pairs, partial(fused_by_name, recipe, entry))
    views = {"raw": table.raw.astype(np.float64), "raw_without": table.raw_without.astype(np.float64)}
    for stage in stages:
        column = table.score_names.index(stage.name)
        for raw in views.values():
            compared = ~np.isnan(np.delete(raw, column, axis=1)).all(axis=1)
            for query in np.unique(table.query[compared]):
                rows = np.flatnonzero((table.query == query) & compared)
                raw[rows, column] = fused_neighbours(stage, raw[rows], table.candidate[rows].astype(np.int64), neighbours)
    return replace(table, **{name: _narrow(raw) for name, raw in views.items()})


def _narrow(raw: NDArray[np.float64]) -> NDArray[np.float32]:
    return raw.astype(np.float32)
