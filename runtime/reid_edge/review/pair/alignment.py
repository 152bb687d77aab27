"""How the candidate has to be turned and scaled to lie as the query does, from the matched points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from reid_edge.decide.decision import MatchedPoints
from reid_edge.report.pictures import Frame

_LEAST_INLIERS = 8
_LEAST_SHARE = 0.3
_TOLERANCE = 0.05  # of the query's long side
_LEVEL_DEGREES = 20.0  # a smaller turn is how the camera was held, and is left as it is


@dataclass(frozen=True)
class Alignment:
    """The candidate on the query: `degrees` clockwise, and pixels of the query per pixel of the candidate; None where not known."""

    degrees: float = 0.0
    scale: float | None = None


def align(matches: Sequence[MatchedPoints], query: Frame) -> Alignment:
    """The alignment that most matched points agree on; none where too few do.

    Args:
        matches: of one pair.
        query: the animal's frame in its photo, pixels.
    """
    found = max(matches, key=lambda each: len(each.scores), default=None)
    if found is None or len(found.scores) < _LEAST_INLIERS:
        return Alignment()
    tolerance = _TOLERANCE * max(query[2] - query[0], query[3] - query[1])
    source, target = np.float32(found.candidate_xy), np.float32(found.query_xy)  # type: ignore[arg-type]
    matrix, inliers = cv2.estimateAffinePartial2D(source, target, method=cv2.RANSAC, ransacReprojThreshold=tolerance)
    if matrix is None or int(inliers.sum()) < max(_LEAST_INLIERS, _LEAST_SHARE * len(found.scores)):
        return Alignment()
    degrees = math.degrees(math.atan2(matrix[1, 0], matrix[0, 0]))
    return Alignment(0.0 if abs(degrees) <= _LEVEL_DEGREES else round(degrees, 1), float(math.hypot(matrix[0, 0], matrix[1, 0])))
