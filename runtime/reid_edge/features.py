"""What is computed once per animal and stored: its vectors and keypoints, and their form as plain arrays in a gallery."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_edge.keypoints import Keypoints

Arrays = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Features:
    """The features of one animal.

    Attributes:
        vectors: by the recipe's embedding name: float32 [D] of length 1.
        keypoints: by the recipe's extraction name.
    """

    vectors: Mapping[str, NDArray[np.float32]]
    keypoints: Mapping[str, Keypoints]


def vector_array(name: str) -> str:
    """The name under which a gallery stores the vector of this embedding."""
    return f"embedding/{name}"


def keypoint_arrays(name: str) -> tuple[str, str, str, str]:
    """The names under which a gallery stores the keypoints of this extraction: xy, scores, descriptors, region."""
    return (f"keypoints/{name}/xy", f"keypoints/{name}/scores", f"keypoints/{name}/descriptors", f"keypoints/{name}/region")


def to_arrays(features: Features) -> dict[str, NDArray[np.generic]]:
    """Features as plain arrays for a gallery; descriptors and scores in half precision, which no count of matches notices."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for name, vector in features.vectors.items():
        arrays[vector_array(name)] = vector
    for name, keypoints in features.keypoints.items():
        xy, scores, descriptors, region = keypoint_arrays(name)
        arrays[xy] = keypoints.xy
        arrays[scores] = keypoints.scores.astype(np.float16)
        arrays[descriptors] = keypoints.descriptors.astype(np.float16)
        arrays[region] = keypoints.region
    return arrays


def keypoints_from_arrays(arrays: Arrays, name: str) -> Keypoints:
    """The keypoints of one extraction out of a gallery's arrays, the inverse of `to_arrays`.

    Raises:
        KeyError: an array is not there.
    """
    xy, scores, descriptors, region = (np.asarray(arrays[array], np.float32) for array in keypoint_arrays(name))
    return Keypoints(xy, scores, descriptors, region)
