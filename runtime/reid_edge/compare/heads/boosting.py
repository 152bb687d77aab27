"""The features of a gradient-boosted head: a vector, its nearest gallery photos, viewpoint and species, laid end to end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reid_edge.describe.query import Query
from reid_edge.pack.head_labels import Labels


def boosting_features(
    vector: NDArray[np.floating],
    neighbour_distances: ArrayLike,
    neighbour_identities: Sequence[str],
    query: Query,
    labels: Labels,
) -> NDArray[np.float32]:
    """One row of features, for training and for running alike.

    | columns                | what                                                                                           |
    |------------------------|------------------------------------------------------------------------------------------------|
    | D                      | the vector                                                                                     |
    | K = labels.neighbours  | 1 - cosine to the K nearest gallery photos, nearest first; NaN where the gallery has fewer     |
    | K                      | whom each of them shows, as its place in `labels.identities`; -1 where there is no such place  |
    | len(labels.viewpoints) | 1 for the viewpoint, else 0; all 0 where it is unknown                                         |
    | len(labels.species)    | 1 for the species, else 0; all 0 where it is unknown                                           |

    The layout is that of the second AnimalCLEF 2025 system (its section 3.5: 3688 + 10 + 10 + 10 columns).

    Args:
        vector: [D], of length 1.
        neighbour_distances: [N], 1 - cosine, in any order, of at least the K nearest photos or of all there are. Of equal ones the
            one whose individual has the lower place counts as nearer, so that the order of the gallery changes nothing.
        neighbour_identities: N names, whom each of them shows.
        query: whose viewpoint and species are taken.
        labels: the layout.

    Returns:
        float32 [F].

    Raises:
        ValueError: the vector is not as wide as the labels say, or there are not as many names as distances.
    """
    distances = np.asarray(neighbour_distances, np.float32)
    if vector.shape != (labels.dimension,) or distances.shape != (len(neighbour_identities),):
        raise ValueError(
            f"vector {vector.shape} of {labels.dimension}, distances {distances.shape} of {len(neighbour_identities)}"
        )
    place = {identity: number for number, identity in enumerate(labels.identities)}
    shown = np.array([place.get(identity, -1) for identity in neighbour_identities], np.float32)
    nearest = np.lexsort((shown, distances))[: labels.neighbours]
    near, who = np.full(labels.neighbours, np.nan, np.float32), np.full(labels.neighbours, -1, np.float32)
    near[: len(nearest)], who[: len(nearest)] = distances[nearest], shown[nearest]
    facts = [*_one_hot(query.viewpoint, labels.viewpoints), *_one_hot(query.species, labels.species)]
    return np.concatenate([vector, near, who, facts]).astype(np.float32)


def _one_hot(value: str, known: Sequence[str]) -> list[float]:
    return [float(value.strip().casefold() == name.casefold()) for name in known]
