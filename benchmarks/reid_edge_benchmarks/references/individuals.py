"""The shortlist and the candidates of a matcher, counted in individuals: each takes one place, however many photos it has."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def photos_by_individual(rows: Sequence[int], owners: Sequence[str], count: int) -> list[list[int]]:
    """The photos of the first individuals.

    Args:
        rows: gallery photos, best first.
        owners: of every gallery photo, whom it shows.
        count: of individuals.

    Returns:
        Per individual its photos, both in the order of `rows`.
    """
    photos: dict[str, list[int]] = {}
    for row in rows:
        photos.setdefault(owners[row], []).append(row)
    return list(photos.values())[:count]


def most_different(vectors: Tensor, count: int) -> list[int]:
    """Photos of one individual that differ most: the one most like all, then each time the one whose nearest chosen photo is farthest
    (Gonzalez 1985). Of equal ones, to a millionth, the first.

    Args:
        vectors: float32 [N, D], each of length 1.
        count: how many at most.
    """
    if len(vectors) <= count:
        return list(range(len(vectors)))
    cosines = (1e6 * (vectors @ vectors.T)).round().long()
    chosen = [int((cosines.sum(1) - cosines.diagonal()).argmax())]
    while len(chosen) < count:
        others = [row for row in range(len(vectors)) if row not in chosen]
        to_nearest_chosen = cosines[others][:, chosen].amax(1)
        chosen.append(others[int(to_nearest_chosen.argmin())])
    return chosen


def rows_to_match(scores: Tensor, owners: Sequence[str], best: int, photos: int) -> list[int]:
    """The rows of the shortlist that a matcher compares.

    Args:
        scores: [B], the score that orders them; NaN, a score that was not computed, comes last, and of equal ones the nearer photo first.
        owners: B names; all different where photos are counted.
        best: how many individuals; 0 for the whole shortlist.
        photos: how many photos of each; 0 for all.
    """
    if not best:
        return list(range(len(scores)))
    order = torch.nan_to_num(scores, nan=-torch.inf).argsort(descending=True, stable=True).tolist()
    return [row for rows in photos_by_individual(order, owners, best) for row in rows[: photos or None]]
