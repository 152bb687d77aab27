"""LightGlue (Lindenberger et al., ICCV 2023) on a batch of candidates; LighterGlue for XFeat has the same inputs and outputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reid_edge.engines import Engine
from reid_edge.keypoints import Keypoints
from reid_edge.matching.matches import Matches

_BATCH = 4


def match_lightglue(query: Keypoints, candidates: Sequence[Keypoints], engine: Engine, min_score: float) -> list[Matches]:
    """Match one query with many candidates.

    Args:
        query: N keypoints.
        candidates: any number of keypoint sets with descriptors of the query's dimension.
        engine: a matching network: inputs ``keypoints0/1`` [B, K, 2] (normalised by `normalise`), ``descriptors0/1`` [B, K, D],
            ``valid0/1`` [B, K]; outputs ``matches0`` [B, K] (row of the candidate or -1) and ``scores0`` [B, K] (confidence 0..1).
        min_score: matches with a confidence above this are kept.

    Returns:
        One `Matches` per candidate, in their order.

    Raises:
        EngineError: the network failed.
    """
    results: list[Matches] = []
    for start in range(0, len(candidates), _BATCH):
        batch = candidates[start : start + _BATCH]
        xy0, descriptors0, valid0 = _stack([query] * len(batch))
        xy1, descriptors1, valid1 = _stack(batch)
        outputs = engine.run(
            {
                "keypoints0": xy0,
                "keypoints1": xy1,
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
    """Keypoints as LightGlue wants them: centred on the region, its longer side 2 long; float32 [N, 2] (their section 3.1)."""
    corner, size = keypoints.region[:2], keypoints.region[2:] - keypoints.region[:2]
    return np.asarray((keypoints.xy - corner - size / 2) / (size.max() / 2), np.float32)


def _stack(sets: Sequence[Keypoints]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Pad to the longest set: normalised xy [B, K, 2], descriptors [B, K, D], validity [B, K] of 0 and 1."""
    longest = max(1, *(len(keypoints) for keypoints in sets))
    dimension = sets[0].descriptors.shape[1]
    xy = np.zeros((len(sets), longest, 2), np.float32)
    descriptors = np.zeros((len(sets), longest, dimension), np.float32)
    valid = np.zeros((len(sets), longest), np.float32)
    for row, keypoints in enumerate(sets):
        count = len(keypoints)
        xy[row, :count] = normalise(keypoints)
        descriptors[row, :count] = keypoints.descriptors
        valid[row, :count] = 1
    return xy, descriptors, valid
