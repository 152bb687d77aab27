"""Raw scores of candidate photos become scores of individuals, best first: the part of the way that needs no photo, only numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reid_edge.decide.calibration.model import Entry


@dataclass(frozen=True)
class IdentityScores:
    """What a calibration says of one query's candidates.

    Attributes:
        calibrated: float64 [N, S], probability per photo and score, NaN where absent.
        identities: I names, best first by their fused scores; a `Ranking` puts the most likely first.
        rows: per identity, the row of its best photo.
        fused: float64 [I], each identity's fused score, or its share of the belief (`Evidence.shares`); never rising, save where a recipe's
            last step put another identity first.
        evidence: float64 [I], how clearly each identity stands out, 0..1, none above the best one's.
    """

    calibrated: NDArray[np.float64]
    identities: tuple[str, ...]
    rows: tuple[int, ...]
    fused: NDArray[np.float64]
    evidence: NDArray[np.float64]

    def in_order(self, order: Sequence[int]) -> IdentityScores:
        """The same with the identities in another order: their places in the present one."""
        places = np.asarray(order, np.int64)
        return IdentityScores(
            self.calibrated,
            tuple(self.identities[place] for place in order),
            tuple(self.rows[place] for place in order),
            self.fused[places],
            self.evidence[places],
        )


def score_identities(
    raw: ArrayLike, owners: Sequence[str], entry: Entry, quality: NDArray[np.floating] | None = None
) -> IdentityScores:
    """Calibrate, fuse, pool and weigh. Equal scores are ordered by identity, then by row, so the order of enrolment changes nothing.

    Args:
        raw: [N, S] raw scores of the candidate photos.
        owners: N names, whom each photo shows.
        entry: the calibration of the species.
        quality: [K] of the query photo, see `reid_edge.describe.quality`; a typical one where None.
    """
    raw = np.asarray(raw, np.float64)
    if not len(raw):
        return IdentityScores(raw, (), (), np.empty(0), np.empty(0))
    calibrated, fused = entry.fuse(raw)
    order = sorted(range(len(raw)), key=lambda row: (owners[row], -fused[row], row))
    first = [place for place, row in enumerate(order) if not place or owners[row] != owners[order[place - 1]]]
    best = np.fmax.reduceat(raw[order], first)
    pooled = entry.evidence.shares(best) if entry.evidence.order else entry.pooling(fused[order], np.array(first))
    ranked = sorted(
        range(len(first)), key=lambda group: (-pooled[group], -fused[order[first[group]]], owners[order[first[group]]])
    )
    photos = np.diff([*first, len(order)])
    evidence = entry.evidence(pooled[ranked], best[ranked], photos[ranked], quality)
    rows = tuple(order[first[group]] for group in ranked)
    return IdentityScores(
        calibrated, tuple(owners[row] for row in rows), rows, pooled[ranked], np.minimum(evidence, evidence[:1])
    )
