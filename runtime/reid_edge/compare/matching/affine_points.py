"""Keypoints as the geometric matchers see them: in the pixels that they were found in, where their thresholds mean something."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.keypoints import Keypoints
from reid_edge.engines.network_input import input_size
from reid_edge.pack.manifest import Preprocessing


@dataclass(frozen=True)
class AffinePoints:
    """The keypoints of one picture.

    Attributes:
        xy: float32 [N, 2], pixels of the picture that the detector saw, x right, y down.
        descriptors: float32 [N, D].
        frames: float32 [N, 2, 2], affine shapes as in `Keypoints.frames`, in those pixels.
    """

    xy: NDArray[np.float32]
    descriptors: NDArray[np.float32]
    frames: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.xy)

    @classmethod
    def of(cls, keypoints: Keypoints, size: tuple[int, int]) -> AffinePoints:
        """Keypoints of a chip that the detector saw at this size, (width, height) in pixels; upright unit frames where it gave none."""
        scale = np.array(size, np.float32) / keypoints.chip_size
        frames = keypoints.chip_frames
        return cls(
            (keypoints.chip_xy + np.float32(0.5)) * scale - np.float32(0.5),
            keypoints.descriptors,
            np.tile(np.eye(2, dtype=np.float32), (len(keypoints), 1, 1)) if frames is None else scale[:, None] * frames,
        )


def detection_size(keypoints: Keypoints, detector: Preprocessing | None) -> tuple[int, int]:
    """The size at which the detector saw the chip, (width, height) in pixels: as its network takes it, or by the long side of SIFT."""
    width, height = (round(float(side)) for side in keypoints.chip_size)
    if keypoints.long_side:
        scale = keypoints.long_side / max(width, height)
        return max(1, round(width * scale)), max(1, round(height * scale))
    assert detector is not None
    return input_size(width, height, detector)


def squared_distances(one: NDArray[np.float32], two: NDArray[np.float32]) -> NDArray[np.float32]:
    """Between all rows [N, D] and [M, D]: float32 [N, M]; of equal rows near 0, where rounding may leave it below 0."""
    return np.asarray((one**2).sum(axis=1)[:, None] + (two**2).sum(axis=1) - 2 * one @ two.T, np.float32)


class DescriptorDistances:
    """`squared_distances` of one query's descriptors to those of many candidates, in memory that each candidate uses again: new memory for
    every table took longer than the arithmetic.
    """

    def __init__(self, query: NDArray[np.float32]) -> None:
        """For descriptors float32 [N, D]."""
        self._twice, self._norms = 2 * query, (query**2).sum(axis=1)[:, None]
        self._memory = np.empty((2, 0), np.float32)

    def to(self, candidate: NDArray[np.float32]) -> NDArray[np.float32]:
        """The table float32 [N, M] of one candidate; the next call writes over it."""
        shape = len(self._twice), len(candidate)
        size = shape[0] * shape[1]
        if size > self._memory.shape[1]:
            self._memory = np.empty((2, size), np.float32)
        table, product = (part[:size].reshape(shape) for part in self._memory)
        np.matmul(self._twice, candidate.T, out=product)
        np.add(self._norms, (candidate**2).sum(axis=1), out=table)
        return np.subtract(table, product, out=table)
