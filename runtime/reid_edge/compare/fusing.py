"""The weighted mean of scores that a recipe's fusion writes down, and the one that orders a matcher's candidates."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from reid_edge.recipe import Fuse, Group, Recipe


def fuse_groups(
    raw: NDArray[np.float64],
    names: Sequence[str],
    fuse: Fuse,
    values: Callable[[Group], NDArray[np.float64]],
    weight_of: Callable[[str], float] | None = None,
) -> NDArray[np.float64] | None:
    """The sum over the groups of weight x mean of the group's scores, over the sum of the weights.

    A score that is absent for all candidates is left out, and so is its weight.

    Args:
        raw: [B, S], NaN where absent.
        names: of the S columns.
        fuse: which scores, how weighted.
        values: of a group, [B, S] in 0 to 1: what is averaged.
        weight_of: a score's weight by its name, in place of its share of the group's weight.

    Returns:
        float64 [B] in [0, 1]; None where no score that has a weight is there.
    """
    learnt = np.asarray((~np.isnan(raw)).any(axis=0))
    total, weights = np.zeros(len(raw)), 0.0
    for group in fuse.groups:
        columns = [column for name in group.scores if learnt[column := names.index(name)]]
        of_group = values(group)
        for column in columns:
            weight = weight_of(names[column]) if weight_of else group.weight / len(columns)
            total += weight * of_group[:, column]
            weights += weight
    return np.clip(total / weights, 0, 1) if weights > 0 else None


def as_they_are(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Raw scores [B, S] without a calibrator: cut to 0..1, 0 where absent."""
    return np.asarray(np.clip(np.nan_to_num(raw, nan=0.0), 0, 1))


def order_scores(recipe: Recipe, name: str, raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """What orders the candidates of a matcher: a score, or a fusion of scores as they are, see `Match.order`.

    Args:
        recipe: names the columns, and has the fusion.
        name: of a score or a fusion.
        raw: [B, S], as far as scores are computed.

    Returns:
        float64 [B], NaN where a score was not computed.
    """
    names = recipe.score_names
    if name in names:
        return raw[:, names.index(name)]
    fuse = next(fuse for fuse in recipe.fuse if fuse.name == name)
    fused = fuse_groups(raw, names, fuse, lambda _: as_they_are(raw))
    return np.full(len(raw), np.nan) if fused is None else fused
