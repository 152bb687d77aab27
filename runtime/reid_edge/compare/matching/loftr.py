"""LoFTR on a batch of candidates: matches of two small grey pictures, cell by cell, without keypoints (Sun et al., CVPR 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reid_edge.compare.matching.matches import Matches
from reid_edge.engines.networks import LoadedNetwork
from reid_edge.pack.manifest import Preprocessing


def match_loftr(
    query: NDArray[np.uint8], candidates: Sequence[NDArray[np.uint8]], network: LoadedNetwork, min_score: float
) -> list[Matches]:
    """Match one query with many candidates.

    Args:
        query: uint8 [S, S], see `reid_edge.describe.picture.take_picture`.
        candidates: any number of them.
        network: a matching network: inputs ``image0/1`` [B, 1, S, S]; outputs ``matches0`` [B, N] (of each cell of image 0 its mutual
            nearest of image 1, or -1) and ``scores0`` [B, N] (confidence 0..1). Cells are numbered row by row.
            Its preprocessing says scale, mean and deviation, its `run_shape` how many pairs a run has.
        min_score: matches with a confidence above this are kept.

    Returns:
        One `Matches` per candidate, in their order; its rows are cells of the pictures.

    Raises:
        EngineError: the network failed.
    """
    results: list[Matches] = []
    pairs, preprocessing = network.run_shape.pairs, network.preprocessing
    one = _normalised([query], preprocessing)
    for start in range(0, len(candidates), pairs):
        batch = candidates[start : start + pairs]
        image0 = np.repeat(one, len(batch), axis=0)
        outputs = network.engine.run({"image0": image0, "image1": _normalised(batch, preprocessing)})
        for matches, scores in zip(outputs["matches0"], outputs["scores0"], strict=True):
            kept = np.flatnonzero((matches >= 0) & (scores > min_score))
            results.append(Matches(kept.astype(np.int64), matches[kept].astype(np.int64), scores[kept].astype(np.float32)))
    return results


def _normalised(pictures: Sequence[NDArray[np.uint8]], preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Pictures as the network takes them: float32 [B, 1, S, S]."""
    scaled = np.stack(pictures)[:, None].astype(np.float32) * np.float32(preprocessing.scale)
    return np.asarray((scaled - np.float32(preprocessing.mean[0])) / np.float32(preprocessing.std[0]), np.float32)
