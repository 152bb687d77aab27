"""LoFTR on a batch of candidates: matches of two small grey pictures, cell by cell, without keypoints (Sun et al., CVPR 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reid_edge.compare.matching.matches import Matches
from reid_edge.engines import Engine
from reid_edge.pack.manifest import Preprocessing
from reid_edge.recipe.matchers import MATCHING_BATCH


def match_loftr(
    query: NDArray[np.uint8],
    candidates: Sequence[NDArray[np.uint8]],
    engine: Engine,
    preprocessing: Preprocessing,
    min_score: float,
) -> list[Matches]:
    """Match one query with many candidates.

    Args:
        query: uint8 [S, S], see `reid_edge.describe.picture.take_picture`.
        candidates: any number of them.
        engine: a matching network: inputs ``image0/1`` [B, 1, S, S]; outputs ``matches0`` [B, N] (of each cell of image 0 its mutual
            nearest of image 1, or -1) and ``scores0`` [B, N] (confidence 0..1). Cells are numbered row by row.
        preprocessing: the network's scale, mean and deviation.
        min_score: matches with a confidence above this are kept.

    Returns:
        One `Matches` per candidate, in their order; its rows are cells of the pictures.

    Raises:
        EngineError: the network failed.
    """
    results: list[Matches] = []
    for start in range(0, len(candidates), MATCHING_BATCH):
        batch = candidates[start : start + MATCHING_BATCH]
        image0 = np.repeat(_normalised([query], preprocessing), len(batch), axis=0)
        outputs = engine.run({"image0": image0, "image1": _normalised(batch, preprocessing)})
        for matches, scores in zip(outputs["matches0"], outputs["scores0"], strict=True):
            kept = np.flatnonzero((matches >= 0) & (scores > min_score))
            results.append(Matches(kept.astype(np.int64), matches[kept].astype(np.int64), scores[kept].astype(np.float32)))
    return results


def _normalised(pictures: Sequence[NDArray[np.uint8]], preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Pictures as the network takes them: float32 [B, 1, S, S]."""
    scaled = np.stack(pictures)[:, None].astype(np.float32) * np.float32(preprocessing.scale)
    return np.asarray((scaled - np.float32(preprocessing.mean[0])) / np.float32(preprocessing.std[0]), np.float32)
