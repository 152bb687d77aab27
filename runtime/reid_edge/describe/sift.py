"""SIFT keypoints and their RootSIFT descriptors, found by OpenCV on the host (Lowe, IJCV 2004; Arandjelovic & Zisserman, CVPR 2012)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.keypoints import Keypoints
from reid_edge.describe.orientation import Chip, turn_frames
from reid_edge.engines.network_input import resize
from reid_edge.recipe import Extract

# As the extractor that LightGlue's weights for SIFT come with (github.com/cvg/LightGlue, sift.py).
_CONTRAST, _EDGE, _LAYERS = 0.0066667, 10.0, 4
_LEAST = 1e-6


def extract_sift(chip: Chip, settings: Extract) -> Keypoints:
    """Extract the SIFT keypoints of one animal, strongest first; of several orientations in one pixel it is one.

    Args:
        chip: the animal as it is turned. Its long side is brought to `settings.size` pixels.
        settings: how many keypoints at most, and whether and how widely the mask restricts them.

    Returns:
        Keypoints with descriptors [N, 128] and frames: turned to the keypoint's orientation, the unit circle the keypoint's own, whose
        diameter is OpenCV's size of a keypoint.
    """
    scale = settings.size / max(chip.size)
    width, height = (max(1, round(side * scale)) for side in chip.size)
    grey = cv2.cvtColor(resize(chip.rgb, width, height, "area"), cv2.COLOR_RGB2GRAY)
    allowed = chip.mask_at(width, height, settings.mask_margin) if settings.mask else None
    # Without a limit of OpenCV's own, which it applies before the mask; and only those that are kept are described.
    detector = cv2.SIFT.create(nOctaveLayers=_LAYERS, contrastThreshold=_CONTRAST, edgeThreshold=_EDGE)
    found = detector.detect(grey, allowed)
    # x, y, size, angle, response
    facts = np.array([(*point.pt, point.size, point.angle, point.response) for point in found], np.float32).reshape(-1, 5)
    best = _best(facts, settings.keypoints)
    x, y, size, angle, response = facts[best].T
    to_chip = np.array([chip.size[0] / width, chip.size[1] / height], np.float32)
    descriptors = detector.compute(grey, [found[row] for row in best])[1] if len(best) else np.empty((0, 128), np.float32)
    xy = chip.to_photo((np.stack((x, y), axis=1) + np.float32(0.5)) * to_chip - np.float32(0.5))
    return Keypoints(
        xy.astype(np.float32),
        response,
        _rooted(np.asarray(descriptors, np.float32)),
        np.array(chip.box, np.float32),
        turn_frames(_frames(size / 2 / np.float32(scale), np.deg2rad(angle)), -chip.turn),
        chip.turn,
        settings.size,
    )


def _best(facts: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Rows of the `count` strongest, and of those in one pixel the strongest, in an order that no thread can change."""
    x, y, size, angle, response = facts.T
    strongest = np.lexsort((size, y, x, angle, -response))[:count]
    pixels = np.rint(facts[strongest, :2] - 0.5)
    first = np.unique(pixels, axis=0, return_index=True)[1]
    return strongest[np.sort(first)]


def _frames(radius: NDArray[np.float32], angle: NDArray[np.float32]) -> NDArray[np.float32]:
    """Circles turned to their angle, in radians from x to y: float32 [N, 2, 2]."""
    cosine, sine = radius * np.cos(angle), radius * np.sin(angle)
    return np.stack((np.stack((cosine, -sine), axis=1), np.stack((sine, cosine), axis=1)), axis=1)


def _rooted(descriptors: NDArray[np.float32]) -> NDArray[np.float32]:
    """RootSIFT: the square root of the descriptor of sum 1, which has length 1 but for what keeps it off zero."""
    sums = np.maximum(descriptors.sum(axis=1, keepdims=True), _LEAST)
    rooted = np.sqrt(np.maximum(descriptors / sums, _LEAST))
    return np.asarray(rooted / np.linalg.norm(rooted, axis=1, keepdims=True), np.float32)
