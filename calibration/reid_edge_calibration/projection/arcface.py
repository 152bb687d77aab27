"""The ArcFace loss of vectors and class prototypes, with its gradient (Deng et al. 2019, arXiv:1801.07698, equation 3).

Two things are not as in the paper, so that the loss is smooth everywhere, as L-BFGS needs it:

- cos(theta + m) = cos(theta) cos(m) - sin(theta) sin(m), with sin(theta) = sqrt(1 - cos(theta)^2 + 0.01^2), which has a slope at theta = 0
  too. A class with one photo lies there from the start.
- Beyond theta = pi - m, where cos(theta + m) rises again, it goes on falling with the cosine.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from reid_edge_calibration.projection.vectors import unit

_SMOOTH = 0.01**2


def arcface(
    vectors: NDArray[np.float64],
    prototypes: NDArray[np.float64],
    labels: NDArray[np.int64],
    rivals: NDArray[np.bool_],
    scale: float,
    margin: float,
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """The mean loss over the vectors.

    Args:
        vectors: [N, D], of any length but 0.
        prototypes: [C, D], one per class, of any length but 0.
        labels: [N], the class of each vector.
        rivals: [N, C], the classes that a vector could be taken for; its own is one of them.
        scale: s, the cosines are multiplied by it.
        margin: m, radians, added to the angle between a vector and its own prototype.

    Returns:
        The loss, its gradient by the vectors [N, D], and its gradient by the prototypes [C, D].
    """
    count = len(vectors)
    rows = np.arange(count)
    v, p = unit(vectors), unit(prototypes)
    cosine = v @ p.T
    own, slope = _with_margin(cosine[rows, labels], margin)
    logits = scale * cosine
    logits[rows, labels] = scale * own
    logits[~rivals] = -np.inf
    total = logsumexp(logits, axis=1)
    loss = float(np.mean(total - logits[rows, labels]))
    by_cosine = np.exp(logits - total[:, None])
    by_cosine[rows, labels] -= 1.0
    by_cosine *= scale / count
    by_cosine[rows, labels] *= slope
    return loss, _through_unit(by_cosine @ p, v, vectors), _through_unit(by_cosine.T @ v, p, prototypes)


def _with_margin(cosine: NDArray[np.float64], margin: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """cos(theta + margin) and its derivative by cos(theta); see the module."""
    sine = np.sqrt(np.maximum(1.0 - cosine**2, 0.0) + _SMOOTH)
    value = cosine * np.cos(margin) - sine * np.sin(margin)
    slope = np.cos(margin) + np.sin(margin) * cosine / sine
    turn = -np.cos(margin)  # the cosine of pi - margin
    beyond = cosine < turn
    lowest = turn * np.cos(margin) - np.sqrt(np.sin(margin) ** 2 + _SMOOTH) * np.sin(margin)
    return np.where(beyond, lowest + cosine - turn, value), np.where(beyond, 1.0, slope)


def _through_unit(
    gradient: NDArray[np.float64], direction: NDArray[np.float64], vectors: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The gradient by vectors, from that by their directions."""
    along = (gradient * direction).sum(axis=1, keepdims=True) * direction
    return np.asarray((gradient - along) / np.linalg.norm(vectors, axis=1, keepdims=True))
