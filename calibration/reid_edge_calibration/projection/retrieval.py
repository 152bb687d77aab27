"""How well individuals are separated: each photo is a query for the other photos of its individual.

Photos of one encounter are too easy and are left aside; so is what the runtime would not compare.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from reid_edge_calibration.projection.vectors import LabelledVectors


@dataclass(frozen=True)
class RetrievalScores:
    """Means over the photos of one individual: average precision, and how often the nearest photo is the individual's, 0..1."""

    average_precision: float
    first: float


def find_again(photos: LabelledVectors) -> Mapping[int, RetrievalScores]:
    """Ask for each photo among the others.

    Returns:
        By individual; without those that have no photo from a second encounter, or no comparable photo of another individual.
    """
    cosine = photos.vectors @ photos.vectors.T
    relevant = photos.relevant
    asked = relevant | (photos.comparable & (photos.individual[:, None] != photos.individual))
    figures: dict[int, list[tuple[float, bool]]] = {}
    for row in np.flatnonzero(relevant.any(axis=1)):
        among = np.flatnonzero(asked[row])
        hits = relevant[row, among[np.argsort(-cosine[row, among], kind="stable")]]
        if hits.all():
            continue
        precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
        figures.setdefault(int(photos.individual[row]), []).append((float(precision[hits].mean()), bool(hits[0])))
    return {individual: RetrievalScores(*map(float, np.mean(rows, axis=0))) for individual, rows in figures.items()}
