"""What is computed once per animal and stored: its vectors, keypoints and pictures, and their form as plain arrays in a gallery."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.keypoints import Keypoints

Arrays = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Features:
    """The features of one animal.

    Attributes:
        vectors: by the recipe's embedding name: float32 [D] of length 1. What a stage for other species computes is not there.
        keypoints: by the recipe's extraction name.
        pictures: by the recipe's extraction name: uint8 [S, S], see `reid_edge.describe.picture`.
        halves: by the recipe's embedding name: float32 [2 D] of length 1, which a viewpoint is predicted from; empty where one is stated.
    """

    vectors: Mapping[str, NDArray[np.float32]]
    keypoints: Mapping[str, Keypoints]
    pictures: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    halves: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


def vector_array(name: str) -> str:
    """The name under which a gallery stores the vector of this embedding."""
    return f"embedding/{name}"


def halves_array(name: str) -> str:
    """The name under which a gallery stores the vectors of this embedding that a viewpoint is predicted from."""
    return f"halves/{name}"


def picture_array(name: str) -> str:
    """The name under which a gallery stores the picture of this extraction."""
    return f"picture/{name}"


def keypoint_arrays(name: str) -> tuple[str, ...]:
    """The names under which a gallery stores the keypoints of this extraction: xy, scores, descriptors and region of all, then frames,
    turn and long_side of those that have them.
    """
    return tuple(f"keypoints/{name}/{part}" for part in ("xy", "scores", "descriptors", "region", "frames", "turn", "long_side"))


def descriptor_array(name: str) -> str:
    """The name under which a gallery stores the descriptors of this extraction, best keypoint first."""
    return keypoint_arrays(name)[2]


def to_arrays(features: Features) -> dict[str, NDArray[np.generic]]:
    """Features as plain arrays for a gallery; descriptors and scores in half precision, which no count of matches notices."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for name, vector in features.vectors.items():
        arrays[vector_array(name)] = vector
    for name, vector in features.halves.items():
        arrays[halves_array(name)] = vector
    for name, keypoints in features.keypoints.items():
        xy, scores, descriptors, region, frames, turn, long_side = keypoint_arrays(name)
        arrays[xy] = keypoints.xy
        arrays[scores] = keypoints.scores.astype(np.float16)
        arrays[descriptors] = keypoints.descriptors.astype(np.float16)
        arrays[region] = keypoints.region
        if keypoints.frames is not None:
            arrays[frames] = keypoints.frames
        if keypoints.turn:
            arrays[turn] = np.array(keypoints.turn, np.int32)
        if keypoints.long_side:
            arrays[long_side] = np.array(keypoints.long_side, np.int32)
    for name, picture in features.pictures.items():
        arrays[picture_array(name)] = picture
    return arrays


def keypoints_from_arrays(arrays: Arrays, name: str) -> Keypoints:
    """The keypoints of one extraction out of a gallery's arrays, the inverse of `to_arrays`.

    Raises:
        KeyError: an array that all keypoints have is not there.
    """
    *always, frames, turn, long_side = keypoint_arrays(name)
    xy, scores, descriptors, region = (np.asarray(arrays[array], np.float32) for array in always)
    return Keypoints(
        xy,
        scores,
        descriptors,
        region,
        np.asarray(arrays[frames], np.float32) if frames in arrays else None,
        int(np.asarray(arrays.get(turn, 0))),
        int(np.asarray(arrays.get(long_side, 0))),
    )
