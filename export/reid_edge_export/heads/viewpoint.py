"""A viewpoint head: multinomial logistic regression on the vectors of a pack, chosen and tempered by cross-validation by individual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import NodeProto, helper

from reid_edge_export.heads.training import one_thread
from reid_edge_export.heads.viewpoint_photos import ViewpointPhotos

PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Of the squared weights, on vectors of variance 1; the one of the lowest loss on held-out individuals is taken."""
TEMPERATURES = tuple(float(value) for value in np.geomspace(0.5, 8, 33))
"""By which the logits are divided, so that probabilities hold on individuals that were not seen; 1 leaves them as they are."""
FOLDS = 5
_STEPS = 200


@dataclass(frozen=True)
class ViewpointModel:
    """probabilities = softmax(vectors @ weight + bias).

    Attributes:
        weight: float64 [D, C]; bias: float64 [C].
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]

    def probabilities(self, vectors: NDArray[np.floating]) -> NDArray[np.float64]:
        """float64 [N, C] of vectors [N, D]."""
        return softmax(vectors @ self.weight + self.bias)


@dataclass(frozen=True)
class Figures:
    """How good predictions are on photos of individuals that the head was not fitted on; mirrored photos do not count.

    Attributes:
        photos, individuals: how many.
        accuracy: share of photos whose likeliest viewpoint is the stated one.
        used: share of photos whose probability reaches the minimum.
        accuracy_of_used: share of these whose viewpoint is the stated one; None where there are none.
        most_common: share of the most common viewpoint, which always naming that one would be right for.
    """

    photos: int
    individuals: int
    accuracy: float
    used: float
    accuracy_of_used: float | None
    most_common: float

    @classmethod
    def of(cls, photos: ViewpointPhotos, probabilities: NDArray[np.float64], min_probability: float) -> Figures:
        """The figures of probabilities [N, C] for N photos."""
        rows = ~photos.mirrored
        right = (probabilities.argmax(axis=1) == photos.viewpoint)[rows]
        used = probabilities.max(axis=1)[rows] >= min_probability
        counts = np.bincount(photos.viewpoint[rows])
        return cls(
            int(rows.sum()),
            len(np.unique(photos.individual[rows])),
            float(right.mean()),
            float(used.mean()),
            float(right[used].mean()) if used.any() else None,
            float(counts.max() / rows.sum()),
        )

    def __str__(self) -> str:
        among = "" if self.accuracy_of_used is None else f", {self.accuracy_of_used:.1%} of these right"
        return (
            f"{self.accuracy:.1%} of {self.photos} photos of {self.individuals} individuals right "
            f"(always the most common viewpoint: {self.most_common:.1%}); {self.used:.1%} reach the minimum probability{among}"
        )


@dataclass(frozen=True)
class FittedViewpoint:
    """A model fitted on all photos, and what cross-validation by individual found.

    Attributes:
        model: with the temperature in its weights.
        penalty, temperature: that were chosen.
        held_out: float64 [N, C], of each photo by a model that was fitted without its individual.
    """

    model: ViewpointModel
    penalty: float
    temperature: float
    held_out: NDArray[np.float64]


def fit_viewpoint(photos: ViewpointPhotos, seed: int = 0) -> FittedViewpoint:
    """Choose penalty and temperature by the loss on held-out individuals, then fit on all photos.

    Args:
        photos: of 2 individuals or more; mirrored photos are in the fold of their individual.
        seed: of the folds.
    """
    with one_thread():
        return _fit_viewpoint(photos, _folds(photos, seed))


def _fit_viewpoint(photos: ViewpointPhotos, fold: NDArray[np.int64]) -> FittedViewpoint:
    logits = {penalty: _held_out_logits(photos, fold, penalty) for penalty in PENALTIES}
    loss = {penalty: _loss(softmax(values), photos.viewpoint) for penalty, values in logits.items()}
    penalty = min(PENALTIES, key=lambda each: loss[each])
    temperature = min(TEMPERATURES, key=lambda each: _loss(softmax(logits[penalty] / each), photos.viewpoint))
    model = _fit(photos, penalty)
    tempered = ViewpointModel(model.weight / temperature, model.bias / temperature)
    return FittedViewpoint(tempered, penalty, temperature, softmax(logits[penalty] / temperature))


def viewpoint_graph(model: ViewpointModel) -> tuple[list[NodeProto], dict[str, NDArray[Any]]]:
    """Nodes and constants: ``features`` float32 [batch, D] -> ``probabilities`` float32 [batch, C]."""
    nodes = [
        helper.make_node("Gemm", ["features", "weight", "bias"], ["logits"], name="logits"),
        helper.make_node("Softmax", ["logits"], ["probabilities"], name="probabilities", axis=1),
    ]
    return nodes, {"weight": model.weight.astype(np.float32), "bias": model.bias.astype(np.float32)}


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Rows [N, C] that sum to 1."""
    powers = np.exp(np.asarray(logits, np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float64)


def _folds(photos: ViewpointPhotos, seed: int) -> NDArray[np.int64]:
    """int64 [N]: individuals dealt out so that the folds have about as many photos."""
    individuals, sizes = np.unique(photos.individual, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(individuals))
    order = order[np.argsort(-sizes[order], kind="stable")]
    of_individual = np.zeros(len(individuals), np.int64)
    of_individual[order] = np.arange(len(order)) % min(FOLDS, len(individuals))
    return of_individual[np.searchsorted(individuals, photos.individual)]


def _held_out_logits(photos: ViewpointPhotos, fold: NDArray[np.int64], penalty: float) -> NDArray[np.float64]:
    logits = np.zeros((len(photos), len(photos.viewpoints)))
    for number in np.unique(fold):
        model = _fit(photos.part(fold != number), penalty)
        logits[fold == number] = photos.vectors[fold == number] @ model.weight + model.bias
    return logits


def _fit(photos: ViewpointPhotos, penalty: float) -> ViewpointModel:
    """Fit on vectors of mean 0 and variance 1 per value; the standardisation is folded into the weights."""
    vectors = photos.vectors.astype(np.float64)
    mean, deviation = vectors.mean(axis=0), vectors.std(axis=0)
    deviation[deviation < 1e-9] = 1.0
    # The weights lie in the span of the photos, which are fewer than the values of a vector: fitted there, they are the same.
    left, singular, directions = np.linalg.svd((vectors - mean) / deviation, full_matrices=False)
    x = torch.from_numpy(left * singular)
    y = torch.from_numpy(photos.viewpoint)
    weight = torch.zeros(x.shape[1], len(photos.viewpoints), dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(len(photos.viewpoints), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(x @ weight + bias, y) + penalty / 2 * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    scaled = directions.T @ weight.detach().numpy() / deviation[:, None]
    return ViewpointModel(scaled, bias.detach().numpy() - mean @ scaled)


def _loss(probabilities: NDArray[np.float64], viewpoint: NDArray[np.int64] | Sequence[int]) -> float:
    """Mean cross-entropy."""
    return float(-np.log(np.maximum(probabilities[np.arange(len(probabilities)), viewpoint], 1e-12)).mean())
