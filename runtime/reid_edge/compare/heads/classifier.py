"""A classifier says with which probability an animal is each individual that it was trained on; each candidate gets its individual's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reid_edge.engines import Engine
from reid_edge.errors import PackError
from reid_edge.pack.head_labels import Labels


def classify(features: NDArray[np.float32], labels: Labels, engine: Engine) -> NDArray[np.float64]:
    """Ask a head of either kind.

    Args:
        features: float32 [F]: a vector of length 1 for a classifier, `reid_edge.compare.heads.boosting_features` for boosting.
        labels: whom it names.
        engine: the head: ``features`` float32 [1, F] -> ``probabilities`` float32 [1, C].

    Returns:
        float64 [C], in the order of `labels.identities`.

    Raises:
        EngineError: the head takes features of another width, or the library failed.
        PackError: the head names another number of individuals than its labels.
    """
    probabilities = engine.run({"features": features[None]})["probabilities"]
    if probabilities.shape != (1, len(labels.identities)):
        raise PackError(
            f"A head gives probabilities of shape {list(probabilities.shape)}, but its labels name {len(labels.identities)}.",
            "Train the head again: reid-edge train-head.",
        )
    return np.asarray(probabilities[0], np.float64)


def of_candidates(probabilities: NDArray[np.float64], labels: Labels, owners: Sequence[str]) -> NDArray[np.float64]:
    """The probability of each candidate's individual.

    Args:
        probabilities: float64 [C], see `classify`.
        labels: whom they are of.
        owners: B names, whom each candidate shows.

    Returns:
        float64 [B], NaN where the head does not know the individual.
    """
    by_identity = dict(zip(labels.identities, probabilities, strict=True))
    return np.array([by_identity.get(owner, np.nan) for owner in owners], np.float64)
