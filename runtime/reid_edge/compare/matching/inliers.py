"""How many matches one homography explains: MAGSAC++ (Barath et al., CVPR 2020), OpenCV's, with the same answer every time."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reid_edge.compare.matching.matches import Matches
from reid_edge.describe.keypoints import Keypoints

_LONG_SIDE = 512.0
_MOST_SAMPLES = 5000
_CONFIDENCE = 0.9999
_NEEDED = 4  # matches that a homography takes


def count_inliers(query: Keypoints, candidate: Keypoints, matches: Matches, pixels: float) -> int:
    """Count the matches that lie on one homography from the query's chip to the candidate's.

    Args:
        query: N keypoints.
        candidate: M keypoints.
        matches: between them.
        pixels: how far from its place a match may lie, in pixels of a candidate's chip whose long side is 512.

    Returns:
        0 to the number of matches; 0 where there are fewer than 4, or no homography explains 4.
    """
    if len(matches) < _NEEDED:
        return 0
    params = cv2.UsacParams()
    params.score = cv2.SCORE_METHOD_MAGSAC
    params.loMethod = cv2.LOCAL_OPTIM_SIGMA
    params.threshold = pixels
    params.confidence = _CONFIDENCE
    params.maxIterations = _MOST_SAMPLES
    params.randomGeneratorState = 0
    params.isParallel = False
    source, target = _scaled(query)[matches.query], _scaled(candidate)[matches.candidate]
    homography, inliers = cv2.findHomography(source, target, params)
    if homography is None:
        return 0
    count = int(np.count_nonzero(inliers))
    return count if count >= _NEEDED else 0


def _scaled(keypoints: Keypoints) -> NDArray[np.float64]:
    """Places on a chip whose long side is 512 pixels."""
    return np.asarray(keypoints.chip_xy * (_LONG_SIDE / keypoints.chip_size.max()), np.float64)
