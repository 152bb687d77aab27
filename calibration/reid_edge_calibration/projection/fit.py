"""Fit a linear projection with the ArcFace loss, starting at no change.

The projection is the identity plus a change of low rank, y = x + U S U^T x, where U [D, R] are the main directions of the fitted photos
about zero. Photos tell nothing of any other direction, so there everything stays as it is; dropping those directions instead, as a
projection onto K < D of them would, costs individuals that were not fitted on more than the fit gains them.

Unknown are S [R, R], zero at the start, and one prototype [R] per class, the mean of its photos at the start. A class is an individual
seen from one side: the runtime compares like sides only, and so does the loss. The objective is the mean ArcFace loss plus
(decay / 2) |S|^2, which pulls towards no change, minimised by L-BFGS on all photos at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from reid_edge.errors import UsageError
from reid_edge_calibration.projection.arcface import arcface
from reid_edge_calibration.projection.vectors import LabelledVectors, may_compare, unit

SCALE, MARGIN = 16.0, 0.3
"""Of the ArcFace loss. The paper's 64 and 0.5 are for millions of photos; among these, S moves little where the softmax is that steep."""
LARGEST_RANK = 64
"""Directions that may change; twice as many gain nothing and cost twice the time."""


@dataclass(frozen=True)
class Projection:
    """y = x + (x down) up.

    Attributes:
        down: float64 [D, R].
        up: float64 [R, D].
    """

    down: NDArray[np.float64]
    up: NDArray[np.float64]

    def apply(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Project vectors [N, D] to [N, D]; their length is not 1."""
        return np.asarray(vectors + (vectors @ self.down) @ self.up)


def fit_projection(photos: LabelledVectors, decay: float, steps: Sequence[int]) -> Mapping[int, Projection]:
    """Fit on all the photos.

    Args:
        photos: of 2 individuals or more; an individual with a single photo serves as a contrast to the others.
        decay: pull towards no change, above 0.
        steps: after which iterations of L-BFGS to take the projection, each 1 or more.

    Returns:
        The projection by number of iterations; where the fit ends earlier, its end.

    Raises:
        UsageError: there are fewer than 2 individuals.
    """
    if len(np.unique(photos.individual)) < 2:
        raise UsageError("A projection is fitted on photos of 2 individuals or more.", "Label photos of another individual.")
    basis = _main_directions(photos.vectors)
    inner = photos.vectors @ basis
    rank = basis.shape[1]
    classes, labels = np.unique(np.column_stack((photos.individual, photos.viewpoint)), axis=0, return_inverse=True)
    labels = labels.ravel()
    group = np.zeros(len(classes), np.int64)
    group[labels] = photos.group
    rivals = may_compare((photos.group, photos.viewpoint), (group, classes[:, 1]))
    members = np.eye(len(classes))[labels]
    start = np.concatenate((np.zeros(rank * rank), unit(members.T @ inner).ravel()))

    def objective(unknown: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        change, prototypes = unknown[: rank * rank].reshape(rank, rank), unknown[rank * rank :].reshape(-1, rank)
        loss, by_vectors, by_prototypes = arcface(inner + inner @ change, prototypes, labels, rivals, SCALE, MARGIN)
        by_change = inner.T @ by_vectors + decay * change
        return loss + decay / 2 * float((change**2).sum()), np.concatenate((by_change.ravel(), by_prototypes.ravel()))

    taken: dict[int, NDArray[np.float64]] = {}
    iteration = 0

    def take(unknown: NDArray[np.float64]) -> None:
        nonlocal iteration
        iteration += 1
        if iteration in steps:
            taken[iteration] = unknown.copy()

    end = minimize(objective, start, jac=True, method="L-BFGS-B", callback=take, options={"maxiter": max(steps)}).x
    changes = {step: taken.get(step, end)[: rank * rank].reshape(rank, rank) for step in steps}
    return {step: Projection(basis, change @ basis.T) for step, change in changes.items()}


def _main_directions(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """[D, R]: the orthonormal directions that hold most of the vectors, about zero."""
    count = len(vectors)
    if count <= vectors.shape[1]:  # by the smaller of the two products
        values, inner = np.linalg.eigh(vectors @ vectors.T)
        keep = np.flatnonzero(values > 1e-9 * values[-1])[-LARGEST_RANK:]
        return np.asarray(vectors.T @ (inner[:, keep] / np.sqrt(values[keep])))
    values, directions = np.linalg.eigh(vectors.T @ vectors)
    return np.asarray(directions[:, np.flatnonzero(values > 1e-9 * values[-1])[-LARGEST_RANK:]])
