"""How many matches one geometry explains, with the same answer every time: a homography, by MAGSAC++ (Barath et al., CVPR 2020), or a
similarity, by RANSAC (Fischler & Bolles 1981); both are OpenCV's.

The count is absolute evidence: it does not depend on who else is in the gallery.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reid_edge.compare.matching.matches import Matches
from reid_edge.describe.keypoints import Keypoints
from reid_edge.recipe.stages import Geometry

_LONG_SIDE = 512.0
_MOST_SAMPLES = 5000
_CONFIDENCE = 0.9999
_NEEDED = 4  # matches that a homography takes
_SIMILARITY_SAMPLES = 1000
_SIMILARITY_CONFIDENCE = 0.999
_MOST_SCALING = 3.0


def count_inliers(
    query: Keypoints, candidate: Keypoints, matches: Matches, pixels: float, geometry: Geometry = "homography"
) -> int:
    """Count the matches that lie on one homography or similarity from the query's chip to the candidate's.

    Args:
        query: N keypoints.
        candidate: M keypoints.
        matches: between them.
        pixels: how far from its place a match may lie, in pixels of a candidate's chip whose long side is 512.
        geometry: what the inliers agree on.

    Returns:
        0 to the number of matches; 0 where there are fewer than 4, or none explains 4.
    """
    if len(matches) < _NEEDED:
        return 0
    source, target = _scaled(query)[matches.query], _scaled(candidate)[matches.candidate]
    inliers = _of_similarity(source, target, pixels) if geometry == "similarity" else _of_homography(source, target, pixels)
    count = 0 if inliers is None else int(np.count_nonzero(inliers))
    return count if count >= _NEEDED else 0


def _of_homography(source: NDArray[np.float64], target: NDArray[np.float64], pixels: float) -> NDArray[np.uint8] | None:
    params = cv2.UsacParams()
    params.score = cv2.SCORE_METHOD_MAGSAC
    params.loMethod = cv2.LOCAL_OPTIM_SIGMA
    params.threshold = pixels
    params.confidence = _CONFIDENCE
    params.maxIterations = _MOST_SAMPLES
    params.randomGeneratorState = 0
    params.isParallel = False
    homography, inliers = cv2.findHomography(source, target, params)
    return None if homography is None else np.asarray(inliers, np.uint8)


def _of_similarity(source: NDArray[np.float64], target: NDArray[np.float64], pixels: float) -> NDArray[np.uint8] | None:
    """A similarity that shrinks or grows the animal by more than `_MOST_SCALING` explains nothing: both chips show one whole animal."""
    cv2.setRNGSeed(0)  # estimateAffinePartial2D draws from OpenCV's own generator
    matrix, inliers = cv2.estimateAffinePartial2D(
        source,
        target,
        method=cv2.RANSAC,
        ransacReprojThreshold=pixels,
        maxIters=_SIMILARITY_SAMPLES,
        confidence=_SIMILARITY_CONFIDENCE,
        refineIters=0,
    )
    if matrix is None:
        return None
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    return np.asarray(inliers, np.uint8) if 1 / _MOST_SCALING < scale < _MOST_SCALING else None


def _scaled(keypoints: Keypoints) -> NDArray[np.float64]:
    """Places on a chip whose long side is 512 pixels."""
    return np.asarray(keypoints.chip_xy * (_LONG_SIDE / keypoints.chip_size.max()), np.float64)
