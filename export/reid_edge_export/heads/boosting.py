"""Gradient boosting on vectors and their nearest gallery photos (AnimalCLEF 2025, second place, section 3.5 and section 4, step 4).

XGBoost with ``multi:softprob``, depth 6, eta 0.15, lambda 2; the identities of the neighbours are categories, which it splits into subsets.
Settings that the account omits are XGBoost's defaults, except for the bins of a feature: at most 32, as good on zebras as 256, and faster.
A smaller `min_child_weight` than XGBoost's 1 might seem to suit few photos; on zebras and tigers it made the held-out accuracy worse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.compare.heads import Labels, boosting_features
from reid_edge.describe.query import Query
from reid_edge_export.heads.fitting import Curve, TrainedModel, score
from reid_edge_export.heads.photos import LabelledPhotos
from reid_edge_export.progress import Say

if TYPE_CHECKING:
    from xgboost import Booster, DMatrix

NEIGHBOURS = 10
ROUNDS, PATIENCE = 300, 20
"""Rounds at most; the account's best was the 296th."""
PARAMETERS: dict[str, Any] = {
    "objective": "multi:softprob",
    "eval_metric": "mlogloss",
    "max_depth": 6,
    "eta": 0.15,
    "lambda": 2.0,
    "max_bin": 32,
    "tree_method": "hist",
    "base_score": 0.0,  # the graph adds the leaves alone
    "nthread": 1,  # the sums of several threads differ in the last digit, and so would the trees
    "verbosity": 0,
}


def labels_of(photos: LabelledPhotos) -> Labels:
    """Whom a head of these photos names, and the layout of its features."""
    viewpoints, species = (tuple(sorted(set(words) - {""})) for words in (photos.viewpoints, photos.species))
    return Labels(photos.identities, photos.vectors.shape[1], NEIGHBOURS, viewpoints, species)


def features_of(photos: LabelledPhotos, among: LabelledPhotos, labels: Labels) -> NDArray[np.float32]:
    """The features of each photo, its neighbours being those of `among` that the runtime would compare it with.

    A photo is no neighbour of its own, and nor is one that was taken together with it: a query will not have such a one either.

    Returns:
        float32 [N, F], see `reid_edge.compare.heads.boosting_features`.
    """
    distance = 1 - photos.vectors @ among.vectors.T
    comparable = photos.comparable(among)
    rows = []
    for row in range(len(photos)):
        others = np.flatnonzero(comparable[row])
        names = [among.identities[number] for number in among.individual[others]]
        vector, side, species = photos.vectors[row], photos.viewpoints[row], photos.species[row]
        rows.append(boosting_features(vector, distance[row, others], names, Query(species, side), labels))
    return np.stack(rows)


def fit_boosting(
    photos: LabelledPhotos, held: LabelledPhotos | None, labels: Labels, rounds: int, seed: int, say: Say | None = None
) -> TrainedModel[Booster]:
    """Boost trees round by round, until the held-out photos gain nothing for 20 rounds.

    Args:
        photos: to fit on.
        held: to validate on, with `photos` as their gallery; None for all rounds.
        labels: of `labels_of`.
        rounds: at most.
        seed: of XGBoost.
        say: gets a line every two seconds.
    """
    from xgboost import Booster

    train = _matrix(features_of(photos, photos, labels), labels, photos.individual)
    test = _matrix(features_of(held, photos, labels), labels, held.individual) if held else None
    booster = Booster({**PARAMETERS, "num_class": len(labels.identities), "seed": seed}, [train, *([test] if test else [])])
    curve = Curve("boosting", rounds, PATIENCE, say)
    for number in range(rounds):
        booster.update(train, number)
        train_loss, _ = score(booster.predict(train), photos.individual)
        curve.add(train_loss, score(booster.predict(test), held.individual) if held and test else None)
        if curve.over:
            break
    return TrainedModel(booster[: curve.best], curve.best, curve.steps)


def predict_boosting(booster: Booster, features: NDArray[np.float32], labels: Labels) -> NDArray[np.float32]:
    """XGBoost's own probabilities: features float32 [N, F] to float32 [N, C]."""
    return np.asarray(booster.predict(_matrix(features, labels)), np.float32)


def _matrix(features: NDArray[np.float32], labels: Labels, individual: NDArray[np.int64] | None = None) -> DMatrix:
    """The features in XGBoost's form; a neighbour that the head does not know (-1) is a missing category."""
    from xgboost import DMatrix

    first = labels.dimension + labels.neighbours
    categories = slice(first, first + labels.neighbours)
    kinds = np.full(features.shape[1], "q", object)
    kinds[categories] = "c"
    values = features.copy()
    values[:, categories][values[:, categories] < 0] = np.nan
    return DMatrix(values, individual, feature_types=list(kinds), enable_categorical=True, nthread=1)
