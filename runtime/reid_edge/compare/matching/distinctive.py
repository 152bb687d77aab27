"""How distinctive a candidate's matches are: by how much each keypoint of the query resembles it more than any other individual.

Local naive Bayes nearest neighbour (McCann & Lowe, CVPR 2012, eq. 8) as HotSpotter uses it (Crall et al., WACV 2013, sec. 3.3), with the
nearest other individual as the normaliser. A patch of coat that all animals share resembles them all and counts for none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reid_edge.compare.matching.matches import Matches


def distinctive_scores(keypoints: int, found: Sequence[Matches], owners: Sequence[str]) -> NDArray[np.float64]:
    """Score every candidate against all candidates of other individuals.

    With s(i, p) the cosine of keypoint i's match with photo p, 0 where it has none, and r(i, c) the highest s(i, q) of the photos q of
    individuals other than c:  score(p) = sum over i of max(0, s(i, p) - r(i, owner of p)).

    Args:
        keypoints: N, of the query.
        found: matches of each of B candidates, with cosines.
        owners: B names, whom each candidate shows.

    Returns:
        float64 [B], 0 to N. NaN for all where they show fewer than two individuals: nobody is there to be more distinctive than. The score
        of a candidate does not depend on the order of the candidates, nor on further photos of its own individual.
    """
    names = sorted(set(owners))
    if len(names) < 2:
        return np.full(len(found), np.nan)
    place = {name: number for number, name in enumerate(names)}
    individual = np.array([place[owner] for owner in owners])
    lengths = [len(matches) for matches in found]
    row = np.repeat(np.arange(len(found)), lengths)
    mine, point = individual[row], np.concatenate([matches.query for matches in found])
    cosines = np.concatenate([matches.scores for matches in found])
    highest = np.zeros((len(names), keypoints), np.float32)
    np.maximum.at(highest, (mine, point), cosines)
    first = highest.argmax(axis=0)
    columns = np.arange(keypoints)
    best = highest[first, columns]
    highest[first, columns] = -1.0
    second = highest.max(axis=0)
    rival = np.where(first[point] == mine, second[point], best[point])
    gains = np.maximum(0.0, cosines.astype(np.float64) - rival)
    return np.bincount(row, gains, len(found)).astype(np.float64, copy=False)
