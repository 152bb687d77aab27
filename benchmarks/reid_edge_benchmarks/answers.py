"""Score tables become answers: what a calibration says about each query of a table, for measuring it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reid_edge.decide.calibration import Entry
from reid_edge.decide.calibration.identities import score_identities
from reid_edge.decide.consensus import score_by_recipe
from reid_edge.recipe import Recipe
from reid_edge_calibration.metrics import NEW, baks, baus, geomean, geomean_interval, rank_k
from reid_edge_calibration.reranking import reranked
from reid_edge_calibration.score_table import ScoreTable


@dataclass(frozen=True)
class TableAnswers:
    """What one calibration answers to the queries of one table.

    Attributes:
        truth: the identity of each query.
        known: the identities of the gallery.
        top: the identity ranked first.
        score: float64 [Q], the evidence for it, 0 where there is no candidate.
        asked: bool [Q], a person is asked.
    """

    truth: tuple[str, ...]
    known: frozenset[str]
    top: tuple[str, ...]
    score: NDArray[np.float64]
    asked: NDArray[np.bool_]

    def answers(self, threshold: float) -> list[str]:
        """The identity ranked first where its score reaches the threshold, else NEW."""
        return [top if score >= threshold else NEW for top, score in zip(self.top, self.score, strict=True)]

    def figures(self, threshold: float) -> dict[str, float]:
        """R-1, BAKS, BAUS and GeoMean at a threshold, its 95 % interval, and GeoMean at the best threshold in hindsight."""
        answers = self.answers(threshold)
        low, high = geomean_interval(self.truth, answers, self.known)
        right = [answer == (true if true in self.known else NEW) for answer, true in zip(answers, self.truth, strict=True)]
        hindsight = max(geomean(self.truth, self.answers(each), self.known) for each in np.unique([*self.score, np.inf]))
        return {
            "queries": len(self.truth),
            "R-1": rank_k(self.truth, [[top] for top in self.top], 1, self.known),
            "BAKS": baks(self.truth, answers, self.known),
            "BAUS": baus(self.truth, answers, self.known),
            "GeoMean": geomean(self.truth, answers, self.known),
            "GeoMean low": low,
            "GeoMean high": high,
            "GeoMean in hindsight": hindsight,
            "asked": float(self.asked.mean()),
            "wrong unattended": float((~self.asked & ~np.array(right)).mean()),
        }


def answer_table(table: ScoreTable, entry: Entry, recipe: Recipe | None = None) -> TableAnswers:
    """Calibrate, fuse and rank the candidates of each query as the runtime does, in the gallery as it is.

    Args:
        table: the scores.
        entry: their calibration.
        recipe: one with fusions of its own; None for the fusion of the entry.
    """
    table = reranked(table, recipe, entry) if recipe else table
    top, score = [NEW] * len(table.query_identity), np.zeros(len(table.query_identity))
    compared = ~np.isnan(table.raw).all(axis=1)
    for query in np.unique(table.query[compared]):
        pairs = np.flatnonzero((table.query == query) & compared)
        owners = [table.candidate_identity[candidate] for candidate in table.candidate[pairs]]
        if recipe:
            ranked = score_by_recipe(table.raw[pairs], owners, recipe, entry, table.species)
        else:
            ranked = score_identities(table.raw[pairs], owners, entry, table.quality[query])
        top[query], score[query] = ranked.identities[0], ranked.evidence[0]
    return TableAnswers(table.query_identity, frozenset(table.candidate_identity), tuple(top), score, _asked(entry, score))


def _asked(entry: Entry, score: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where the runtime would ask a person, see `reid_edge.decide.verdict.verdict_of`."""
    identity = entry.identity(score)
    probability = np.where(score >= entry.threshold, identity, np.minimum(entry.unknown(1 - score), 1 - identity))
    return np.asarray(((entry.ask_low <= score) & (score <= entry.ask_high)) | (probability < 0.5))


def with_scores(table: ScoreTable, names: tuple[str, ...]) -> ScoreTable:
    """The table with only these of its scores."""
    columns = [table.score_names.index(name) for name in names]
    return replace(table, score_names=names, raw=table.raw[:, columns], raw_without=table.raw_without[:, columns])
