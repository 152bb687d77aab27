"""SIFT keypoints as a matcher's inputs: places, scales, orientations and frames, and descriptors, of a photo, without weights."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_KEYPOINTS = 512
_SIZE = 512  # pixels of the photo's longer side
_LEAST_SUM = 1e-6


def describe(image: NDArray[np.uint8], position: int, dimension: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Up to 512 keypoints of a photo and their RootSIFT descriptors (Arandjelovic & Zisserman, CVPR 2012).

    Args:
        image: uint8 [H, W, 3], RGB.
        position: 2 for places alone, 4 with scale and orientation, 6 with affine frames; see `networks.lightglue.LightGlue`.
        dimension: of the descriptors, a multiple of 128: beyond 128 the descriptor is repeated.

    Returns:
        keypoints float32 [1, N, position] and descriptors float32 [1, N, dimension] of norm 1.
    """
    scale = _SIZE / max(image.shape[:2])
    grey = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    # The contrast threshold of LightGlue's own SIFT, which is COLMAP's.
    found, descriptors = cv2.SIFT_create(nfeatures=_KEYPOINTS, contrastThreshold=0.0066667).detectAndCompute(grey, None)
    found = found[:_KEYPOINTS]
    if not found:
        return np.zeros((1, 0, position), np.float32), np.zeros((1, 0, dimension), np.float32)
    half = max(grey.shape) / 2
    centre = (np.array([point.pt for point in found], np.float32) - np.array(grey.shape[::-1], np.float32) / 2) / half
    size, angle = np.array([(point.size, np.deg2rad(point.angle)) for point in found], np.float32)[:, :, None].transpose(1, 0, 2)
    cosine, sine = size / half * np.cos(angle), size / half * np.sin(angle)
    more = {2: [], 4: [size, angle], 6: [centre + np.hstack((cosine, sine)), centre + np.hstack((-sine, cosine))]}
    rooted = np.sqrt(descriptors / np.maximum(descriptors.sum(1, keepdims=True), _LEAST_SUM))[:_KEYPOINTS]
    repeated = np.tile(rooted, dimension // rooted.shape[1])
    repeated /= np.linalg.norm(repeated, axis=1, keepdims=True)
    return np.hstack((centre, *more[position]))[None].astype(np.float32), repeated[None].astype(np.float32)
