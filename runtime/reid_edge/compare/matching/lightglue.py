"""LightGlue (Lindenberger et al., ICCV 2023) on a batch of candidates; LighterGlue for XFeat has the same inputs and outputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reid_edge.compare.matching.matches import Matches
from reid_edge.describe.keypoints import Keypoints
from reid_edge.engines import Engine
from reid_edge.engines.run_shape import ONE_PAIR, RunShape
from reid_edge.errors import UsageError


def match_lightglue(
    query: Keypoints, candidates: Sequence[Keypoints], engine: Engine, min_score: float, shape: RunShape = ONE_PAIR
) -> list[Matches]:
    """Match one query with many candidates.

    Args:
        query: N keypoints.
        candidates: any number of keypoint sets with descriptors of the query's dimension.
        engine: a matching network: inputs ``keypoints0/1`` [B, K, 2, 4 or 6] (see `places`), ``descriptors0/1`` [B, K, D],
            ``valid0/1`` [B, K]; outputs ``matches0`` [B, K] (row of the candidate or -1) and ``scores0`` [B, K] (confidence 0..1).
        min_score: matches with a confidence above this are kept.
        shape: how many pairs a run has, and what their keypoints are padded to.

    Returns:
        One `Matches` per candidate, in their order.

    Raises:
        EngineError: the network failed.
        UsageError: it asks for more of a keypoint than its place, which these do not have.
    """
    numbers = next(int(spec.shape[2]) for spec in engine.inputs if spec.name == "keypoints0")
    results: list[Matches] = []
    one = _stack([query], numbers, shape.points)
    for start in range(0, len(candidates), shape.pairs):
        batch = candidates[start : start + shape.pairs]
        places0, descriptors0, valid0 = (np.repeat(each, len(batch), axis=0) for each in one)
        places1, descriptors1, valid1 = _stack(batch, numbers, shape.points)
        outputs = engine.run(
            {
                "keypoints0": places0,
                "keypoints1": places1,
                "descriptors0": descriptors0,
                "descriptors1": descriptors1,
                "valid0": valid0,
                "valid1": valid1,
            }
        )
        for matches, scores in zip(outputs["matches0"], outputs["scores0"], strict=True):
            kept = np.flatnonzero((matches >= 0) & (scores > min_score))
            results.append(Matches(kept.astype(np.int64), matches[kept].astype(np.int64), scores[kept].astype(np.float32)))
    return results


def normalise(keypoints: Keypoints) -> NDArray[np.float32]:
    """Keypoints as LightGlue wants them: centred on the turned chip, its longer side 2 long; float32 [N, 2] (their section 3.1)."""
    size = keypoints.chip_size
    return np.asarray((keypoints.chip_xy - size / 2) / (size.max() / 2), np.float32)


def places(keypoints: Keypoints, numbers: int) -> NDArray[np.float32]:
    """What a LightGlue knows of each keypoint beside its descriptor.

    Args:
        keypoints: N of them.
        numbers: 2 for `normalise` alone; 4 for that, OpenCV's size of the SIFT keypoint in the pixels that it was found in, and its
            orientation in radians, 0 to 2 pi, from x to y (weights for SIFT); 6 for that, and the tips of the x and y axes of the affine
            frame, normalised in the same way (weights for KeyNet with AffNet).

    Returns:
        float32 [N, numbers].

    Raises:
        UsageError: the keypoints have no frames, or were not found by SIFT.
    """
    xy, frames, half = normalise(keypoints), keypoints.chip_frames, keypoints.chip_size.max() / 2
    if numbers == 2:
        return xy
    if frames is None or (numbers == 4 and not keypoints.long_side):
        lacking = "orientations and scales of SIFT keypoints" if numbers == 4 else "affine frames"
        raise UsageError(
            f"The matcher wants {lacking}, which these keypoints do not have.",
            "Give it the keypoints in the recipe that its network was trained with.",
        )
    if numbers == 4:
        # A frame is the circle of the keypoint, whose diameter is its size.
        size = np.sqrt(np.abs(np.linalg.det(frames))) * (keypoints.long_side / half)
        angle = np.arctan2(frames[:, 1, 0], frames[:, 0, 0]) % (2 * np.pi)
        return np.concatenate((xy, size[:, None], angle[:, None]), axis=1, dtype=np.float32)
    return np.concatenate((xy, xy + frames[:, :, 0] / half, xy + frames[:, :, 1] / half), axis=1, dtype=np.float32)


def _stack(
    sets: Sequence[Keypoints], numbers: int, points: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Pad to `points`, at least to the longest set: places [B, K, numbers], descriptors [B, K, D], validity [B, K] of 0 and 1."""
    longest = max(1, points, *(len(keypoints) for keypoints in sets))
    dimension = sets[0].descriptors.shape[1]
    positions = np.zeros((len(sets), longest, numbers), np.float32)
    descriptors = np.zeros((len(sets), longest, dimension), np.float32)
    valid = np.zeros((len(sets), longest), np.float32)
    for row, keypoints in enumerate(sets):
        count = len(keypoints)
        positions[row, :count] = places(keypoints, numbers)
        descriptors[row, :count] = keypoints.descriptors
        valid[row, :count] = 1
    return positions, descriptors, valid
