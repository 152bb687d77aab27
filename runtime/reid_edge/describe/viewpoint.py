"""Predict which side of an animal is seen, where nobody stated it, from the vectors of the two halves of its picture.

The vector of a whole picture hardly changes when the picture is mirrored, so left and right cannot be told apart by it. Where the head is,
in the left or the right half, is what tells them apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.query import Query
from reid_edge.engines.networks import Networks
from reid_edge.errors import PackError
from reid_edge.pack.head_labels import ViewpointLabels
from reid_edge.recipe import Recipe, Viewpoint


@dataclass(frozen=True)
class PredictedViewpoint:
    """The likeliest viewpoint of an animal whose viewpoint nobody stated.

    Attributes:
        name: as the labels name it, in lower case.
        probability: 0..1.
        used: whether the probability reaches the recipe's minimum, so that the viewpoint counts as a stated one does.
    """

    name: str
    probability: float
    used: bool

    @property
    def warning(self) -> str:
        """One sentence for a person."""
        if self.used:
            return f"The viewpoint {self.name} was predicted ({self.probability * 100:.0f} %)."
        return f"The predicted viewpoint {self.name} ({self.probability * 100:.0f} %) is too uncertain and was not used."


def completed(query: Query, predicted: PredictedViewpoint | None) -> Query:
    """The query with the predicted viewpoint where it is used, else the very same query."""
    return replace(query, viewpoint=predicted.name) if predicted and predicted.used else query


@dataclass(frozen=True)
class ViewpointPredictor:
    """The viewpoint stage of a recipe, ready to run.

    Attributes:
        stage: of the recipe.
        labels: of its head.
        networks: of the pack; the head loads at the first prediction.
    """

    stage: Viewpoint
    labels: ViewpointLabels
    networks: Networks

    @classmethod
    def of(cls, recipe: Recipe, networks: Networks) -> ViewpointPredictor | None:
        """The predictor of a recipe; None where it predicts no viewpoints."""
        if recipe.viewpoint is None or networks.viewpoint_labels is None:
            return None
        return cls(recipe.viewpoint, networks.viewpoint_labels, networks)

    def predict(self, vectors: NDArray[np.float32]) -> list[PredictedViewpoint]:
        """The viewpoint of each animal.

        Args:
            vectors: float32 [N, 2 D], see `reid_edge.describe.description.Describer.halves`, of the stage's embedding.

        Raises:
            EngineError: the head takes vectors of another width, or the library failed.
            PackError: the head gives another number of probabilities than its labels have viewpoints.
        """
        return [self._of(vector) for vector in vectors]

    def _of(self, vector: NDArray[np.float32]) -> PredictedViewpoint:
        # One by one: a TensorRT engine of a head is built for one vector.
        probabilities = self.networks[self.stage.head].engine.run({"features": vector[None]})["probabilities"]
        if probabilities.shape != (1, len(self.labels.viewpoints)):
            raise PackError(
                f"The viewpoint head gives probabilities of shape {list(probabilities.shape)}, "
                f"but its labels have {len(self.labels.viewpoints)} viewpoints.",
                "Train the head again: reid-edge train-head viewpoint.",
            )
        place = int(probabilities[0].argmax())
        probability = float(probabilities[0, place])
        return PredictedViewpoint(self.labels.viewpoints[place], probability, probability >= self.stage.min_probability)
